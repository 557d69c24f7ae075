package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/bulkreg/bulkreg/store/audit"
	"github.com/bulkreg/bulkreg/store/events"
	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/bulkreg/bulkreg/store/record"
)

// keep has a bookkeeper work until there is nothing more to do.
func (b *bench) keep() {
	b.t.Helper()
	books := b.store.Events.Bookkeeper()
	for {
		kept, err := books.Round(b.t.Context(), 100)
		if err != nil {
			b.t.Fatal(err)
		}
		if kept.Changes+kept.Events == 0 && !kept.Elsewhere {
			return
		}
	}
}

// told are the events that a reader of the log finds, each in a line.
func (b *bench) told(f events.Filter) []string {
	b.t.Helper()
	b.keep()
	f.Limit = 10_000
	found, err := b.store.Events.Since(b.t.Context(), f)
	if err != nil {
		b.t.Fatal(err)
	}
	lines := make([]string, len(found))
	for i, ev := range found {
		lines[i] = strings.Join(strings.Fields(fmt.Sprint(ev.Type, " ", ev.Reference, " ", ev.Domain, " ", string(ev.Data))), " ")
	}
	return lines
}

func (b *bench) wantTold(f events.Filter, want ...string) {
	b.t.Helper()
	if diff := cmp.Diff(want, b.told(f), cmpopts.EquateEmpty()); diff != "" {
		b.t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestEventsOfAnOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(record.Register, "a.nl", "b.nl")
	b.wantTold(events.Filter{}, `order.accepted of a.nl {"kind": "register"}`)
	b.bring(batch{jobs: h.jobs[:1]}, "succeeded registered")
	b.bring(batch{jobs: h.jobs[1:]}, "unconfirmed")
	want := []string{`order.accepted of a.nl {"kind": "register"}`, `order.needs_attention of a.nl {"unconfirmed": 1}`}
	b.wantTold(events.Filter{}, want...)

	o, err := b.store.Orders.Find(t.Context(), "test", "of a.nl")
	if err != nil {
		t.Fatal(err)
	}
	b.carryOut(operator.Request{Act: operator.ConfirmNotRegistered, Orders: []record.Order{o}, Operator: "jan", Reason: "asked"})
	b.wantTold(events.Filter{}, want...)
	again := b.again(record.Register, 1)
	b.bring(again, "failed taken")
	want = append(want, `order.completed of a.nl {"outcomes": {"taken": 1, "registered": 1}}`)
	b.wantTold(events.Filter{}, want...)

	b.carryOut(operator.Request{Act: operator.Retry, Orders: []record.Order{o}, Operator: "jan"})
	again = b.again(record.Register, 1)
	b.wantTold(events.Filter{}, want...)
	b.bring(again, "succeeded registered")
	want = append(want, `order.completed of a.nl {"outcomes": {"registered": 2}}`)
	b.wantTold(events.Filter{}, want...)
	b.wantTold(events.Filter{Source: "test", Types: []events.Type{events.OrderNeedsAttention}}, want[1])
	b.wantTold(events.Filter{Source: "other"})
	b.wantTold(events.Filter{Order: o.ID}, want...)
}

// An order that grows by a producer's chunks completes whenever all of its jobs so far are final.
func TestEventsOfAGrowingOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	n := newOrder(record.Whois, "grows")
	for i, domain := range []string{"a.nl", "b.nl"} {
		if _, err := b.store.Orders.AdoptJobs(t.Context(), n, newJobs(domain)); err != nil {
			t.Fatal(err)
		}
		b.bring(b.claim(newClaim(record.Whois), b.fresh(record.Whois)), "succeeded available")
		want := []string{`order.accepted grows {"kind": "whois"}`, `order.completed grows {"outcomes": {"available": 1}}`, `order.completed grows {"outcomes": {"available": 2}}`}
		b.wantTold(events.Filter{}, want[:2+i]...)
	}
}

