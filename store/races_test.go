package store_test

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"golang.org/x/sync/errgroup"

	"github.com/bulkreg/bulkreg/store"
)

// A producer that lost a reply sends chunks again that overlap.
func TestOverlappingChunksAreAdopted(t *testing.T) {
	t.Parallel()
	for _, kind := range []record.Kind{record.Whois, record.Register} {
		b := setup(t)
		n, jobs := newOrder(kind, "own"), newJobs(names("a", 6)...)
		b.adopt(n, jobs[:2])
		b.adopt(n, jobs[:3])
		b.adopt(n, append(jobs[3:], jobs[5])) // and one job twice in a chunk
		if o := b.adopt(n, jobs); o.Total != 6 {
			t.Errorf("%s: the total is %d, want 6", kind, o.Total)
		}
	}
}

// endsBetween lets the live job of a domain end between the two statements that take registrations in.
func (b *bench) endsBetween(domain string) {
	b.t.Helper()
	b.exec(`CREATE FUNCTION end_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		UPDATE jobs SET state = 'failed', outcome = 'taken', finished_at = now(), wake_at = NULL
		WHERE domain = '` + domain + `' AND finished_at IS NULL; RETURN NULL; END $$`)
	b.exec(`CREATE TRIGGER end_it AFTER INSERT ON jobs FOR EACH STATEMENT EXECUTE FUNCTION end_it()`)
}

// An adopted job is there, or the caller hears that it is not.
func TestAdoptedJobIsNotLostBesideOneThatEnds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(newOrder(record.Register, "first"), "a.nl")
	b.endsBetween("a.nl")
	o, err := b.store.Orders.AdoptJobs(t.Context(), newOrder(record.Register, "own"), newJobs("a.nl"))
	if n := get[int](b, `SELECT count(*) FROM jobs WHERE order_id = $1`, o.ID); err == nil && n != 1 {
		t.Errorf("%d jobs, want 1 or an error", n)
	}
}

func TestSubmitBesideAJobThatEndsMayBeRepeated(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(newOrder(record.Register, "first"), "a.nl")
	b.endsBetween("a.nl")
	_, err := b.store.Orders.Submit(t.Context(), newOrder(record.Register, "second"), yielded(newJobs("a.nl")))
	if err != nil && !errors.Is(err, pg.ErrUnavailable) {
		t.Errorf("error is %v, want one that says to try again", err)
	}
}

// A job that is being claimed while its chunk is recovered stays claimed.
func TestRecoverChunksMeetsAClaim(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(newOrder(record.Whois, "r"), "a.nl", "b.nl")
	deliveries, err := b.store.Delivery.TakeUndelivered(t.Context(), lotOf(record.Whois), 2, -time.Second)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := b.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	if _, err := tx.Exec(t.Context(), `UPDATE jobs SET state = 'running', claim_id = gen_random_uuid() WHERE id = $1`, deliveries[0].Jobs[0].ID); err != nil {
		t.Fatal(err)
	}
	var g errgroup.Group
	g.Go(func() error {
		chunks, jobs, err := b.store.Delivery.RecoverChunks(t.Context(), 10)
		if err == nil && (chunks != 1 || jobs != 1) {
			err = fmt.Errorf("recovered %d jobs of %d chunks, want 1 of 1", jobs, chunks)
		}
		return err
	})
	b.blocked(1)
	if err := errors.Join(tx.Commit(t.Context()), g.Wait()); err != nil {
		t.Error(err)
	}
}

// The worker gave the intent up while its commit was under way. Withdrawing it leaves no open attempt behind that nobody
// watches over.
func TestIntentIsWithdrawnWhileItCommits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(record.Register, "a.nl")
	b.exec(`CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $$`)
	b.exec(`CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON attempts DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()`)
	tx, err := b.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	if _, err := tx.Exec(t.Context(), `SELECT pg_advisory_xact_lock(1)`); err != nil {
		t.Fatal(err)
	}
	in := ledger.Intent{Call: newCall(h.claim, record.OpRegister), Jobs: h.ids()}
	var g errgroup.Group
	g.Go(func() error {
		_, _, err := b.store.Ledger.Intend(t.Context(), in)
		return err
	})
	b.blocked(1)
	g.Go(func() error {
		_, err := b.store.Ledger.SettlePaid(t.Context(), h.claim, ledger.CallResult{ID: in.Call.ID, Error: "withdrawn"}, []ledger.PaidTransition{
			{Transition: ledger.RetryFree(h.jobs[0].ID, 0, "withdrawn"), Attempt: record.AttemptNotSent},
		})
		return err
	})
	b.blocked(2)
	if err := errors.Join(tx.Commit(t.Context()), g.Wait()); err != nil {
		t.Fatal(err)
	}
	b.release(h.claim, 0)
	if got := b.attempts("a.nl"); !slices.Equal(got, []string{"not_sent by reply"}) {
		t.Errorf("attempts: %v; the claim is closed: %v", got, b.closed(h.claim))
	}
}

