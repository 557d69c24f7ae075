package store_test

import (
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/audit"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
)

// Of all jobs only those go at once that wait for their next attempt, and none whose paid call has no answer.
func TestRetryNow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := b.running(record.Register, "other.nl")
	b.settle(other, ledger.Retry(other.ids()[0], time.Hour, "busy"))
	jobs := b.everyStanding()
	check := b.running(record.Whois, "check.nl")
	b.settle(check, ledger.Retry(check.ids()[0], time.Hour, "busy"))
	due := b.running(record.Whois, "due.nl")
	b.settle(due, ledger.Retry(due.ids()[0], 0, "busy"))
	ids := append([]uuid.UUID{check.ids()[0], due.ids()[0], other.ids()[0]}, b.all(jobs)...)
	wakes := map[string]time.Time{"sent": b.job(jobs["sent"]).WakeAt}

	report := b.carryOut(request(operator.RetryNow, ids...))
	b.wantReport(report, 3, map[operator.Skip]int{
		operator.SkipEnded: 6, operator.SkipUnconfirmed: 1, operator.SkipNotWaiting: 4, operator.SkipUnanswered: 1,
	})
	for _, id := range []uuid.UUID{check.ids()[0], other.ids()[0], jobs["refused"]} {
		j := b.job(id)
		if acts := b.acts(id); j.State != record.Retrying || len(acts) != 1 || acts[0].Act != operator.RetryNow || acts[0].StateBefore != record.Retrying {
			t.Errorf("%s is %s, acts %+v", j.Domain, j.State, acts)
		}
		b.wantWake(j.WakeAt, 0)
	}
	if got := b.job(jobs["sent"]).WakeAt; !got.Equal(wakes["sent"]) {
		t.Errorf("an unanswered call's wait went from %s to %s", wakes["sent"], got)
	}
	if again := b.carryOut(request(operator.RetryNow, check.ids()...)); again.Changed() != 0 || again.Skipped()[operator.SkipNotWaiting] != 1 {
		t.Errorf("again: %+v", again)
	}
}

func (b *bench) all(jobs map[string]uuid.UUID) []uuid.UUID {
	var ids []uuid.UUID
	for _, id := range jobs {
		ids = append(ids, id)
	}
	return ids
}

// Who lets a job go sooner gives it no other try: what it was refused for still ends it.
func TestRetryNowIsNoNewLife(t *testing.T) {
	t.Parallel()
	for act, refused := range map[operator.Act]bool{"": true, operator.RetryNow: true} {
		b := setup(t).in(t)
		h := b.running(record.Register, "a.nl")
		call := b.intend(h)
		b.settlePaid(h, call, map[string]ledger.PaidTransition{"a.nl": {
			Transition: ledger.RetryFree(h.ids()[0], time.Hour, "bad holder"), Attempt: record.AttemptRefused, StatusCode: 422, Message: "bad holder",
		}})
		if act != "" {
			b.carryOut(request(act, h.ids()...))
		}
		b.exec(`UPDATE jobs SET wake_at = now()`)
		again := b.again(record.Register, 1)
		histories, err := b.store.Ledger.Histories(t.Context(), again.claim, ledger.Proof{Checks: 1})
		if err != nil || histories[h.ids()[0]].Refused != refused {
			t.Errorf("%q: %+v, %v", act, histories, err)
		}
	}
}

// An audit finds nothing wrong with a canceled job that was let go sooner.
func TestAuditAfterRetryNow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	jobs := b.everyStanding()
	b.carryOut(request(operator.Cancel, jobs["refused"]))
	b.exec(`UPDATE jobs SET wake_at = now() + interval '1 hour' WHERE id = $1`, jobs["refused"])
	if r := b.carryOut(request(operator.RetryNow, jobs["refused"])); r.Changed() != 1 {
		t.Fatalf("it was not let go: %+v", r)
	}
	report, err := b.store.Audit.Run(t.Context(), audit.Options{Grace: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for _, breach := range report.Breaches {
		if breach.Job == jobs["refused"] {
			t.Errorf("breach %+v", breach)
		}
	}
}