func TestEventsOfHolds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	o := b.submit(newOrder(record.Whois, "paused"), "a.nl").Order
	if _, _, err := b.store.Holds.PauseAccount(t.Context(), "default", holds.Pause{By: "jan", Words: "because"}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.store.Holds.PauseOrder(t.Context(), o, holds.Pause{By: "jan", Words: "because"}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.Holds.Resume(t.Context(), "default"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.store.Holds.ResumeOrder(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	b.wantTold(events.Filter{Source: "test", Types: []events.Type{events.HoldPlaced, events.HoldLifted}},
		`hold.placed {"scope": "all", "reason": "paused"}`, `hold.placed paused {"scope": "order", "reason": "paused"}`,
		`hold.lifted {"scope": "all", "reason": "paused"}`, `hold.lifted paused {"scope": "order", "reason": "paused"}`)
	b.wantTold(events.Filter{Order: o.ID, Types: []events.Type{events.HoldLifted}}, `hold.lifted paused {"scope": "order", "reason": "paused"}`)
	b.wantTold(events.Filter{Source: "other", Types: []events.Type{events.HoldLifted}}, `hold.lifted {"scope": "all", "reason": "paused"}`)
}

// A source that wants it hears of every job, also of those that end as they begin.
func TestEventsOfJobs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.bring(b.running(record.Register, "unheard.nl"), "succeeded registered")
	for range 2 {
		if err := b.store.Events.WantJobs(t.Context(), "test", true); err != nil {
			t.Fatal(err)
		}
	}
	jobs := events.Filter{Types: []events.Type{events.JobFinished}}
	h := b.running(record.Register, "a.nl", "b.nl")
	b.submit(newOrder(record.Register, "again"), "a.nl")
	b.bring(batch{jobs: h.jobs[:1]}, "retrying")
	b.bring(batch{jobs: h.jobs[1:]}, "canceled")
	want := []string{`job.finished again a.nl {"state": "failed", "outcome": "duplicate"}`, `job.finished of a.nl b.nl {"state": "canceled"}`}
	b.wantTold(jobs, want...)
	if err := b.store.Events.WantJobs(t.Context(), "test", false); err != nil {
		t.Fatal(err)
	}
	b.bring(batch{jobs: h.jobs[:1]}, "succeeded registered")
	b.wantTold(jobs, want...)
}

// A reader that goes on behind the greatest id that it has seen misses nothing, however long a transaction takes.
func TestEventsAreReadInTheOrderOfTheirCommit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	late, err := b.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = late.Rollback(context.WithoutCancel(t.Context())) }()
	const order = `INSERT INTO orders (source, reference, kind, lane, account, total) VALUES ('test', $1, 'whois', 'plain', 'default', 0)`
	if _, err := late.Exec(t.Context(), order, "late"); err != nil {
		t.Fatal(err)
	}
	b.exec(order, "early")
	b.wantTold(events.Filter{}, `order.accepted early {"kind": "whois"}`)
	newest, err := b.store.Events.Newest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := late.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.wantTold(events.Filter{After: newest}, `order.accepted late {"kind": "whois"}`)
}

