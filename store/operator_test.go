package store_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
)

// request is an act of ann's on jobs.
func request(act operator.Act, jobs ...uuid.UUID) operator.Request {
	return operator.Request{Act: act, Operator: "ann", Reason: "because", Jobs: jobs}
}

func (b *bench) carryOut(r operator.Request) operator.Report {
	b.t.Helper()
	report, err := b.store.Operator.CarryOut(b.t.Context(), r)
	if err != nil {
		b.t.Fatal(err)
	}
	return report
}

// wantReport checks how many jobs an act changed, and how many it left for which reason.
func (b *bench) wantReport(got operator.Report, changed int, skipped map[operator.Skip]int) {
	b.t.Helper()
	if got.Changed() != changed || !maps.Equal(got.Skipped(), skipped) {
		b.t.Errorf("changed %d, left %v; want %d and %v", got.Changed(), got.Skipped(), changed, skipped)
	}
}

// acts lists what operators did to a job.
func (b *bench) acts(job uuid.UUID) []operator.RecordedAct {
	b.t.Helper()
	acts, err := b.store.Operator.Acts(b.t.Context(), job)
	if err != nil {
		b.t.Fatal(err)
	}
	return acts
}

// unconfirmed makes jobs whose register call has no answer, and whose domains are taken now. It returns that call.
func (b *bench) unconfirmed(domains ...string) (batch, uuid.UUID) {
	b.t.Helper()
	lost, call := b.lost(domains...)
	h := b.again(record.Register, len(domains))
	var transitions []ledger.Transition
	for _, j := range h.jobs {
		transitions = append(transitions, ledger.Unconfirm(j.ID, "whose?"))
	}
	b.settle(h, transitions...)
	return lost, call
}

func TestConfirmRegistered(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h, call := b.unconfirmed("a.nl", "b.nl")
	a, other := h.jobs[0].ID, h.jobs[1].ID
	b.wantReport(b.carryOut(request(operator.ConfirmRegistered, a)), 1, map[operator.Skip]int{})

	got := b.job(a)
	if standing(got) != "succeeded registered" || got.LastError != "" || got.FinishedAt.IsZero() {
		t.Errorf("the job is %+v", got)
	}
	if attempts := b.attempts("a.nl"); !slices.Equal(attempts, []string{"registered by ann"}) {
		t.Errorf("attempts %v", attempts)
	}
	want := []operator.RecordedAct{{
		Act: operator.ConfirmRegistered, Operator: "ann", Reason: "because", StateBefore: record.Unconfirmed, ErrorBefore: "whose?",
	}}
	if diff := cmp.Diff(want, b.acts(a), cmpopts.IgnoreFields(operator.RecordedAct{}, "At")); diff != "" {
		t.Errorf("acts (-want +got):\n%s", diff)
	}
	b.wantState(other, "unconfirmed")
	if b.attempt(call, other) != record.AttemptUnknown {
		t.Error("the other job's attempt changed as well")
	}

	before := b.fingerprint()
	b.wantReport(b.carryOut(request(operator.ConfirmRegistered, a)), 0, map[operator.Skip]int{operator.SkipNotUnconfirmed: 1})
	b.wantReport(b.carryOut(request(operator.ConfirmNotRegistered, a)), 0, map[operator.Skip]int{operator.SkipNotUnconfirmed: 1})
	if b.fingerprint() != before || len(b.acts(a)) != 1 {
		t.Error("a confirmed job was confirmed again")
	}
}

// What an operator disowns leaves no doubt behind: the job goes again, after a check that may call the domain taken.
func TestConfirmNotRegistered(t *testing.T) {
	t.Parallel()
	for name, state := range map[string]record.AttemptState{
		"unanswered": record.AttemptUnknown, "refused": record.AttemptRefused, "cleared": record.AttemptCleared,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			h, call := b.unconfirmed("a.nl")
			id := h.jobs[0].ID
			if state != record.AttemptUnknown {
				b.exec(`UPDATE attempts SET state = $2, resolved_at = now(), resolved_by = 'reply' WHERE call_id = $1`, call, state)
			}
			b.wantReport(b.carryOut(request(operator.ConfirmNotRegistered, id)), 1, map[operator.Skip]int{})
			got := b.job(id)
			if standing(got) != "queued" || got.LastError != "" || got.Attempts != 0 {
				t.Errorf("the job is %+v", got)
			}
			b.wantWake(got.WakeAt, 0)
			if attempts := b.attempts("a.nl"); !slices.Equal(attempts, []string{"disowned by ann"}) {
				t.Errorf("attempts %v", attempts)
			}
			again := b.again(record.Register, 1)
			if histories, err := b.store.Ledger.Histories(t.Context(), again.claim, ledger.Proof{}); err != nil || !histories[id].Clean() {
				t.Errorf("histories %+v, %v", histories, err)
			}
			b.intend(again) // nothing bars the domain any more
		})
	}
}

