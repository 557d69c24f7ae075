package store_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/delivery"
	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

// withRandomIDs gives jobs ids like those that production derives from what they are: they do not grow with their places.
func withRandomIDs(jobs []orders.NewJob) []orders.NewJob {
	for i := range jobs {
		jobs[i].ID = uuid.New()
	}
	return jobs
}

// Statements that are about the same jobs at the same time wait for each other, and never in a circle.
func TestStatementsAboutTheSameJobsDoNotDeadlock(t *testing.T) {
	t.Parallel()
	claim := func(b *bench, jobs []record.DeliveredJob) error {
		_, err := b.store.Ledger.Claim(b.t.Context(), newClaim(record.Whois), jobs)
		return err
	}
	recoverChunks := func(b *bench, _ []record.DeliveredJob) error {
		_, _, err := b.store.Delivery.RecoverChunks(b.t.Context(), 50)
		return err
	}
	undeliver := func(b *bench, jobs []record.DeliveredJob) error {
		return b.store.Delivery.Undeliver(b.t.Context(), jobs, 0)
	}
	for name, all := range map[string][]func(*bench, []record.DeliveredJob) error{
		"a claim, and its delivery's end": {claim, recoverChunks},
		"two claims":                      {claim, claim},
		"everything":                      {claim, undeliver, recoverChunks, claim},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			for range 5 {
				n := newOrder(record.Whois, uuid.NewString())
				n.ChunkSize = 500
				if _, err := b.store.Orders.Submit(t.Context(), n, yielded(withRandomIDs(newJobs(names(uuid.NewString()[:8], 500)...)))); err != nil {
					t.Fatal(err)
				}
				deliveries, err := b.store.Delivery.TakeUndelivered(t.Context(), lotOf(record.Whois), 1, 0)
				if err != nil {
					t.Fatal(err)
				}
				var g errgroup.Group
				for _, do := range all {
					jobs := delivered(deliveries)
					rand.Shuffle(len(jobs), func(i, j int) { jobs[i], jobs[j] = jobs[j], jobs[i] })
					g.Go(func() error { return do(b, jobs) })
				}
				if err := g.Wait(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// A claim is one of several for the same jobs: each job belongs to exactly one of them, or still waits.
func TestJobsBelongToOneClaim(t *testing.T) {
	t.Parallel()
	b := setup(t)
	n := newOrder(record.Whois, "r")
	n.ChunkSize = 500
	if _, err := b.store.Orders.Submit(t.Context(), n, yielded(withRandomIDs(newJobs(names("a", 500)...)))); err != nil {
		t.Fatal(err)
	}
	jobs := b.fresh(record.Whois)
	taken := make([]int, 4)
	var g errgroup.Group
	for i := range taken {
		g.Go(func() error {
			got, err := b.store.Ledger.Claim(t.Context(), newClaim(record.Whois), jobs)
			taken[i] = len(got)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, n := range taken {
		total += n
	}
	if total != len(jobs) {
		t.Errorf("of %d jobs the claims have %v", len(jobs), taken)
	}
}

func TestGivenBackForLaterWakesNobody(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.listen()
	b.submit(newOrder(record.Whois, "r"), "later.nl", "now.nl")
	l.wake()
	jobs := b.fresh(record.Whois)
	for i, delay := range []time.Duration{time.Hour, 0} {
		if err := b.store.Delivery.Undeliver(t.Context(), jobs[i:i+1], delay); err != nil {
			t.Fatal(err)
		}
	}
	b.submit(newOrder(record.Register, "other"), "other.nl")
	if first, second := l.wake(), l.wake(); first != record.Whois || second != record.Register {
		t.Errorf("dispatchers were woken for %s and then %s, want once for what is due, and for the new order", first, second)
	}
	b.wantWake(b.job(jobs[0].ID).WakeAt, time.Hour)
}

func TestOverdue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	want := func(when string, claims, chunks bool) {
		t.Helper()
		gotClaims, gotChunks, err := b.store.Delivery.Overdue(t.Context())
		if err != nil || gotClaims != claims || gotChunks != chunks {
			t.Errorf("%s: claims %v, chunks %v, %v", when, gotClaims, gotChunks, err)
		}
	}
	h := b.running(record.Whois, "a.nl")
	want("while a call may be under way", false, false)
	b.passLease(h.claim)
	want("after the lease", true, false)
	b.exec(`UPDATE chunks SET wake_at = now()`)
	want("after the delivery's time", true, true)
	b.expire(time.Hour)
	if _, _, err := b.store.Delivery.RecoverChunks(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	want("when both were taken back", false, false)
}

func TestAgenda(t *testing.T) {
	t.Parallel()
	b := setup(t)
	lots := []delivery.Lot{lotOf(record.Whois), lotOf(record.Register), {Kind: record.Whois, Lane: record.Bulk, Account: "default"}, {Kind: record.Whois, Lane: record.Plain, Account: "partner"}}
	want := func(when string, want map[int]delivery.Agenda) {
		t.Helper()
		got, err := b.store.Delivery.Agenda(t.Context(), lots)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Errorf("%s: %v, want %v", when, got, want)
		}
		for i, w := range want {
			if got[i] != w {
				t.Errorf("%s: lot %d has %+v, want %+v", when, i, got[i], w)
			}
		}
	}
	want("nothing waits", nil)
	b.submit(newOrder(record.Whois, "w"), "w.nl")
	b.submit(newOrder(record.Register, "r"), "r.nl")
	want("two orders", map[int]delivery.Agenda{0: {Undelivered: true}, 1: {Undelivered: true}})
	b.hold(holds.Payment, holds.ScopeRegister)
	want("no money", map[int]delivery.Agenda{
		0: {Undelivered: true, Stopped: holds.Stopped{Register: true}}, 1: {Undelivered: true, Stopped: holds.Stopped{Register: true}},
	})
	b.hold(holds.Auth, holds.ScopeAll)
	jobs := b.fresh(record.Whois)
	if err := b.store.Delivery.Undeliver(t.Context(), jobs, 0); err != nil {
		t.Fatal(err)
	}
	both := holds.Stopped{Register: true, All: true}
	want("nothing may be called", map[int]delivery.Agenda{0: {Due: true, Stopped: both}, 1: {Undelivered: true, Stopped: both}})
}
