package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sync/errgroup"

	"github.com/bulkreg/bulkreg/store"
)

func (b *bench) adopt(n orders.NewOrder, jobs []orders.NewJob) record.Order {
	b.t.Helper()
	o, err := b.store.Orders.AdoptJobs(b.t.Context(), n, jobs)
	if err != nil {
		b.t.Fatal(err)
	}
	return o
}

// asDelivered is how a worker asks for jobs that a producer's own task names.
func asDelivered(jobs []orders.NewJob) []record.DeliveredJob {
	out := make([]record.DeliveredJob, len(jobs))
	for i, j := range jobs {
		out[i] = record.DeliveredJob{ID: j.ID, Domain: j.Domain}
	}
	return out
}

func TestAdoptedOrderGrows(t *testing.T) {
	t.Parallel()
	for _, kind := range []record.Kind{record.Whois, record.Register} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			n, all := newOrder(kind, "own"), everyField("a", 7)
			n.ChunkSize = 2
			first := b.adopt(n, all[:3])
			last := b.adopt(n, all[3:])
			want := record.Order{
				ID: first.ID, Source: "test", Reference: "own", Kind: kind, Lane: record.Plain, Account: "default",
				Total: 7, CreatedAt: first.CreatedAt,
			}
			if first.Total != 3 || !cmp.Equal(last, want) {
				t.Errorf("grew from %+v to %+v", first, last)
			}
			jobs := b.jobs(first.ID, orders.JobFilter{})
			if diff := cmp.Diff(asQueued(want, all), jobs, cmpopts.IgnoreFields(record.Job{}, "CreatedAt")); diff != "" {
				t.Errorf("jobs (-want +got):\n%s", diff)
			}
			chunks := list[string](b, `SELECT first_seq || '-' || last_seq FROM chunks WHERE wake_at IS NULL ORDER BY first_seq`)
			if diff := cmp.Diff([]string{"1-2", "3-3", "4-5", "6-7"}, chunks); diff != "" {
				t.Errorf("chunks to deliver (-want +got):\n%s", diff)
			}
			if h := b.claim(newClaim(kind), asDelivered(all)); len(h.jobs) != 7 {
				t.Errorf("claimed %d of them", len(h.jobs))
			}
		})
	}
}

func TestAdoptingAgainChangesNothing(t *testing.T) {
	t.Parallel()
	for _, kind := range []record.Kind{record.Whois, record.Register} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			n, jobs := newOrder(kind, "own"), newJobs(names("a", 5)...)
			first := b.adopt(n, jobs)
			before := b.fingerprint()
			slices.Reverse(jobs)
			for _, repeat := range [][]orders.NewJob{jobs, jobs[:2], jobs[3:], nil} {
				if again := b.adopt(n, repeat); !cmp.Equal(again, first) {
					t.Errorf("the repeat became %+v, want %+v", again, first)
				}
			}
			if b.fingerprint() != before {
				t.Error("a repeat changed something")
			}
		})
	}
}

// A job that went on meanwhile stays where it is.
func TestAdoptingAgainLeavesRunningJobsAlone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	n, jobs := newOrder(record.Register, "own"), newJobs(names("a", 3)...)
	b.adopt(n, jobs)
	h := b.claim(newClaim(record.Register), asDelivered(jobs))
	b.settle(h, ledger.Fail(h.jobs[0].ID, record.Taken, "taken"), ledger.Retry(h.jobs[1].ID, time.Hour, "later"))
	before := b.fingerprint()
	b.adopt(n, jobs)
	if b.fingerprint() != before {
		t.Error("the repeat changed something")
	}
}

