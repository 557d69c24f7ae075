package store_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// rejected makes a registration that the upstream refused by itself.
func (b *bench) rejected(domain string) (batch, uuid.UUID) {
	b.t.Helper()
	h := b.running(record.Register, domain)
	call := b.intend(h)
	b.settlePaid(h, call, map[string]ledger.PaidTransition{
		domain: {Transition: ledger.Fail(h.jobs[0].ID, record.Rejected, "bad holder"), Attempt: record.AttemptFailed, StatusCode: 422, Message: "bad holder"},
	})
	return h, call
}

// A new life begins without the old one's error, count and refusal, and the old one's claims and deliveries are stale.
func TestRetryIsANewLife(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h, call := b.rejected("a.nl")
	id := h.jobs[0].ID
	stale := record.DeliveredJob{ID: id, Domain: "a.nl", Epoch: get[int](b, `SELECT epoch FROM jobs WHERE id = $1`, id)}
	r := request(operator.Retry, id)
	r.Reason = ""
	b.wantReport(b.carryOut(r), 1, map[operator.Skip]int{})

	got := b.job(id)
	want := record.Job{State: record.Queued}
	if diff := cmp.Diff(want, record.Job{State: got.State, Outcome: got.Outcome, Attempts: got.Attempts, LastError: got.LastError, FinishedAt: got.FinishedAt}); diff != "" {
		t.Errorf("the job (-want +got):\n%s", diff)
	}
	b.wantWake(got.WakeAt, 0)
	if a := b.acts(id)[0]; a.StateBefore != record.Failed || a.OutcomeBefore != record.Rejected || a.ErrorBefore != "bad holder" || a.Reason != "" {
		t.Errorf("the act is %+v", a)
	}
	if left := b.claim(newClaim(record.Register), []record.DeliveredJob{stale}); len(left.jobs) != 0 {
		t.Error("a delivery of the old life was claimed")
	}
	b.settlePaid(h, call, map[string]ledger.PaidTransition{ // its settling, once more
		"a.nl": {Transition: ledger.Fail(id, record.Rejected, "bad holder"), Attempt: record.AttemptFailed},
	})
	b.wantState(id, "queued")

	again := b.again(record.Register, 1)
	histories, err := b.store.Ledger.Histories(t.Context(), again.claim, ledger.Proof{})
	if diff := cmp.Diff(ledger.History{}, histories[id]); err != nil || diff != "" {
		t.Errorf("history (-want +got):\n%s%v", diff, err)
	}
	second := b.intend(again)
	b.settlePaid(again, second, map[string]ledger.PaidTransition{
		"a.nl": {Transition: ledger.RetryFree(id, -time.Hour, "bad again"), Attempt: record.AttemptFailed, StatusCode: 422, Message: "bad again"},
	})
	third := b.again(record.Register, 1)
	histories, err = b.store.Ledger.Histories(t.Context(), third.claim, ledger.Proof{})
	if h := histories[id]; err != nil || !h.Refused || h.Refusal != "bad again" {
		t.Errorf("a refusal in the new life is not seen: %+v, %v", h, err)
	}
}

func TestRetryOfADomainThatIsSpokenFor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	live, _ := b.rejected("live.nl")
	have, _ := b.rejected("have.nl")
	free, _ := b.rejected("free.nl")
	b.submit(newOrder(record.Register, "newer"), "live.nl", "have.nl")
	b.bring(b.claim(newClaim(record.Register), pick(b.fresh(record.Register), "have.nl")), "succeeded registered")
	duplicate := b.submit(newOrder(record.Register, "duplicate"), "live.nl").Order

	r := request(operator.Retry, slices.Concat(live.ids(), have.ids(), free.ids())...)
	r.Orders = []record.Order{duplicate}
	report := b.carryOut(r)
	b.wantReport(report, 1, map[operator.Skip]int{operator.SkipClaimed: 3})
	b.wantState(free.jobs[0].ID, "queued")
	b.wantState(live.jobs[0].ID, "failed rejected")
	b.wantState(have.jobs[0].ID, "failed rejected")
	slices.SortFunc(report.Claimed, func(x, y orders.Claimant) int { return strings.Compare(x.Domain, y.Domain) })
	want := []orders.Claimant{{Domain: "have.nl", Reference: "newer", Registered: true}, {Domain: "live.nl", Reference: "newer"}}
	if diff := cmp.Diff(want, report.Claimed); diff != "" {
		t.Errorf("claimants (-want +got):\n%s", diff)
	}
}

