package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// reply is one way in which a call can end for a job.
type reply struct {
	name string
	make func(job uuid.UUID) ledger.Transition
	want string // of a job that runs under the call's claim
	late bool   // a free call's counts also for a job that was taken back
	paid bool   // so does a paid call's
}

func replies() []reply {
	return []reply{
		{"succeed", func(j uuid.UUID) ledger.Transition { return ledger.Succeed(j, record.Registered) }, "succeeded registered", true, true},
		{"fail", func(j uuid.UUID) ledger.Transition { return ledger.Fail(j, record.Rejected, "no") }, "failed rejected", false, true},
		{"retry", func(j uuid.UUID) ledger.Transition { return ledger.Retry(j, time.Hour, "again") }, "retrying", false, false},
		{"retry free", func(j uuid.UUID) ledger.Transition { return ledger.RetryFree(j, time.Hour, "wait") }, "retrying", false, false},
		{"unconfirm", func(j uuid.UUID) ledger.Transition { return ledger.Unconfirm(j, "who knows") }, "unconfirmed", false, false},
		{"stay", ledger.Stay, "running", false, false},
	}
}

// whereabouts are where a claim's jobs may stand when a reply for it comes in. Each func brings them there.
var whereabouts = []struct {
	name     string
	bring    func(b *bench, h batch)
	standing string
	takes    func(reply) bool
}{
	{"running", func(*bench, batch) {}, "running", func(reply) bool { return true }},
	{"taken back", func(b *bench, h batch) { b.passLease(h.claim); b.expire(0) }, "queued", isLate},
	{"taken back and delivered", func(b *bench, h batch) { b.passLease(h.claim); b.expire(0); b.due(record.Register) }, "queued", isLate},
	{"released", func(b *bench, h batch) { b.release(h.claim, time.Hour) }, "retrying", isLate},
	{"held", func(b *bench, h batch) { b.bring(h, "held") }, "held", isLate},
	{"unconfirmed", func(b *bench, h batch) { b.bring(h, "unconfirmed") }, "unconfirmed", isLate},
	{"claimed anew", func(b *bench, h batch) {
		b.passLease(h.claim)
		b.expire(0)
		b.again(record.Register, len(h.jobs))
	}, "running", never},
	{"claimed anew and released", func(b *bench, h batch) {
		b.passLease(h.claim)
		b.expire(0)
		b.release(b.again(record.Register, len(h.jobs)).claim, time.Hour)
	}, "retrying", never},
	{"succeeded", func(b *bench, h batch) { b.bring(h, "succeeded registered") }, "succeeded registered", never},
	{"failed", func(b *bench, h batch) { b.bring(h, "failed taken") }, "failed taken", never},
	{"canceled", func(b *bench, h batch) { b.bring(h, "canceled") }, "canceled", never},
}

func isLate(r reply) bool { return r.late }
func never(reply) bool    { return false }

// asPaid is a reply to a paid call.
func (r reply) asPaid() reply {
	r.late = r.paid
	return r
}

// bring sets the state of a claim's jobs past all rules.
func (b *bench) bring(h batch, standing string) {
	b.t.Helper()
	state, outcome, _ := strings.Cut(standing, " ")
	b.exec(`UPDATE jobs SET state = $2, outcome = nullif($3, ''), wake_at = CASE WHEN $2 = 'retrying' THEN now() END,
		finished_at = CASE WHEN $2 IN ('succeeded', 'failed', 'canceled') THEN now() END
		WHERE id = ANY($1)`, h.ids(), state, outcome)
}

// A final state never changes, a newer claim's is never overwritten, and a late reply counts if it is a success.
func TestSettleIsFenced(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i, where := range whereabouts {
		h := b.running(record.Register, names(fmt.Sprint("job", i), len(replies()))...)
		where.bring(b, h)
		var transitions []ledger.Transition
		changed := 0
		for i, r := range replies() {
			transitions = append(transitions, r.make(h.jobs[i].ID))
			if where.takes(r) && r.name != "stay" {
				changed++
			}
		}
		before := b.fingerprint()
		if n := b.settle(h, transitions...); n != changed {
			t.Errorf("%s: %d jobs changed, want %d", where.name, n, changed)
		}
		if changed == 0 && b.fingerprint() != before {
			t.Errorf("%s: something changed", where.name)
		}
		for i, r := range replies() {
			want := where.standing
			if where.takes(r) {
				want = r.want
			}
			if got := standing(b.job(h.jobs[i].ID)); got != want {
				t.Errorf("%s, %s: the job is %s, want %s", where.name, r.name, got, want)
			}
		}
	}
}

