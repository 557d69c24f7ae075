package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bulkreg/bulkreg/store"
)

// everyField is jobs in which each field has a value at least once, and none at least once.
func everyField(label string, n int) []orders.NewJob {
	jobs := newJobs(names(label, n)...)
	for i := range jobs {
		switch i % 3 {
		case 0:
			jobs[i].DomainUnicode = "ü" + jobs[i].Domain
			jobs[i].PeriodMonths = i + 1
			jobs[i].Nameservers = []string{"ns1.test", "ns2.test"}
			jobs[i].AllowStatus = []string{"pending delete", "premium"}
		case 1:
			jobs[i].HolderID = ""
		}
	}
	return jobs
}

func (b *bench) jobs(order int64, f orders.JobFilter) []record.Job {
	b.t.Helper()
	var jobs []record.Job
	for j, err := range b.store.Orders.Jobs(b.t.Context(), order, f) {
		if err != nil {
			b.t.Fatal(err)
		}
		jobs = append(jobs, j)
	}
	return jobs
}

// asQueued is how jobs look that were just taken in.
func asQueued(o record.Order, jobs []orders.NewJob) []record.Job {
	want := make([]record.Job, len(jobs))
	for i, j := range jobs {
		want[i] = record.Job{
			ID: j.ID, OrderID: o.ID, Source: o.Source, Reference: o.Reference, Seq: i + 1, Kind: o.Kind, Account: o.Account,
			Domain: j.Domain, DomainUnicode: j.DomainUnicode, HolderID: j.HolderID, PeriodMonths: j.PeriodMonths,
			Nameservers: j.Nameservers, AllowStatus: j.AllowStatus, State: record.Queued, CreatedAt: o.CreatedAt, PrivacyConsent: j.PrivacyConsent,
		}
	}
	return want
}

func TestSubmitTakesOrdersInAsGiven(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, c := range []struct {
		jobs, chunkSize int
		chunks          []string
	}{
		{0, 10, nil},
		{1, 10, []string{"1-1"}},
		{9, 10, []string{"1-9"}},
		{10, 10, []string{"1-10"}},
		{11, 10, []string{"1-10", "11-11"}},
		{25, 10, []string{"1-10", "11-20", "21-25"}},
		{3, 1, []string{"1-1", "2-2", "3-3"}},
		// Small and large orders come in by different ways.
		{499, 500, []string{"1-499"}},
		{500, 500, []string{"1-500"}},
		{501, 500, []string{"1-500", "501-501"}},
	} {
		for _, kind := range []record.Kind{record.Whois, record.Register, record.Token} {
			t.Run(fmt.Sprintf("%s, %d by %d", kind, c.jobs, c.chunkSize), func(t *testing.T) {
				t.Parallel()
				b := b.in(t)
				n := newOrder(kind, t.Name())
				n.Lane, n.Account, n.ChunkSize = record.Bulk, "partner", c.chunkSize
				jobs := everyField(fmt.Sprintf("%s-%d-%d", kind, c.jobs, c.chunkSize), c.jobs)
				if kind == record.Token {
					jobs = newTokens(c.jobs)
				}
				res, err := b.store.Orders.Submit(t.Context(), n, yielded(jobs))
				if err != nil {
					t.Fatal(err)
				}
				want := record.Order{
					ID: res.Order.ID, Source: "test", Reference: t.Name(), Kind: kind, Lane: record.Bulk, Account: "partner",
					Total: c.jobs, CreatedAt: res.Order.CreatedAt,
				}
				if !cmp.Equal(res, orders.Submitted{Order: want, Created: true}) || res.Order.CreatedAt.IsZero() {
					t.Errorf("submitted %+v", res)
				}
				if found, err := b.store.Orders.Find(t.Context(), "test", t.Name()); err != nil || !cmp.Equal(found, want) {
					t.Errorf("found %+v, %v", found, err)
				}
				if diff := cmp.Diff(asQueued(want, jobs), b.jobs(want.ID, orders.JobFilter{}), cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("jobs (-want +got):\n%s", diff)
				}
				chunks := list[string](b, `
					SELECT first_seq || '-' || last_seq FROM chunks WHERE order_id = $1 AND kind = $2 AND lane = 'bulk'
					AND account = 'partner' AND wake_at IS NULL ORDER BY first_seq`, want.ID, kind)
				if !slices.Equal(chunks, c.chunks) {
					t.Errorf("chunks %v, want %v", chunks, c.chunks)
				}
				if n := get[int](b, `SELECT count(*) FROM jobs WHERE order_id = $1 AND lane = 'bulk' AND epoch = 0`, want.ID); n != c.jobs {
					t.Errorf("%d jobs in the order's lane, want %d", n, c.jobs)
				}
			})
		}
	}
}

func TestSubmitAgainChangesNothing(t *testing.T) {
	t.Parallel()
	for _, kind := range []record.Kind{record.Whois, record.Register} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			n := newOrder(kind, "r")
			first := b.submit(n, names("a", 12)...)
			before := b.fingerprint()
			n.Lane, n.ChunkSize = record.Bulk, 3 // the operator has changed the sizes since
			again, err := b.store.Orders.Submit(t.Context(), n, func(func(orders.NewJob, error) bool) {
				t.Error("the repeat's jobs were read")
			})
			if err != nil || again.Created || !cmp.Equal(again.Order, first.Order) {
				t.Errorf("the repeat became %+v, %v", again, err)
			}
			if o, found, err := b.store.Orders.Lookup(t.Context(), n); err != nil || !found || !cmp.Equal(o, first.Order) {
				t.Errorf("looked up %+v, %v, %v", o, found, err)
			}
			if b.fingerprint() != before {
				t.Error("the repeat changed something")
			}
		})
	}
}