// After an operator has spoken, an old call can only bring good news.
func TestLateReplyAfterNotRegistered(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reply func(h batch) map[string]ledger.PaidTransition
		want  string
		left  record.AttemptState
	}{
		"a success": {registered, "succeeded registered", record.AttemptRegistered},
		"a refusal": {func(h batch) map[string]ledger.PaidTransition {
			return map[string]ledger.PaidTransition{
				"a.nl": {Transition: ledger.Fail(h.jobs[0].ID, record.Rejected, "no"), Attempt: record.AttemptFailed},
			}
		}, "queued", record.AttemptDisowned},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			h, call := b.unconfirmed("a.nl")
			b.carryOut(request(operator.ConfirmNotRegistered, h.ids()...))
			b.settlePaid(h, call, c.reply(h))
			b.wantState(h.jobs[0].ID, c.want)
			if got := b.attempt(call, h.jobs[0].ID); got != c.left {
				t.Errorf("the attempt is %s, want %s", got, c.left)
			}
		})
	}
}

// everyStanding makes one registration for each way in which a job can stand.
func (b *bench) everyStanding() map[string]uuid.UUID {
	b.t.Helper()
	jobs := map[string]uuid.UUID{}
	for i, s := range []string{"running", "held", "unconfirmed", "succeeded registered", "failed taken", "failed rejected",
		"failed duplicate", "failed exhausted", "canceled"} {
		h := b.running(record.Register, names("standing", 10)[i])
		if s != "running" {
			b.bring(h, s)
		}
		jobs[s] = h.jobs[0].ID
	}
	refused := b.running(record.Register, "refused.nl")
	call := b.intend(refused)
	b.settlePaid(refused, call, map[string]ledger.PaidTransition{
		"refused.nl": {Transition: ledger.RetryFree(refused.jobs[0].ID, time.Hour, "no funds"), Attempt: record.AttemptRefused},
	})
	jobs["refused"] = refused.jobs[0].ID
	sent, _ := b.lost("sent.nl")
	b.exec(`UPDATE jobs SET wake_at = now() + interval '1 hour' WHERE id = $1`, sent.jobs[0].ID)
	jobs["sent"] = sent.jobs[0].ID
	b.submit(newOrder(record.Register, "queued"), "queued.nl")
	jobs["queued"] = get[uuid.UUID](b, `SELECT id FROM jobs WHERE domain = 'queued.nl'`)
	return jobs
}

func TestActsByStanding(t *testing.T) {
	t.Parallel()
	const again = "queued"
	for act, wants := range map[operator.Act]map[string]string{
		operator.Cancel: {"queued": "canceled", "held": "canceled", "refused": "retrying", "sent": "retrying", "running": "running"},
		operator.Retry: {"failed taken": again, "failed rejected": again, "failed duplicate": again,
			"failed exhausted": again, "canceled": again},
		operator.ConfirmRegistered:    {"unconfirmed": "succeeded registered"},
		operator.ConfirmNotRegistered: {"unconfirmed": again},
	} {
		t.Run(string(act), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			jobs := b.everyStanding()
			before := map[string]string{}
			for name, id := range jobs {
				before[name] = standing(b.job(id))
			}
			r := request(act, slices.Collect(maps.Values(jobs))...)
			print := b.fingerprint()
			plan, err := b.store.Operator.Plan(t.Context(), r)
			if err != nil || b.fingerprint() != print {
				t.Errorf("planning changed something, or failed: %v", err)
			}
			report := b.carryOut(r)
			if diff := cmp.Diff(plan, report); diff != "" {
				t.Errorf("what was done is not what was planned (-plan +done):\n%s", diff)
			}
			skipped := 0
			for _, n := range report.Skipped() {
				skipped += n
			}
			if report.Changed() != len(wants) || skipped != len(jobs)-len(wants) {
				t.Errorf("changed %d, left %d of %d, want %d changed", report.Changed(), skipped, len(jobs), len(wants))
			}
			for name, id := range jobs {
				want, changes := wants[name]
				if !changes {
					want = before[name]
				}
				b.wantState(id, want)
				if acts := b.acts(id); (len(acts) == 1) != changes {
					t.Errorf("%s: acts %+v", name, acts)
				}
			}
		})
	}
}