func TestSettleWritesWhatHappened(t *testing.T) {
	t.Parallel()
	b := setup(t)
	long := strings.Repeat("é", 400)
	for i, c := range []struct {
		name     string
		steps    []func(uuid.UUID) ledger.Transition
		want     record.Job // by its state, outcome, attempts and error
		wake     time.Duration
		finished bool
	}{
		{"success at once", steps(succeed), record.Job{State: record.Succeeded, Outcome: record.Registered, Attempts: 1}, 0, true},
		{"success clears the last error", steps(retry("busy"), succeed),
			record.Job{State: record.Succeeded, Outcome: record.Registered, Attempts: 2}, 0, true},
		{"failure in the upstream's words", steps(retry("busy"), fail("no such holder")),
			record.Job{State: record.Failed, Outcome: record.Rejected, Attempts: 2, LastError: "no such holder"}, 0, true},
		{"failure without words keeps the last", steps(retry("busy"), fail("")),
			record.Job{State: record.Failed, Outcome: record.Rejected, Attempts: 2, LastError: "busy"}, 0, true},
		{"retries count", steps(retry("one"), retry("two"), retry("three")),
			record.Job{State: record.Retrying, Attempts: 3, LastError: "three"}, time.Hour, false},
		{"free retries do not", steps(retry("one"), free("wait"), free("")),
			record.Job{State: record.Retrying, Attempts: 1, LastError: "wait"}, time.Hour, false},
		{"a free first one", steps(free("wait")), record.Job{State: record.Retrying, LastError: "wait"}, time.Hour, false},
		{"unconfirmed waits for a person", steps(func(j uuid.UUID) ledger.Transition { return ledger.Unconfirm(j, "whose?") }),
			record.Job{State: record.Unconfirmed, Attempts: 1, LastError: "whose?"}, 0, false},
		{"text is bounded", steps(fail(long)),
			record.Job{State: record.Failed, Outcome: record.Rejected, Attempts: 1, LastError: long[:500]}, 0, true},
		{"and cut between runes", steps(fail("x" + long)),
			record.Job{State: record.Failed, Outcome: record.Rejected, Attempts: 1, LastError: ("x" + long)[:499]}, 0, true},
	} {
		h := b.running(record.Register, fmt.Sprintf("job%d.nl", i))
		for step, transition := range c.steps {
			if step > 0 {
				b.exec(`UPDATE jobs SET wake_at = now() WHERE id = $1`, h.jobs[0].ID)
				h = b.again(record.Register, 1)
			}
			if n := b.settle(h, transition(h.jobs[0].ID)); n != 1 {
				t.Fatalf("%s: settled %d", c.name, n)
			}
		}
		got := b.job(h.jobs[0].ID)
		if diff := cmp.Diff(c.want, record.Job{State: got.State, Outcome: got.Outcome, Attempts: got.Attempts, LastError: got.LastError}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if got.FinishedAt.IsZero() == c.finished || got.WakeAt.IsZero() == (c.wake > 0) {
			t.Errorf("%s: finished at %v, wakes at %v", c.name, got.FinishedAt, got.WakeAt)
		}
		if c.wake > 0 {
			b.wantWake(got.WakeAt, c.wake)
			b.bring(h, "canceled")
		}
	}
}

func steps(transitions ...func(uuid.UUID) ledger.Transition) []func(uuid.UUID) ledger.Transition {
	return transitions
}

func succeed(j uuid.UUID) ledger.Transition { return ledger.Succeed(j, record.Registered) }

func fail(text string) func(uuid.UUID) ledger.Transition {
	return func(j uuid.UUID) ledger.Transition { return ledger.Fail(j, record.Rejected, text) }
}

func retry(text string) func(uuid.UUID) ledger.Transition {
	return func(j uuid.UUID) ledger.Transition { return ledger.Retry(j, time.Hour, text) }
}

func free(text string) func(uuid.UUID) ledger.Transition {
	return func(j uuid.UUID) ledger.Transition { return ledger.RetryFree(j, time.Hour, text) }
}

func TestSettleCompletesTheCall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(record.Whois, "a.nl")
	call := newCall(h.claim, record.OpWhois)
	if err := b.store.Ledger.StartCall(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	for _, res := range []ledger.CallResult{
		{ID: call.ID, Error: "connection refused"},
		{ID: call.ID, Status: 503, Duration: 1500 * time.Millisecond, Error: strings.Repeat("x", 600)},
		{ID: call.ID, Status: 200, Duration: time.Second},
	} {
		if _, err := b.store.Ledger.Settle(t.Context(), h.claim, res, nil); err != nil {
			t.Fatal(err)
		}
		_, calls, err := b.store.Orders.FindJob(t.Context(), h.jobs[0].ID)
		if err != nil || len(calls) != 1 {
			t.Fatalf("%d calls, %v", len(calls), err)
		}
		got := calls[0]
		if got.Status != res.Status || got.Duration != res.Duration || got.Error != res.Error[:min(len(res.Error), 500)] || got.FinishedAt.IsZero() {
			t.Errorf("call is %+v, want %+v", got, res)
		}
	}
}

func TestClaimIsClosedWithItsLastJob(t *testing.T) {
	t.Parallel()
	b := setup(t)
	later := func(j uuid.UUID) ledger.Transition { return ledger.Retry(j, time.Hour, "") }
	for name, c := range map[string]struct {
		transitions []func(uuid.UUID) ledger.Transition
		closed      bool
	}{
		"all at once":           {steps(succeed, fail("no"), later), true},
		"one is missing":        {steps(succeed, fail("no")), false},
		"one stays":             {steps(succeed, fail("no"), ledger.Stay), false},
		"nothing to write down": {nil, false},
	} {
		label := strings.ReplaceAll(name, " ", "-")
		h := b.running(record.Register, names(label, 3)...)
		var transitions []ledger.Transition
		for i, transition := range c.transitions {
			transitions = append(transitions, transition(h.jobs[i].ID))
		}
		b.settle(h, transitions...)
		if b.closed(h.claim) != c.closed {
			t.Errorf("%s: closed is %v, want %v", name, !c.closed, c.closed)
		}
		b.release(h.claim, time.Hour)
		if !b.closed(h.claim) {
			t.Errorf("%s: the claim is open after its release", name)
		}
	}
}

func TestTransitionsTellTheirJob(t *testing.T) {
	t.Parallel()
	for _, r := range replies() {
		id := newID()
		got := r.make(id)
		state, _, _ := strings.Cut(r.want, " ")
		if r.name == "stay" {
			state = ""
		}
		if got.Job() != id || got.State() != record.State(state) {
			t.Errorf("%s: job %v, state %q", r.name, got.Job(), got.State())
		}
	}
}
