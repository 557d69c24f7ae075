package store_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkreg/bulkreg/store"
)

func (b *bench) summary(o record.Order) record.Summary {
	b.t.Helper()
	sum, err := b.store.Orders.Summarize(b.t.Context(), o)
	if err != nil {
		b.t.Fatal(err)
	}
	return sum
}

func TestSummaryCountsEveryJob(t *testing.T) {
	t.Parallel()
	b := setup(t)
	standings := []string{
		"queued", "queued", "held", "unconfirmed", "succeeded registered", "succeeded registered", "failed taken",
		"failed rejected", "failed duplicate", "canceled",
	}
	h := b.running(record.Register, names("a", len(standings)+1)...)
	for i, s := range standings {
		b.bring(batch{jobs: h.jobs[i : i+1]}, s)
	}
	o, err := b.store.Orders.Find(t.Context(), "test", "of a-0000.nl")
	if err != nil {
		t.Fatal(err)
	}
	sum := b.summary(o)
	want := record.Summary{
		Order: o,
		Counts: map[record.State]int{
			record.Queued: 2, record.Held: 1, record.Unconfirmed: 1, record.Succeeded: 2, record.Failed: 3, record.Canceled: 1, record.Running: 1,
		},
		Outcomes: map[record.Outcome]int{record.Registered: 2, record.Taken: 1, record.Rejected: 1, record.Duplicate: 1},
	}
	if diff := cmp.Diff(want, sum); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if sum.Done() || sum.Settled() {
		t.Error("it is not over yet")
	}
}

func TestSummaryTellsTheEnd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(record.Register, "a.nl", "b.nl")
	o, err := b.store.Orders.Find(t.Context(), "test", "of a.nl")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		standing      []string
		done, settled bool
	}{
		{[]string{"running", "running"}, false, false},
		{[]string{"succeeded registered", "running"}, false, false},
		{[]string{"succeeded registered", "unconfirmed"}, false, true},
		{[]string{"succeeded registered", "held"}, false, false},
		{[]string{"succeeded registered", "failed taken"}, true, true},
		{[]string{"canceled", "failed taken"}, true, true},
	} {
		for i, s := range step.standing {
			b.bring(batch{jobs: h.jobs[i : i+1]}, s)
		}
		b.exec(`UPDATE jobs SET finished_at = '2030-01-01'::timestamptz + make_interval(hours => seq) WHERE finished_at IS NOT NULL`)
		b.exec(`SELECT recount_orders()`)
		sum := b.summary(o)
		if sum.Done() != step.done || sum.Settled() != step.settled {
			t.Errorf("%v: done is %v, settled is %v", step.standing, sum.Done(), sum.Settled())
		}
		var want time.Time
		if step.done {
			want = get[time.Time](b, `SELECT max(finished_at) FROM jobs`)
		}
		if !sum.FinishedAt.Equal(want) {
			t.Errorf("%v: finished at %v, want %v", step.standing, sum.FinishedAt, want)
		}
	}
}

func TestSummaryCountsSharedCalls(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.submit(newOrder(record.Whois, "first"), "a.nl", "b.nl").Order
	second := b.submit(newOrder(record.Whois, "second"), "c.nl").Order
	jobs := b.fresh(record.Whois)
	for _, part := range [][]record.DeliveredJob{jobs[1:], jobs[:1]} {
		h := b.claim(newClaim(record.Whois), part)
		if err := b.store.Ledger.StartCall(t.Context(), newCall(h.claim, record.OpWhois)); err != nil {
			t.Fatal(err)
		}
	}
	if n, m := b.summary(first).Calls, b.summary(second).Calls; n != 2 || m != 1 {
		t.Errorf("%d and %d calls, want 2 and 1", n, m)
	}
	if sum := b.summary(record.Order{ID: first.ID}); sum.Total != 2 {
		t.Errorf("the total is %d, want what it is now", sum.Total)
	}
	if _, err := b.store.Orders.Summarize(t.Context(), record.Order{ID: -1}); !errors.Is(err, pg.ErrNotFound) {
		t.Errorf("error is %v", err)
	}
}