func TestAdoptConflicts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.adopt(newOrder(record.Whois, "own"), newJobs("a.nl"))
	whole := newJobs("b.nl", "c.nl")
	if _, err := b.store.Orders.Submit(t.Context(), newOrder(record.Whois, "whole"), yielded(whole)); err != nil {
		t.Fatal(err)
	}
	before := b.fingerprint()
	partner := newOrder(record.Whois, "own")
	partner.Account = "partner"
	for name, c := range map[string]struct {
		order orders.NewOrder
		jobs  []orders.NewJob
	}{
		"other kind":                      {newOrder(record.Register, "own"), newJobs("d.nl")},
		"other account":                   {partner, newJobs("d.nl")},
		"new job of a whole order":        {newOrder(record.Whois, "whole"), newJobs("d.nl")},
		"some of a whole order, some new": {newOrder(record.Whois, "whole"), append(newJobs("d.nl"), whole...)},
		"a whole order of another kind":   {newOrder(record.Register, "whole"), whole},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.store.Orders.AdoptJobs(t.Context(), c.order, c.jobs)
			var conflict *record.ReferenceConflictError
			if !errors.As(err, &conflict) || conflict.Existing.Reference != c.order.Reference || conflict.Existing.Kind != record.Whois {
				t.Errorf("error is %v", err)
			}
		})
	}
	// A dispatcher's lost task that comes back without its epochs only repeats what is known.
	if o := b.adopt(newOrder(record.Whois, "whole"), whole); o.Total != 2 {
		t.Errorf("repeating jobs of a whole order: %+v", o)
	}
	if b.fingerprint() != before {
		t.Error("a conflict changed something")
	}
	digest := newOrder(record.Whois, "own")
	if _, err := b.store.Orders.Submit(t.Context(), digest, yielded(newJobs("a.nl"))); !errors.As(err, new(*record.ReferenceConflictError)) {
		t.Errorf("a whole order under a growing one's reference: %v", err)
	}
}

func TestAdoptedDomainsThatAreSpokenForBecomeDuplicates(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(newOrder(record.Register, "first"), "live.nl")
	o := b.adopt(newOrder(record.Register, "own"), newJobs("a.nl", "live.nl", "b.nl"))
	var got []string
	for _, j := range b.jobs(o.ID, orders.JobFilter{}) {
		got = append(got, fmt.Sprint(j.Seq, " ", j.Domain, " ", standing(j), " ", j.LastError))
	}
	want := []string{"1 a.nl queued ", "2 live.nl failed duplicate in progress in order first", "3 b.nl queued "}
	if diff := cmp.Diff(want, got); diff != "" || o.Total != 3 {
		t.Errorf("total %d, jobs (-want +got):\n%s", o.Total, diff)
	}
}

func TestChunksOfOneOrderAdoptedAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const chunks = 8
	var g errgroup.Group
	for i := range chunks {
		g.Go(func() error {
			_, err := b.store.Orders.AdoptJobs(t.Context(), newOrder(record.Register, "own"), newJobs(names(fmt.Sprint("chunk", i), 25)...))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	o, err := b.store.Orders.Find(t.Context(), "test", "own")
	if err != nil || o.Total != chunks*25 {
		t.Fatalf("order is %+v, %v", o, err)
	}
	for i, j := range b.jobs(o.ID, orders.JobFilter{}) {
		if j.Seq != i+1 {
			t.Fatalf("job %d has the place %d", i+1, j.Seq)
		}
		if i%25 != 0 && strings.SplitN(j.Domain, "-", 2)[0] != strings.SplitN(b.jobs(o.ID, orders.JobFilter{AfterSeq: i - 1, Limit: 1})[0].Domain, "-", 2)[0] {
			t.Fatalf("the chunks are mixed at place %d", j.Seq)
		}
	}
}

// Jobs that break a rule are rows of their order from the start, and final ones.
func TestAdoptedJobsThatAreRejected(t *testing.T) {
	t.Parallel()
	for _, kind := range []record.Kind{record.Whois, record.Register} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			jobs := newJobs("a.nl", "www.b.nl", "…", "a.nl", "c.nl")
			for _, i := range []int{1, 2, 3} { // a.nl: the same domain for another reason
				jobs[i].Rejected = "domain " + jobs[i].Domain + " cannot be used"
			}
			o := b.adopt(newOrder(kind, "own"), jobs)
			var got []string
			for _, j := range b.jobs(o.ID, orders.JobFilter{}) {
				got = append(got, fmt.Sprint(j.Seq, " ", j.Domain, " ", standing(j), " ", j.LastError))
				if j.State.Final() == j.FinishedAt.IsZero() {
					t.Errorf("%s ended at %v", j.Domain, j.FinishedAt)
				}
			}
			want := []string{
				"1 a.nl queued ", "2 c.nl queued ", "3 www.b.nl failed rejected domain www.b.nl cannot be used",
				"4 … failed rejected domain … cannot be used", "5 a.nl failed rejected domain a.nl cannot be used",
			}
			if diff := cmp.Diff(want, got); diff != "" || o.Total != 5 {
				t.Errorf("total %d, jobs (-want +got):\n%s", o.Total, diff)
			}
			if chunks := list[string](b, `SELECT first_seq || '-' || last_seq FROM chunks`); !slices.Equal(chunks, []string{"1-2"}) {
				t.Errorf("chunks to deliver are %v, want one of the two that wait", chunks)
			}
			before := b.fingerprint()
			if again := b.adopt(newOrder(kind, "own"), jobs); again.Total != 5 || b.fingerprint() != before {
				t.Errorf("the repeat changed something: %+v", again)
			}
			b.sound("with rejected rows")
		})
	}
}