func TestCancelSaysWhatItLeaves(t *testing.T) {
	t.Parallel()
	b := setup(t)
	jobs := b.everyStanding()
	report := b.carryOut(request(operator.Cancel, slices.Collect(maps.Values(jobs))...))
	b.wantReport(report, 5, map[operator.Skip]int{operator.SkipUnconfirmed: 1, operator.SkipEnded: 6})
	if report.Later() != 3 {
		t.Errorf("%d of the canceled end later, want 3", report.Later())
	}
	again := b.carryOut(request(operator.Cancel, slices.Collect(maps.Values(jobs))...))
	b.wantReport(again, 0, map[operator.Skip]int{operator.SkipUnconfirmed: 1, operator.SkipEnded: 8, operator.SkipCanceling: 3})
	if got := b.job(jobs["queued"]).LastError; got != "canceled by ann: because" {
		t.Errorf("the error is %q", got)
	}
	for _, name := range []string{"refused", "sent", "running"} {
		if j := b.job(jobs[name]); !j.Canceling || !strings.HasPrefix(j.LastError, "canceled by ann: because; WHOIS must show") {
			t.Errorf("%s: canceling %t, error %q", name, j.Canceling, j.LastError)
		}
	}
	b.wantWake(b.job(jobs["refused"]).WakeAt, 0)
	b.wantWake(b.job(jobs["sent"]).WakeAt, time.Hour)
	if acts := b.acts(jobs["refused"]); acts[0].ErrorBefore != "no funds" {
		t.Errorf("acts %+v", acts)
	}
	if again := b.submit(newOrder(record.Register, "again"), "queued.nl"); again.Duplicates != 0 {
		t.Error("a canceled job keeps its domain")
	}
}

// A canceled order is out of the way: what was delivered is stale, and its chunks are gone.
func TestCanceledJobsAreNotDelivered(t *testing.T) {
	t.Parallel()
	b := setup(t)
	o := b.submit(newOrder(record.Whois, "r"), names("a", 35)...).Order
	deliveries, err := b.store.Delivery.TakeUndelivered(t.Context(), lotOf(record.Whois), 2, time.Hour)
	if err != nil || len(deliveries) != 2 {
		t.Fatalf("%d deliveries, %v", len(deliveries), err)
	}
	r := request(operator.Cancel)
	r.Orders = []record.Order{o}
	b.wantReport(b.carryOut(r), 35, map[operator.Skip]int{})
	if h := b.claim(newClaim(record.Whois), delivered(deliveries)); len(h.jobs) != 0 {
		t.Errorf("%d canceled jobs were claimed", len(h.jobs))
	}
	if n := get[int](b, `SELECT count(*) FROM chunks`); n != 0 {
		t.Errorf("%d chunks are left", n)
	}
	if sum, err := b.store.Orders.Summarize(t.Context(), o); err != nil || !sum.Done() || sum.Counts[record.Canceled] != 35 {
		t.Errorf("%+v, %v", sum, err)
	}
}

// An order whose jobs are partly under way keeps the chunks that others wait for.
func TestCancelKeepsChunksThatAreNeeded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	o := b.submit(newOrder(record.Whois, "r"), names("a", 25)...).Order
	keep := get[uuid.UUID](b, `SELECT id FROM jobs WHERE seq = 25`)
	b.carryOut(request(operator.Cancel, list[uuid.UUID](b, `SELECT id FROM jobs WHERE seq < 25`)...))
	r := request(operator.Cancel)
	r.Orders, r.State = []record.Order{o}, record.Held // none of them: only the chunks are looked at
	b.wantReport(b.carryOut(r), 0, map[operator.Skip]int{})
	if got := b.fresh(record.Whois); len(got) != 1 || got[0].ID != keep {
		t.Errorf("delivered %+v, want the one that was not canceled", got)
	}
	if n := get[int](b, `SELECT count(*) FROM chunks`); n != 1 {
		t.Errorf("%d chunks are left, want 1", n)
	}
}