func TestListOrders(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 4 {
		n := newOrder(record.Whois, fmt.Sprint("r", i))
		n.Source = []string{"cli", "shop"}[i%2]
		b.submit(n, names(n.Reference, i+1)...)
	}
	b.exec(`UPDATE orders SET created_at = now() - interval '1 day' WHERE reference = 'r3'`)
	for _, c := range []struct {
		source string
		limit  int
		want   []string
	}{
		{"", 10, []string{"cli/r2 3", "shop/r1 2", "cli/r0 1", "shop/r3 4"}},
		{"", 2, []string{"cli/r2 3", "shop/r1 2"}},
		{"shop", 10, []string{"shop/r1 2", "shop/r3 4"}},
		{"nobody", 10, nil},
		{"", 0, nil},
	} {
		sums, err := b.store.Orders.List(t.Context(), c.source, c.limit)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range sums {
			got = append(got, fmt.Sprintf("%s/%s %d", s.Source, s.Reference, s.Counts[record.Queued]))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%q, at most %d (-want +got):\n%s", c.source, c.limit, diff)
		}
	}
}

func TestFindOrderBySource(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(newOrder(record.Whois, "r"), "a.nl")
	for _, name := range [][2]string{{"test", "other"}, {"other", "r"}, {"", ""}} {
		if o, err := b.store.Orders.Find(t.Context(), name[0], name[1]); !errors.Is(err, pg.ErrNotFound) {
			t.Errorf("found %+v, %v", o, err)
		}
	}
}

func TestJobsAreFiltered(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(record.Whois, names("a", 6)...)
	b.submit(newOrder(record.Whois, "other"), "other.nl")
	b.bring(batch{jobs: h.jobs[1:2]}, "failed rejected")
	b.bring(batch{jobs: h.jobs[4:5]}, "failed rejected")
	order := b.job(h.jobs[0].ID).OrderID
	for _, c := range []struct {
		filter orders.JobFilter
		want   []int
	}{
		{orders.JobFilter{}, []int{1, 2, 3, 4, 5, 6}},
		{orders.JobFilter{State: record.Failed}, []int{2, 5}},
		{orders.JobFilter{State: record.Failed, AfterSeq: 2}, []int{5}},
		{orders.JobFilter{AfterSeq: 4}, []int{5, 6}},
		{orders.JobFilter{Limit: 2}, []int{1, 2}},
		{orders.JobFilter{State: record.Running, AfterSeq: 1, Limit: 2}, []int{3, 4}},
		{orders.JobFilter{State: record.Held}, nil},
		{orders.JobFilter{AfterSeq: 6}, nil},
	} {
		var got []int
		for _, j := range b.jobs(order, c.filter) {
			got = append(got, j.Seq)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: jobs %v, want %v", c.filter, got, c.want)
		}
	}
	if none := b.jobs(-1, orders.JobFilter{}); none != nil {
		t.Errorf("jobs of no order: %v", none)
	}
}

// Who looks at jobs, for however long, keeps neither a connection nor a snapshot from others, and sees each of them once.
func TestJobsAreReadPageByPage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.open(store.Options{MaxConns: 1})
	o := b.submit(newOrder(record.Whois, "r"), names("a", 4500)...).Order
	for limit, want := range map[int]int{0: 4500, 4100: 4100, 3: 3} {
		seen := 0
		for j, err := range s.Orders.Jobs(t.Context(), o.ID, orders.JobFilter{Limit: limit}) {
			if err != nil {
				t.Fatal(err)
			}
			if seen++; j.Seq != seen {
				t.Fatalf("job %d is at place %d", seen, j.Seq)
			}
			if seen%1000 != 1 {
				continue
			}
			var open int
			err := s.Pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
				WHERE datname = current_database() AND pid <> pg_backend_pid() AND (backend_xmin IS NOT NULL OR state = 'idle in transaction')`).Scan(&open)
			if err != nil || open != 0 {
				t.Errorf("at place %d: %d snapshots are open, %v", seen, open, err)
			}
		}
		if seen != want {
			t.Errorf("with limit %d: %d jobs", limit, seen)
		}
	}
	for range s.Orders.Jobs(t.Context(), o.ID, orders.JobFilter{}) {
		break // and who has seen enough leaves nothing behind
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}
