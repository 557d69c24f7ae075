package intake_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/delivery"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkreg/bulkreg/migrations"
	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/queue/intake/input"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/pgtest"
)

// bench is an intake on a database of its own.
type bench struct {
	*intake.Intake
	t     *testing.T
	store *store.Store
}

func migrate(ctx context.Context, url string) error {
	_, err := migrations.Up(ctx, url)
	return err
}

func setup(t *testing.T, chunks intake.Chunks) *bench {
	t.Helper()
	s, err := store.Open(t.Context(), pgtest.New(t, migrate), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	in, err := intake.New(s.Orders, chunks)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{in, t, s}
}

func newOrder(kind queue.Kind, reference string) intake.Order {
	return intake.Order{Source: "cli", Reference: reference, Kind: kind, Account: "default"}
}

// names is a file of n domains, one a line.
func names(label string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%s-%04d.nl\n", label, i)
	}
	return b.String()
}

func whois() input.Options { return input.Options{Kind: "whois"} }

func (b *bench) submit(o intake.Order, s *intake.Spool) orders.Submitted {
	b.t.Helper()
	res, err := b.Submit(b.t.Context(), o, s)
	if err != nil {
		b.t.Fatal(err)
	}
	return res
}

func (b *bench) jobs(o record.Order) []record.Job {
	b.t.Helper()
	var jobs []record.Job
	for j, err := range b.store.Orders.Jobs(b.t.Context(), o.ID, orders.JobFilter{}) {
		if err != nil {
			b.t.Fatal(err)
		}
		jobs = append(jobs, j)
	}
	return jobs
}

func TestChunkSizesAreChecked(t *testing.T) {
	t.Parallel()
	for chunks, ok := range map[intake.Chunks]bool{
		{Whois: 1, Register: queue.MaxJobs}: true, {Whois: queue.MaxJobs, Register: 1}: true,
		{Whois: 0, Register: 50}: false, {Whois: 100, Register: -1}: false, {Whois: queue.MaxJobs + 1, Register: 50}: false,
	} {
		if in, err := intake.New(nil, chunks); (err == nil) != ok || (in != nil) != ok {
			t.Errorf("%+v: %v", chunks, err)
		}
	}
}