// Many write, two bookkeepers work, and a reader follows: it gets each event once, and in the order of the ids.
func TestFollowingReaderMissesNothing(t *testing.T) {
	t.Parallel()
	const writers, each = 8, 150
	b := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	var keepers sync.WaitGroup
	defer keepers.Wait()
	defer cancel()
	for range 2 {
		keepers.Go(func() {
			for books := b.store.Events.Bookkeeper(); ctx.Err() == nil; {
				if _, err := books.Round(ctx, 7); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	var writing errgroup.Group
	for w := range writers {
		writing.Go(func() error {
			for i := range each {
				err := pgx.BeginFunc(ctx, b.db, func(tx pgx.Tx) error {
					_, err := tx.Exec(ctx, `INSERT INTO orders (source, reference, kind, lane, account, total) VALUES ('test', $1, 'whois', 'plain', 'default', 0)`,
						fmt.Sprint(w, "-", i))
					if err == nil && i%10 == w {
						_, err = tx.Exec(ctx, `SELECT pg_sleep(0.03)`)
					}
					return err
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	seen, last := map[string]int{}, int64(0)
	for len(seen) < writers*each {
		found, err := b.store.Events.Since(ctx, events.Filter{After: last, Limit: 50})
		if err != nil {
			t.Fatal(err)
		}
		for _, ev := range found {
			if ev.ID <= last {
				t.Fatalf("event %d after %d", ev.ID, last)
			}
			last = ev.ID
			seen[ev.Reference]++
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			t.Fatal("too late")
		}
	}
	if err := writing.Wait(); err != nil {
		t.Fatal(err)
	}
	for reference, n := range seen {
		if n != 1 {
			t.Errorf("%s came %d times", reference, n)
		}
	}
}

// What is kept of an order is what there is to count, at any time: while bookkeepers work, and whatever was done.
func TestCountsAreKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := rand.New(rand.NewPCG(1, 2))
	standings := []string{"queued", "running", "retrying", "held", "unconfirmed", "canceled", "succeeded registered", "failed taken", "failed rejected"}
	h := b.running(record.Register, names("counted", 40)...)
	o, err := b.store.Orders.Find(t.Context(), "test", "of counted-0000.nl")
	if err != nil {
		t.Fatal(err)
	}
	books := b.store.Events.Bookkeeper()
	for range 60 {
		from := r.IntN(len(h.jobs))
		b.bring(batch{jobs: h.jobs[from:min(from+1+r.IntN(9), len(h.jobs))]}, standings[r.IntN(len(standings))])
		if r.IntN(3) == 0 {
			if _, err := books.Round(t.Context(), 1+r.IntN(5)); err != nil {
				t.Fatal(err)
			}
		}
		counted := map[record.State]int{}
		for _, s := range list[string](b, `SELECT state FROM jobs WHERE order_id = $1`, o.ID) {
			counted[record.State(s)]++
		}
		if diff := cmp.Diff(counted, b.summary(o).Counts); diff != "" {
			t.Fatalf("counts (-counted +kept):\n%s", diff)
		}
	}
	rep, err := b.store.Audit.Run(t.Context(), audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if kept := keptBreaches(rep); len(kept) > 0 {
		t.Errorf("audit found %v", kept)
	}
	b.exec(`UPDATE order_counts SET n = n + 1 WHERE state = 'succeeded'; DELETE FROM order_changes`)
	if rep, err = b.store.Audit.Run(t.Context(), audit.Options{}); err != nil || len(keptBreaches(rep)) == 0 {
		t.Errorf("audit found %v of wrong counts, error is %v", rep.Breaches, err)
	}
	b.exec(`SELECT recount_orders(ARRAY[$1::bigint])`, o.ID)
	if rep, err = b.store.Audit.Run(t.Context(), audit.Options{}); err != nil || len(keptBreaches(rep)) > 0 {
		t.Errorf("audit found %v after counting anew, error is %v", rep.Breaches, err)
	}
}

func keptBreaches(rep audit.Report) (kept []string) {
	for _, br := range rep.Breaches {
		if strings.Contains(br.What, "are kept") {
			kept = append(kept, br.What)
		}
	}
	return kept
}

// What a purge leaves of people's tokens in the log leads to nobody.
func TestPurgedJobsHaveOtherIDsInTheLog(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if err := b.store.Events.WantJobs(t.Context(), "test", true); err != nil {
		t.Fatal(err)
	}
	_, h := b.claimedTokens("people", 1)
	id := h.jobs[0].ID
	b.bring(h, "failed exhausted")
	b.keep()
	if n := get[int](b, `SELECT count(*) FROM events WHERE job_id = $1`, id); n != 1 {
		t.Fatalf("%d events of the job", n)
	}
	b.exec(`UPDATE jobs SET finished_at = now() - interval '2 days'; UPDATE orders SET created_at = now() - interval '3 days'`)
	if _, err := b.store.Operator.PurgeHolders(t.Context(), 24*time.Hour); err != nil {
		t.Fatal(err)
	}
	if n, m := get[int](b, `SELECT count(*) FROM events WHERE job_id = $1`, id), get[int](b, `SELECT count(*) FROM events e JOIN jobs j ON j.id = e.job_id`); n != 0 || m != 1 {
		t.Errorf("%d events with the old id, and %d with the new one", n, m)
	}
}

// Who listens hears of new events.
func TestListenForEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	woken, ended := make(chan struct{}, 10), make(chan error, 1)
	go func() { ended <- b.store.Events.Listen(ctx, func() { woken <- struct{}{} }) }()
	<-woken
	b.submit(newOrder(record.Whois, "r"), "a.nl")
	b.keep()
	select {
	case <-woken:
	case <-time.After(patience):
		t.Error("not woken")
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}

func TestTypesOfEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	rule := get[string](b, `SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'events_type_check'`)
	if n := strings.Count(rule, "'::text"); n != len(events.Types()) || slices.ContainsFunc(events.Types(), func(e events.Type) bool { return !strings.Contains(rule, string(e)) }) {
		t.Errorf("the types %v are not those of %s", events.Types(), rule)
	}
}