// Many chunks are adopted at once, and each has its own end: what one breaks is not the others' loss.
func TestAdoptAll(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(newOrder(record.Register, "before"), "taken.nl")
	own := func(reference string, domains ...string) orders.Adoption {
		return orders.Adoption{Order: newOrder(record.Register, reference), Jobs: newJobs(domains...)}
	}
	partner, rejected, unfit, endless := own("grows", "x.nl"), own("mixed", "good.nl"), own("unfit", "y.nl"), own(strings.Repeat("r", 200), "z.nl")
	partner.Order.Account = "partner"
	bad := newJobs("bad.nl")
	bad[0].Rejected = "breaks a rule"
	rejected.Jobs = append(bad, rejected.Jobs...)
	unfit.Jobs[0].PeriodMonths = -1
	adoptions := []orders.Adoption{
		own("grows", "a.nl", "b.nl"), partner, own("one", "c.nl"), unfit, own("grows", "d.nl"), rejected,
		own("before", "e.nl"), endless, own("ended", "taken.nl"), own("two", "a.nl", "f.nl"),
	}
	errs := b.store.Orders.AdoptAll(t.Context(), adoptions)
	for i, err := range errs {
		conflict, refused := errors.As(err, new(*record.ReferenceConflictError)), errors.As(err, new(*pg.Error))
		switch i {
		case 1, 6:
			if !conflict {
				t.Errorf("chunk %d: %v, want a conflict", i, err)
			}
		case 3, 7:
			if !refused || conflict {
				t.Errorf("chunk %d: %v, want what the database says", i, err)
			}
		default:
			if err != nil {
				t.Errorf("chunk %d: %v", i, err)
			}
		}
	}
	want := []string{
		"before 1: taken.nl queued", "ended 1: taken.nl failed", "grows 3: a.nl queued", "grows 3: b.nl queued", "grows 3: d.nl queued",
		"mixed 2: good.nl queued", "mixed 2: bad.nl failed", "one 1: c.nl queued", "two 2: a.nl failed", "two 2: f.nl queued",
	}
	got := list[string](b, `SELECT o.reference || ' ' || o.total || ': ' || j.domain || ' ' || j.state
		FROM orders o JOIN jobs j ON j.order_id = o.id ORDER BY o.reference, j.seq`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := get[int](b, `SELECT count(*) FROM chunks c JOIN orders o ON o.id = c.order_id WHERE o.reference = 'ended'`); n != 0 {
		t.Errorf("%d chunks of what ended at once", n)
	}
	before := b.fingerprint()
	b.store.Orders.AdoptAll(t.Context(), adoptions)
	if b.fingerprint() != before {
		t.Error("the same again changed something")
	}
}

// Two workers that adopt chunks of the same orders and domains, in any order, do not lock each other out.
func TestAdoptAllAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const many, jobs, workers = 12, 10, 4
	var g errgroup.Group
	for w := range workers {
		g.Go(func() error {
			var adoptions []orders.Adoption
			for i := range many {
				o := (i*5 + w) % many
				adoptions = append(adoptions, orders.Adoption{
					Order: newOrder(record.Register, fmt.Sprint("own-", o)),
					Jobs:  newJobs(names(fmt.Sprint("own-", o), jobs)...),
				}, orders.Adoption{Order: newOrder(record.Register, fmt.Sprint("w-", w)), Jobs: newJobs(fmt.Sprintf("all-%d.nl", o))})
			}
			return errors.Join(b.open(store.Options{}).Orders.AdoptAll(b.t.Context(), adoptions)...)
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := get[int](b, `SELECT count(*) FROM jobs WHERE state = 'queued'`); n == 0 || n != get[int](b, `SELECT count(DISTINCT domain) FROM jobs`) {
		t.Errorf("%d jobs have their domain", n)
	}
	if n := get[int](b, `SELECT count(*) FROM orders o WHERE total <> (SELECT count(*) FROM jobs j WHERE j.order_id = o.id)`); n != 0 {
		t.Errorf("%d orders count wrong", n)
	}
}