// An order that fits a chunk takes the plain lane. A larger one takes the other, cut to its kind's size.
func TestLanes(t *testing.T) {
	t.Parallel()
	b := setup(t, intake.Chunks{Whois: 10, Register: 4})
	for _, c := range []struct {
		kind   queue.Kind
		jobs   int
		lane   record.Lane
		chunks []int
	}{
		{queue.Whois, 1, record.Plain, []int{1}},
		{queue.Whois, 10, record.Plain, []int{10}},
		{queue.Whois, 11, record.Bulk, []int{10, 1}},
		{queue.Register, 4, record.Plain, []int{4}},
		{queue.Register, 5, record.Bulk, []int{4, 1}},
		{queue.Register, 9, record.Bulk, []int{4, 4, 1}},
	} {
		name := fmt.Sprintf("%s-%d", c.kind, c.jobs)
		options := register()
		options.Kind = string(c.kind)
		res := b.submit(newOrder(c.kind, name), spool(t, names(name, c.jobs), options))
		if !res.Created || res.Order.Lane != c.lane || res.Order.Total != c.jobs {
			t.Errorf("%s: submitted %+v, want the %s lane", name, res, c.lane)
		}
		deliveries, err := b.store.Delivery.TakeUndelivered(t.Context(), delivery.Lot{Kind: record.Kind(c.kind), Lane: c.lane, Account: "default"}, 10, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		var sizes []int
		for _, d := range deliveries {
			sizes = append(sizes, len(d.Jobs))
		}
		if diff := cmp.Diff(c.chunks, sizes); diff != "" {
			t.Errorf("%s: chunks (-want +got):\n%s", name, diff)
		}
	}
}

func TestJobsAreAsInTheFile(t *testing.T) {
	t.Parallel()
	b := setup(t, intake.Chunks{Whois: 10, Register: 10})
	text := "domain,holder_id,period,nameservers,allow_status\nA.nl,H-7,24,ns1.test ns2.test,Premium;reserved\nmünchen.de,,,,\n"
	order := newOrder(queue.Register, "r")
	res := b.submit(order, spool(t, text, register()))
	var got []orders.NewJob
	for _, j := range b.jobs(res.Order) {
		got = append(got, orders.NewJob{
			ID: j.ID, Domain: j.Domain, DomainUnicode: j.DomainUnicode, HolderID: j.HolderID, PeriodMonths: j.PeriodMonths, Nameservers: j.Nameservers,
			AllowStatus: j.AllowStatus,
		})
	}
	id := func(domain string) [16]byte { return queue.JobID("cli", "r", queue.Register, domain) }
	want := []orders.NewJob{
		{ID: id("a.nl"), Domain: "a.nl", HolderID: "H-7", PeriodMonths: 24, Nameservers: []string{"ns1.test", "ns2.test"},
			AllowStatus: []string{"premium", "reserved"}},
		{ID: id("xn--mnchen-3ya.de"), Domain: "xn--mnchen-3ya.de", DomainUnicode: "münchen.de", HolderID: "H-1", PeriodMonths: 12},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
}

func TestSubmitAndFindTheSameAgain(t *testing.T) {
	t.Parallel()
	b := setup(t, intake.Chunks{Whois: 2, Register: 2})
	order := newOrder(queue.Whois, "r")
	s := spool(t, "a.nl\nb.nl\nc.nl\n", whois())
	if o, found, err := b.Find(t.Context(), order, s); found || err != nil {
		t.Errorf("found %+v, %v", o, err)
	}
	first := b.submit(order, s)
	again := spool(t, "C.nl\nb.nl\na.nl\nb.nl\n", whois()) // the same, written otherwise
	if o, found, err := b.Find(t.Context(), order, again); err != nil || !found || !cmp.Equal(o, first.Order) {
		t.Errorf("found %+v, %v, %v", o, found, err)
	}
	if res := b.submit(order, again); res.Created || !cmp.Equal(res.Order, first.Order) {
		t.Errorf("the repeat became %+v", res)
	}
	other := spool(t, "a.nl\nb.nl\n", whois())
	_, found, err := b.Find(t.Context(), order, other)
	_, submitErr := b.Submit(t.Context(), order, other)
	for _, err := range []error{err, submitErr} {
		var conflict *record.ReferenceConflictError
		if !errors.As(err, &conflict) || !cmp.Equal(conflict.Existing, first.Order) || !found {
			t.Errorf("other content: %v", err)
		}
	}
}

func TestOrdersAreChecked(t *testing.T) {
	t.Parallel()
	b := setup(t, intake.Chunks{Whois: 10, Register: 10})
	s, empty := spool(t, "a.nl\n", whois()), spool(t, "# nothing\n", whois())
	for says, change := range map[string]func(*intake.Order){
		"unknown kind":                     func(o *intake.Order) { o.Kind = "transfer" },
		"the order's reference is empty":   func(o *intake.Order) { o.Reference = "" },
		"the order's reference is longer":  func(o *intake.Order) { o.Reference = strings.Repeat("r", 129) },
		"the order's reference has spaces": func(o *intake.Order) { o.Reference = " r" },
		"the order's source is empty":      func(o *intake.Order) { o.Source = "" },
		"the order's source is longer":     func(o *intake.Order) { o.Source = strings.Repeat("s", 65) },
		"the order's account is empty":     func(o *intake.Order) { o.Account = "" },
		"the order's account is longer":    func(o *intake.Order) { o.Account = strings.Repeat("a", 65) },
		"cannot be printed":                func(o *intake.Order) { o.Account = "a\nb" },
	} {
		order := newOrder(queue.Whois, "r")
		change(&order)
		_, submitErr := b.Submit(t.Context(), order, s)
		_, _, findErr := b.Find(t.Context(), order, s)
		for _, err := range []error{order.Check(), submitErr, findErr} {
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%v, want %q", err, says)
			}
		}
	}
	_, submitErr := b.Submit(t.Context(), newOrder(queue.Whois, "r"), empty)
	_, _, findErr := b.Find(t.Context(), newOrder(queue.Whois, "r"), empty)
	if !errors.Is(submitErr, intake.ErrEmpty) || !errors.Is(findErr, intake.ErrEmpty) {
		t.Errorf("empty order: %v, %v", submitErr, findErr)
	}
	longest := intake.Order{Source: strings.Repeat("s", 64), Reference: strings.Repeat("r", 128), Kind: queue.Whois, Account: strings.Repeat("a", 64)}
	if res := b.submit(longest, s); !res.Created {
		t.Errorf("submitted %+v", res)
	}
	if orders, err := b.store.Orders.List(t.Context(), "", 10); err != nil || len(orders) != 1 {
		t.Errorf("%d orders, %v; want the good one alone", len(orders), err)
	}
}

// A spool that cannot be read any more must not become half an order.
func TestBrokenSpoolIsNotSubmitted(t *testing.T) {
	t.Parallel()
	b := setup(t, intake.Chunks{Whois: 10, Register: 10})
	s, err := intake.ReadSpool(newReader(t, strings.NewReader(names("a", 100)), whois()), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Submit(t.Context(), newOrder(queue.Whois, "r"), s); err == nil || !strings.Contains(err.Error(), "read spool file") {
		t.Errorf("error is %v", err)
	}
	if _, err := b.Plan(t.Context(), s); err == nil || !strings.Contains(err.Error(), "read spool file") {
		t.Errorf("error is %v", err)
	}
	for d, err := range s.Domains() {
		if err == nil {
			t.Errorf("domain %q", d)
		}
	}
	if _, err := b.store.Orders.Find(t.Context(), "cli", "r"); !errors.Is(err, pg.ErrNotFound) {
		t.Errorf("error is %v", err)
	}
}

// register succeeds for the first n jobs of an order of registrations.
func (b *bench) register(n int) {
	b.t.Helper()
	ctx := b.t.Context()
	deliveries, err := b.store.Delivery.TakeUndelivered(ctx, delivery.Lot{Kind: record.Register, Lane: record.Plain, Account: "default"}, 1, time.Hour)
	if err != nil || len(deliveries) != 1 {
		b.t.Fatalf("%d deliveries, %v", len(deliveries), err)
	}
	c := ledger.Claim{ID: queue.JobID("", "", "", "claim"), Kind: record.Register, Account: "default", Worker: "w", Lease: time.Hour}
	claimed, err := b.store.Ledger.Claim(ctx, c, deliveries[0].Jobs[:n])
	if err != nil {
		b.t.Fatal(err)
	}
	var transitions []ledger.Transition
	for _, j := range claimed {
		transitions = append(transitions, ledger.Succeed(j.ID, record.Registered))
	}
	if settled, err := b.store.Ledger.Settle(ctx, c.ID, ledger.CallResult{}, transitions); err != nil || settled != n {
		b.t.Fatalf("settled %d, %v", settled, err)
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	b := setup(t, intake.Chunks{Whois: 100, Register: 100})
	b.submit(newOrder(queue.Register, "earlier"), spool(t, names("known", 40), register()))
	b.register(10)
	for name, c := range map[string]struct {
		text    string
		want    intake.Plan // without Claimed
		claimed int
	}{
		"all new":          {names("new", 7), intake.Plan{Total: 7, New: 7}, 0},
		"all known":        {names("known", 40), intake.Plan{Total: 40, Registered: 10, Live: 30}, 20},
		"some of each":     {names("new", 3) + names("known", 12), intake.Plan{Total: 15, New: 3, Registered: 10, Live: 2}, 12},
		"nothing":          {"", intake.Plan{}, 0},
		"a batch":          {names("new", 4960) + names("known", 40), intake.Plan{Total: 5000, New: 4960, Registered: 10, Live: 30}, 20},
		"more than one":    {names("known", 5) + names("new", 5000) + names("known", 40), intake.Plan{Total: 5040, New: 5000, Registered: 10, Live: 30}, 20},
		"one more than it": {names("new", 5001), intake.Plan{Total: 5001, New: 5001}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := b.Plan(t.Context(), spool(t, c.text, register()))
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Claimed) != c.claimed {
				t.Errorf("%d examples, want %d", len(got.Claimed), c.claimed)
			}
			for _, claimant := range got.Claimed {
				if claimant.Reference != "earlier" || !strings.HasPrefix(claimant.Domain, "known-") || claimant.Registered != (claimant.Domain < "known-0010") {
					t.Errorf("example %+v", claimant)
				}
			}
			got.Claimed = nil
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Plan(ctx, spool(t, "a.nl\n", register())); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}