// Two workers that want the same jobs in different order do not lock each other out.
func TestClaimsInOppositeOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for round := range 10 {
		n := newOrder(record.Whois, fmt.Sprint("r", round))
		n.ChunkSize = 500
		b.submit(n, names(fmt.Sprint("a", round), 500)...)
		jobs := b.fresh(record.Whois)
		var g errgroup.Group
		for i := range 4 {
			mine := slices.Clone(jobs)
			if i%2 == 1 {
				slices.Reverse(mine)
			}
			g.Go(func() error {
				_, err := b.store.Ledger.Claim(t.Context(), newClaim(record.Whois), mine)
				return err
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
	}
}

// Nor do a reply and the rescuer.
func TestRepliesAndRescuerDoNotDeadlock(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for round := range 5 {
		h := b.running(record.Register, names(fmt.Sprint("a", round), 200)...)
		call := b.intend(h)
		b.passLease(h.claim)
		var g errgroup.Group
		g.Go(func() error {
			_, err := b.store.Ledger.SettlePaid(t.Context(), h.claim, ledger.CallResult{ID: call, Status: 200}, slices.Collect(maps.Values(registered(h))))
			return err
		})
		g.Go(func() error {
			_, err := b.store.Ledger.ExpireClaims(t.Context(), 10, time.Hour)
			return err
		})
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		for _, j := range h.jobs {
			b.wantState(j.ID, "succeeded registered")
		}
	}
}

// What another job's call left unanswered is cleared by this one's readings, or the domain is barred for ever.
func TestReadingsClearAnotherJobsAttempt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h, _ := b.lost("a.nl")
	b.bring(h, "failed exhausted")
	b.submit(newOrder(record.Register, "next"), "a.nl")
	next := b.claim(newClaim(record.Register), b.fresh(record.Register))
	b.overdue()
	b.checked(next)
	in := ledger.Intent{Call: newCall(next.claim, record.OpRegister), Jobs: next.ids(), Cleared: next.ids()}
	if sent, _, err := b.store.Ledger.Intend(t.Context(), in); err != nil || len(sent) != 1 {
		t.Errorf("may send %v, %v", sent, err)
	}
}

// A server that takes connections and says nothing is not there. It is our timeout, not the caller's.
func TestSilentServerIsUnavailable(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	url := fmt.Sprintf("postgres://u:%s@%s/db?sslmode=disable", password, l.Addr())
	_, err = store.Open(t.Context(), url, store.Options{ConnectTimeout: 50 * time.Millisecond})
	if !errors.Is(err, pg.ErrUnavailable) {
		t.Errorf("error is %v", err)
	}
	wantOurs(t, "Open", err)
}

// What the driver cannot even send is not cured by trying again.
func TestUnsendableValueIsNoAbsence(t *testing.T) {
	t.Parallel()
	b := setup(t)
	jobs := newJobs("a.nl")
	jobs[0].PeriodMonths = 1 << 40
	if _, err := b.store.Orders.Submit(t.Context(), newOrder(record.Register, "r"), yielded(jobs)); err == nil || errors.Is(err, pg.ErrUnavailable) {
		t.Errorf("error is %v", err)
	}
}

func TestClaimOfAnImpossibleEpoch(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(newOrder(record.Whois, "r"), "a.nl")
	jobs := b.fresh(record.Whois)
	jobs[0].Epoch = 1 << 32
	if h := b.claim(newClaim(record.Whois), jobs); len(h.jobs) != 0 {
		t.Error("epoch 2^32 was taken for 0")
	}
}
