package store_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/store"
)

// request is an act of ann's on jobs.
func request(act store.Act, jobs ...uuid.UUID) store.ActRequest {
	return store.ActRequest{Act: act, Operator: "ann", Reason: "because", Jobs: jobs}
}

func (b *bench) carryOut(r store.ActRequest) store.ActReport {
	b.t.Helper()
	report, err := b.store.CarryOut(b.t.Context(), r)
	if err != nil {
		b.t.Fatal(err)
	}
	return report
}

// wantReport checks how many jobs an act changed, and how many it left for which reason.
func (b *bench) wantReport(got store.ActReport, changed int, skipped map[store.Skip]int) {
	b.t.Helper()
	if got.Changed() != changed || !maps.Equal(got.Skipped(), skipped) {
		b.t.Errorf("changed %d, left %v; want %d and %v", got.Changed(), got.Skipped(), changed, skipped)
	}
}

// acts lists what operators did to a job.
func (b *bench) acts(job uuid.UUID) []store.RecordedAct {
	b.t.Helper()
	acts, err := b.store.Acts(b.t.Context(), job)
	if err != nil {
		b.t.Fatal(err)
	}
	return acts
}

// unconfirmed makes jobs whose register call has no answer, and whose domains are taken now. It returns that call.
func (b *bench) unconfirmed(domains ...string) (batch, uuid.UUID) {
	b.t.Helper()
	lost, call := b.lost(domains...)
	h := b.again(store.Register, len(domains))
	var transitions []store.Transition
	for _, j := range h.jobs {
		transitions = append(transitions, store.Unconfirm(j.ID, "whose?"))
	}
	b.settle(h, transitions...)
	return lost, call
}

func TestConfirmRegistered(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h, call := b.unconfirmed("a.nl", "b.nl")
	a, other := h.jobs[0].ID, h.jobs[1].ID
	b.wantReport(b.carryOut(request(store.ActConfirmRegistered, a)), 1, map[store.Skip]int{})

	got := b.job(a)
	if standing(got) != "succeeded registered" || got.LastError != "" || got.FinishedAt.IsZero() {
		t.Errorf("the job is %+v", got)
	}
	if attempts := b.attempts("a.nl"); !slices.Equal(attempts, []string{"registered by ann"}) {
		t.Errorf("attempts %v", attempts)
	}
	want := []store.RecordedAct{{
		Act: store.ActConfirmRegistered, Operator: "ann", Reason: "because", StateBefore: store.Unconfirmed, ErrorBefore: "whose?",
	}}
	if diff := cmp.Diff(want, b.acts(a), cmpopts.IgnoreFields(store.RecordedAct{}, "At")); diff != "" {
		t.Errorf("acts (-want +got):\n%s", diff)
	}
	b.wantState(other, "unconfirmed")
	if b.attempt(call, other) != store.AttemptUnknown {
		t.Error("the other job's attempt changed as well")
	}

	before := b.fingerprint()
	b.wantReport(b.carryOut(request(store.ActConfirmRegistered, a)), 0, map[store.Skip]int{store.SkipNotUnconfirmed: 1})
	b.wantReport(b.carryOut(request(store.ActConfirmNotRegistered, a)), 0, map[store.Skip]int{store.SkipNotUnconfirmed: 1})
	if b.fingerprint() != before || len(b.acts(a)) != 1 {
		t.Error("a confirmed job was confirmed again")
	}
}