// Of several jobs that could have a domain, one gets it, and the duplicate not before the first.
func TestRetryGivesADomainToOneJob(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(record.Register, "a.nl")
	duplicate := b.submit(newOrder(record.Register, "second"), "a.nl").Order
	b.bring(h, "failed exhausted")
	duplicates := list[uuid.UUID](b, `SELECT id FROM jobs WHERE order_id = $1`, duplicate.ID)
	b.wantReport(b.carryOut(request(operator.Retry, append(duplicates, h.ids()...)...)), 1, map[operator.Skip]int{operator.SkipClaimed: 1})
	b.wantState(h.jobs[0].ID, "queued")
	b.wantState(duplicates[0], "failed duplicate")
	b.bring(h, "failed taken")
	r := request(operator.Retry)
	r.Orders = []record.Order{duplicate}
	b.wantReport(b.carryOut(r), 1, map[operator.Skip]int{})
	b.wantState(duplicates[0], "queued")
}

func TestRetryOfOneOutcome(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		state   record.State
		outcome record.Outcome
		want    string
	}{
		"rejected": {"", record.Rejected, "failed rejected"},
		"taken":    {"", record.Taken, "failed taken"},
		"canceled": {record.Canceled, "", "canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			jobs := b.everyStanding()
			r := request(operator.Retry)
			r.State, r.Outcome = c.state, c.outcome
			for _, id := range jobs {
				r.Jobs = append(r.Jobs, id)
			}
			b.wantReport(b.carryOut(r), 1, map[operator.Skip]int{})
			b.wantState(jobs[c.want], "queued")
		})
	}
}

func TestActRequestsAreChecked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, c := range map[string]struct {
		change func(*operator.Request)
		want   string
	}{
		"no act":            {func(r *operator.Request) { r.Act = "delete" }, `no act "delete"`},
		"nobody":            {func(r *operator.Request) { r.Operator = "" }, "say who"},
		"a long name":       {func(r *operator.Request) { r.Operator = strings.Repeat("é", 65) }, "at most 64"},
		"a control code":    {func(r *operator.Request) { r.Operator = "ann\x00" }, "printable"},
		"bad UTF-8":         {func(r *operator.Request) { r.Operator = "ann\xff" }, "printable"},
		"a reserved name":   {func(r *operator.Request) { r.Operator = "reply" }, "means something else"},
		"another":           {func(r *operator.Request) { r.Operator = "readings" }, "means something else"},
		"confirm, no why":   {func(r *operator.Request) { r.Reason = "" }, "say how you know"},
		"disown, no why":    {func(r *operator.Request) { r.Act, r.Reason = operator.ConfirmNotRegistered, "" }, "say how you know"},
		"a novel":           {func(r *operator.Request) { r.Reason = strings.Repeat("x", 501) }, "at most 500"},
		"more than a line":  {func(r *operator.Request) { r.Reason = "a\nb" }, "one line"},
		"all is well":       {func(*operator.Request) {}, ""},
		"as long as it may": {func(r *operator.Request) { r.Operator, r.Reason = strings.Repeat("é", 64), strings.Repeat("é", 500) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h, _ := b.unconfirmed(strings.ReplaceAll(name, " ", "-") + ".nl")
			r := request(operator.ConfirmRegistered, h.ids()...)
			c.change(&r)
			_, err := b.store.Operator.CarryOut(t.Context(), r)
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if _, err := b.store.Operator.Plan(t.Context(), r); err == nil {
				t.Error("it was planned all the same")
			}
			b.wantState(h.jobs[0].ID, "unconfirmed")
		})
	}
}

func TestOrdersOf(t *testing.T) {
	t.Parallel()
	b := setup(t)
	o := b.submit(newOrder(record.Whois, "r"), "a.nl").Order
	id := get[uuid.UUID](b, `SELECT id FROM jobs`)
	got, err := b.store.Operator.OrdersOf(t.Context(), []uuid.UUID{id, newID()})
	if diff := cmp.Diff(map[uuid.UUID]int64{id: o.ID}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestReadingsAreRead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h, _ := b.lost("a.nl")
	id := h.jobs[0].ID
	again := b.again(record.Register, 1)
	call := newCall(again.claim, record.OpCheck)
	if err := b.store.Ledger.StartCall(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	b.read(again.claim, call.ID, ledger.Reading{Job: id, Availability: record.Taken, Status: "active"})
	got, err := b.store.Operator.Readings(t.Context(), id)
	if err != nil || len(got) != 1 || got[0].ReadAt.IsZero() {
		t.Fatalf("readings %+v, %v", got, err)
	}
	got[0].ReadAt = time.Time{}
	if diff := cmp.Diff(operator.RecordedReading{Call: call.ID, Availability: record.Taken, Status: "active"}, got[0]); diff != "" {
		t.Errorf("reading (-want +got):\n%s", diff)
	}
}