func TestReferenceConflicts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.submit(newOrder(record.Whois, "r-1"), names("a", 3)...).Order
	before := b.fingerprint()
	for name, change := range map[string]func(*orders.NewOrder){
		"other content": func(n *orders.NewOrder) { n.Digest[31] ^= 1 },
		"other kind":    func(n *orders.NewOrder) { n.Kind = record.Register },
		"other account": func(n *orders.NewOrder) { n.Account = "partner" },
	} {
		t.Run(name, func(t *testing.T) {
			n := newOrder(record.Whois, "r-1")
			change(&n)
			_, err := b.store.Orders.Submit(t.Context(), n, yielded(newJobs("b.nl")))
			_, found, lookup := b.store.Orders.Lookup(t.Context(), n)
			if !found {
				t.Error("not found")
			}
			for _, err := range []error{err, lookup} {
				var conflict *record.ReferenceConflictError
				if !errors.As(err, &conflict) || conflict.Source != "test" || conflict.Reference != "r-1" || !cmp.Equal(conflict.Existing, first) {
					t.Fatalf("error is %#v", err)
				}
				if text := err.Error(); !strings.Contains(text, `order "r-1" of source "test"`) || !strings.Contains(text, "3 whois jobs") {
					t.Errorf("error says %q", text)
				}
			}
		})
	}
	if b.fingerprint() != before {
		t.Error("a conflict changed something")
	}
	n := newOrder(record.Register, "r-1")
	n.Source = "shop"
	if _, found, err := b.store.Orders.Lookup(t.Context(), n); found || err != nil {
		t.Errorf("found another source's order: %v, %v", found, err)
	}
	if res := b.submit(n, "c.nl"); !res.Created {
		t.Error("two sources cannot have a reference each")
	}
}

func TestErrorInTheMiddleRollsEverythingBack(t *testing.T) {
	t.Parallel()
	errBad := errors.New("line 7: not a domain")
	for _, kind := range []record.Kind{record.Whois, record.Register} {
		for _, good := range []int{0, 1, 5000} {
			t.Run(fmt.Sprintf("%s after %d", kind, good), func(t *testing.T) {
				t.Parallel()
				b := setup(t)
				s := b.open(store.Options{MaxConns: 1}) // what is left behind on the connection must not matter
				n := newOrder(kind, "r")
				failing := func(yield func(orders.NewJob, error) bool) {
					for _, j := range newJobs(names("a", good)...) {
						if !yield(j, nil) {
							return
						}
					}
					yield(orders.NewJob{}, errBad)
				}
				for range 2 {
					if _, err := s.Orders.Submit(t.Context(), n, failing); err != errBad { //nolint:errorlint // as it is, not wrapped
						t.Fatalf("error is %v", err)
					}
				}
				if rows := get[int](b, `SELECT (SELECT count(*) FROM orders) + (SELECT count(*) FROM jobs) + (SELECT count(*) FROM chunks)`); rows != 0 {
					t.Errorf("%d rows were left", rows)
				}
				if res, err := s.Orders.Submit(t.Context(), n, yielded(newJobs(names("a", 3)...))); err != nil || !res.Created || res.Order.Total != 3 {
					t.Errorf("the mended order became %+v, %v", res, err)
				}
			})
		}
	}
}

func TestDomainsThatAreSpokenForBecomeDuplicates(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]int{"a small order": 0, "a large order": 1000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			becomeDuplicates(t, more)
		})
	}
}

// becomeDuplicates submits an order with domains that are spoken for, and so many more behind them.
func becomeDuplicates(t *testing.T, more int) {
	b := setup(t)
	h := b.running(record.Register, "mine.nl", "refused.nl")
	b.settlePaid(h, b.intend(h), map[string]ledger.PaidTransition{
		"mine.nl":    {Transition: ledger.Succeed(h.jobs[0].ID, record.Registered), Attempt: record.AttemptRegistered},
		"refused.nl": {Transition: ledger.Fail(h.jobs[1].ID, record.Rejected, "no"), Attempt: record.AttemptFailed},
	})
	b.submit(newOrder(record.Register, "live one"), "live.nl")
	b.submit(newOrder(record.Whois, "asks only"), "fresh.nl", "mine.nl", "live.nl")

	domains := []string{"fresh.nl", "mine.nl", "live.nl", "refused.nl", "twice.nl", "twice.nl"}
	res := b.submit(newOrder(record.Register, "late"), append(domains, names("more", more)...)...)
	if !res.Created || res.Duplicates != 3 || res.Order.Total != 6+more {
		t.Errorf("submitted %+v, want %d jobs, 3 of them duplicates", res, 6+more)
	}
	var got []string
	for _, j := range b.jobs(res.Order.ID, orders.JobFilter{Limit: 6}) {
		got = append(got, fmt.Sprintf("%d %s: %s %s", j.Seq, j.Domain, standing(j), j.LastError))
		if j.State.Final() == j.FinishedAt.IsZero() {
			t.Errorf("%s is %s, finished at %v", j.Domain, j.State, j.FinishedAt)
		}
	}
	want := []string{
		"1 fresh.nl: queued ",
		"2 mine.nl: failed duplicate registered already by order of mine.nl",
		"3 live.nl: failed duplicate in progress in order live one",
		"4 refused.nl: queued ",
		"5 twice.nl: queued ",
		"6 twice.nl: failed duplicate in progress in order late",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
	if d := domainsOf(b.fresh(record.Register)); len(d) != 4+more || !slices.Equal(d[:4], []string{"live.nl", "fresh.nl", "refused.nl", "twice.nl"}) {
		t.Errorf("delivered %v, want no duplicates among them", d)
	}
}