// What an operator disowns leaves no doubt behind: the job goes again, after a check that may call the domain taken.
func TestConfirmNotRegistered(t *testing.T) {
	t.Parallel()
	for name, state := range map[string]store.AttemptState{
		"unanswered": store.AttemptUnknown, "refused": store.AttemptRefused, "cleared": store.AttemptCleared,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			h, call := b.unconfirmed("a.nl")
			id := h.jobs[0].ID
			if state != store.AttemptUnknown {
				b.exec(`UPDATE attempts SET state = $2, resolved_at = now(), resolved_by = 'reply' WHERE call_id = $1`, call, state)
			}
			b.wantReport(b.carryOut(request(store.ActConfirmNotRegistered, id)), 1, map[store.Skip]int{})
			got := b.job(id)
			if standing(got) != "queued" || got.LastError != "" || got.Attempts != 0 {
				t.Errorf("the job is %+v", got)
			}
			b.wantWake(got.WakeAt, 0)
			if attempts := b.attempts("a.nl"); !slices.Equal(attempts, []string{"disowned by ann"}) {
				t.Errorf("attempts %v", attempts)
			}
			again := b.again(store.Register, 1)
			if histories, err := b.store.Histories(t.Context(), again.claim, store.Proof{}); err != nil || !histories[id].Clean() {
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
		reply func(h batch) map[string]store.PaidTransition
		want  string
		left  store.AttemptState
	}{
		"a success": {registered, "succeeded registered", store.AttemptRegistered},
		"a refusal": {func(h batch) map[string]store.PaidTransition {
			return map[string]store.PaidTransition{
				"a.nl": {Transition: store.Fail(h.jobs[0].ID, store.Rejected, "no"), Attempt: store.AttemptFailed},
			}
		}, "queued", store.AttemptDisowned},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			h, call := b.unconfirmed("a.nl")
			b.carryOut(request(store.ActConfirmNotRegistered, h.ids()...))
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
		h := b.running(store.Register, names("standing", 10)[i])
		if s != "running" {
			b.bring(h, s)
		}
		jobs[s] = h.jobs[0].ID
	}
	refused := b.running(store.Register, "refused.nl")
	call := b.intend(refused)
	b.settlePaid(refused, call, map[string]store.PaidTransition{
		"refused.nl": {Transition: store.RetryFree(refused.jobs[0].ID, time.Hour, "no funds"), Attempt: store.AttemptRefused},
	})
	jobs["refused"] = refused.jobs[0].ID
	sent, _ := b.lost("sent.nl")
	b.exec(`UPDATE jobs SET wake_at = now() + interval '1 hour' WHERE id = $1`, sent.jobs[0].ID)
	jobs["sent"] = sent.jobs[0].ID
	b.submit(newOrder(store.Register, "queued"), "queued.nl")
	jobs["queued"] = get[uuid.UUID](b, `SELECT id FROM jobs WHERE domain = 'queued.nl'`)
	return jobs
}

func TestActsByStanding(t *testing.T) {
	t.Parallel()
	const again = "queued"
	for act, wants := range map[store.Act]map[string]string{
		store.ActCancel: {"queued": "canceled", "held": "canceled", "refused": "retrying", "sent": "retrying", "running": "running"},
		store.ActRetry: {"failed taken": again, "failed rejected": again, "failed duplicate": again,
			"failed exhausted": again, "canceled": again},
		store.ActConfirmRegistered:    {"unconfirmed": "succeeded registered"},
		store.ActConfirmNotRegistered: {"unconfirmed": again},
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
			plan, err := b.store.PlanAct(t.Context(), r)
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
	report := b.carryOut(request(store.ActCancel, slices.Collect(maps.Values(jobs))...))
	b.wantReport(report, 5, map[store.Skip]int{store.SkipUnconfirmed: 1, store.SkipEnded: 6})
	if report.Later() != 3 {
		t.Errorf("%d of the canceled end later, want 3", report.Later())
	}
	again := b.carryOut(request(store.ActCancel, slices.Collect(maps.Values(jobs))...))
	b.wantReport(again, 0, map[store.Skip]int{store.SkipUnconfirmed: 1, store.SkipEnded: 8, store.SkipCanceling: 3})
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
	if again := b.submit(newOrder(store.Register, "again"), "queued.nl"); again.Duplicates != 0 {
		t.Error("a canceled job keeps its domain")
	}
}

// A canceled order is out of the way: what was delivered is stale, and its chunks are gone.
func TestCanceledJobsAreNotDelivered(t *testing.T) {
	t.Parallel()
	b := setup(t)
	o := b.submit(newOrder(store.Whois, "r"), names("a", 35)...).Order
	deliveries, err := b.store.TakeFresh(t.Context(), lotOf(store.Whois), 2, time.Hour)
	if err != nil || len(deliveries) != 2 {
		t.Fatalf("%d deliveries, %v", len(deliveries), err)
	}
	r := request(store.ActCancel)
	r.Orders = []store.Order{o}
	b.wantReport(b.carryOut(r), 35, map[store.Skip]int{})
	if h := b.claim(newClaim(store.Whois), delivered(deliveries)); len(h.jobs) != 0 {
		t.Errorf("%d canceled jobs were claimed", len(h.jobs))
	}
	if n := get[int](b, `SELECT count(*) FROM chunks`); n != 0 {
		t.Errorf("%d chunks are left", n)
	}
	if sum, err := b.store.Summarize(t.Context(), o); err != nil || !sum.Done() || sum.Counts[store.Canceled] != 35 {
		t.Errorf("%+v, %v", sum, err)
	}
}

// An order whose jobs are partly under way keeps the chunks that others wait for.
func TestCancelKeepsChunksThatAreNeeded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	o := b.submit(newOrder(store.Whois, "r"), names("a", 25)...).Order
	keep := get[uuid.UUID](b, `SELECT id FROM jobs WHERE seq = 25`)
	b.carryOut(request(store.ActCancel, list[uuid.UUID](b, `SELECT id FROM jobs WHERE seq < 25`)...))
	r := request(store.ActCancel)
	r.Orders, r.State = []store.Order{o}, store.Held // none of them: only the chunks are looked at
	b.wantReport(b.carryOut(r), 0, map[store.Skip]int{})
	if got := b.fresh(store.Whois); len(got) != 1 || got[0].ID != keep {
		t.Errorf("delivered %+v, want the one that was not canceled", got)
	}
	if n := get[int](b, `SELECT count(*) FROM chunks`); n != 1 {
		t.Errorf("%d chunks are left, want 1", n)
	}
}
