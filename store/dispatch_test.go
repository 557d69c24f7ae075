package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/delivery"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/bulkreg/bulkreg/store"
)

// shape tells deliveries by their order, domains and epochs.
func shape(deliveries []record.Delivery) []string {
	var out []string
	for _, d := range deliveries {
		s := d.Source + "/" + d.Reference + ":"
		for _, j := range d.Jobs {
			s += fmt.Sprintf(" %s@%d", j.Domain, j.Epoch)
		}
		out = append(out, s)
	}
	return out
}

func TestTakeFreshGivesChunksInOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	n := newOrder(record.Whois, "first")
	n.ChunkSize = 2
	b.submit(n, "e.nl", "d.nl", "c.nl", "b.nl", "a.nl")
	b.submit(newOrder(record.Whois, "second"), "f.nl")
	bulk, partner := newOrder(record.Whois, "bulk"), newOrder(record.Whois, "partner")
	bulk.Lane, partner.Account = record.Bulk, "partner"
	b.submit(bulk, "bulk.nl")
	b.submit(partner, "partner.nl")
	b.submit(newOrder(record.Register, "register"), "register.nl")

	take := func(lot delivery.Lot, limit int) []string {
		t.Helper()
		deliveries, err := b.store.Delivery.TakeUndelivered(t.Context(), lot, limit, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return shape(deliveries)
	}
	for i, want := range [][]string{
		{"test/first: e.nl@0 d.nl@0", "test/second: f.nl@0"},
		{"test/first: c.nl@0 b.nl@0", "test/first: a.nl@0"},
		nil,
	} {
		if diff := cmp.Diff(want, take(lotOf(record.Whois), 2)); diff != "" {
			t.Errorf("take %d (-want +got):\n%s", i+1, diff)
		}
	}
	for lot, want := range map[delivery.Lot]string{
		{Kind: record.Whois, Lane: record.Bulk, Account: "default"}:     "test/bulk: bulk.nl@0",
		{Kind: record.Whois, Lane: record.Plain, Account: "partner"}:    "test/partner: partner.nl@0",
		{Kind: record.Register, Lane: record.Plain, Account: "default"}: "test/register: register.nl@0",
		{Kind: record.Token, Lane: record.Plain, Account: "default"}:    "",
	} {
		got := take(lot, 2)
		if want == "" && got != nil || want != "" && !slices.Equal(got, []string{want}) {
			t.Errorf("%v: took %v, want %s", lot, got, want)
		}
	}
	for _, wake := range list[time.Time](b, `SELECT wake_at FROM chunks`) {
		b.wantWake(wake, time.Minute)
	}
}

// TestTwoDispatchersAtOnce lets several take from the same lot until nothing is left.
func TestTwoDispatchersAtOnce(t *testing.T) {
	t.Parallel()
	const jobs = 400
	for name, take := range map[string]func(t *testing.T, s *store.Store) ([]record.Delivery, error){
		"fresh": func(t *testing.T, s *store.Store) ([]record.Delivery, error) {
			return s.Delivery.TakeUndelivered(t.Context(), lotOf(record.Whois), 5, time.Hour)
		},
		"due": func(t *testing.T, s *store.Store) ([]record.Delivery, error) {
			return s.Delivery.TakeDue(t.Context(), lotOf(record.Whois), 20, 4, time.Hour)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			n := newOrder(record.Whois, "r")
			n.ChunkSize = 4
			b.submit(n, names("a", jobs)...)
			if name == "due" {
				b.exec(`UPDATE jobs SET wake_at = now() - interval '1 second'`)
			}
			taken := make([][]string, 4)
			var g errgroup.Group
			for i := range taken {
				g.Go(func() error {
					for {
						deliveries, err := take(t, b.store)
						if err != nil || len(deliveries) == 0 {
							return err
						}
						taken[i] = append(taken[i], domainsOf(delivered(deliveries))...)
					}
				})
			}
			if err := g.Wait(); err != nil {
				t.Fatal(err)
			}
			// One that comes while all that is left is locked goes away with nothing: that is not the end.
			rest, err := take(t, b.store)
			if err != nil {
				t.Fatal(err)
			}
			all := slices.Concat(slices.Concat(taken...), domainsOf(delivered(rest)))
			slices.Sort(all)
			if diff := cmp.Diff(names("a", jobs), all); diff != "" {
				t.Errorf("taken (-want +got):\n%s", diff)
			}
		})
	}
}

// A dispatcher that has rows locked, and not yet committed, never makes another one wait.
func TestTakersPassOverLockedRows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	n := newOrder(record.Whois, "r")
	n.ChunkSize = 1
	b.submit(n, "a.nl", "b.nl", "c.nl", "d.nl")
	b.exec(`UPDATE jobs SET wake_at = now() - interval '1 second' WHERE seq > 2`)
	tx, err := b.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	if _, err := tx.Exec(t.Context(), `SELECT FROM chunks WHERE first_seq = 1 FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT FROM jobs WHERE seq = 3 FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	if got := domainsOf(b.fresh(record.Whois)); !slices.Equal(got, []string{"b.nl"}) {
		t.Errorf("fresh: %v, want what is not locked", got)
	}
	if got := domainsOf(b.due(record.Whois)); !slices.Equal(got, []string{"d.nl"}) {
		t.Errorf("due: %v, want what is not locked", got)
	}
}

func TestTakeDuePacksByOrderAndSize(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(newOrder(record.Whois, "x"), names("x", 5)...)
	b.submit(newOrder(record.Whois, "y"), names("y", 3)...)
	b.submit(newOrder(record.Register, "z"), "z.nl")
	b.exec(`UPDATE jobs SET wake_at = now() - make_interval(secs => 10 - seq)`)
	b.exec(`UPDATE jobs SET wake_at = now() + interval '1 hour' WHERE domain = 'x-0001.nl'`)

	take := func(limit, size int) []string {
		t.Helper()
		deliveries, err := b.store.Delivery.TakeDue(t.Context(), lotOf(record.Whois), limit, size, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return shape(deliveries)
	}
	if diff := cmp.Diff([]string{"test/x: x-0000.nl@1", "test/y: y-0000.nl@1"}, take(2, 2)); diff != "" {
		t.Errorf("the longest overdue (-want +got):\n%s", diff)
	}
	want := []string{"test/x: x-0002.nl@1 x-0003.nl@1", "test/x: x-0004.nl@1", "test/y: y-0001.nl@1 y-0002.nl@1"}
	if diff := cmp.Diff(want, take(100, 2)); diff != "" {
		t.Errorf("the rest (-want +got):\n%s", diff)
	}
	if got := take(100, 2); got != nil {
		t.Errorf("took %v, want nothing that is not due", got)
	}
	for _, wake := range list[time.Time](b, `SELECT wake_at FROM jobs WHERE epoch = 1`) {
		b.wantWake(wake, time.Minute)
	}
	b.exec(`UPDATE jobs SET wake_at = now()`)
	if diff := cmp.Diff([]string{"test/x: x-0000.nl@2 x-0001.nl@1 x-0002.nl@2 x-0003.nl@2 x-0004.nl@2", "test/y: y-0000.nl@2 y-0001.nl@2 y-0002.nl@2"}, take(100, 9)); diff != "" {
		t.Errorf("delivered again (-want +got):\n%s", diff)
	}
}

// pick picks jobs by their domains.
func pick(jobs []record.DeliveredJob, domains ...string) []record.DeliveredJob {
	var picked []record.DeliveredJob
	for _, j := range jobs {
		if slices.Contains(domains, j.Domain) {
			picked = append(picked, j)
		}
	}
	return picked
}

func TestUndeliver(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(newOrder(record.Whois, "r"), "back.nl", "claimed.nl", "newer.nl", "later.nl", "kept.nl")
	jobs := b.fresh(record.Whois)
	b.claim(newClaim(record.Whois), pick(jobs, "claimed.nl"))
	if err := b.store.Delivery.Undeliver(t.Context(), pick(jobs, "newer.nl"), 0); err != nil {
		t.Fatal(err)
	}
	b.due(record.Whois) // newer.nl has epoch 1 from now on
	before := b.job(pick(jobs, "newer.nl")[0].ID)

	if err := b.store.Delivery.Undeliver(t.Context(), pick(jobs, "back.nl", "claimed.nl", "newer.nl"), 0); err != nil {
		t.Fatal(err)
	}
	if err := b.store.Delivery.Undeliver(t.Context(), pick(jobs, "later.nl"), time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := b.store.Delivery.Undeliver(t.Context(), []record.DeliveredJob{{ID: newID()}}, 0); err != nil {
		t.Errorf("giving back an unknown job: %v", err)
	}
	if got := b.due(record.Whois); !slices.Equal(domainsOf(got), []string{"back.nl"}) || got[0].Epoch != 1 {
		t.Errorf("due are %v, want back.nl alone, under a new epoch", got)
	}
	b.wantState(pick(jobs, "claimed.nl")[0].ID, "running")
	if after := b.job(before.ID); !cmp.Equal(after, before) {
		t.Errorf("a job of another epoch changed: %+v", after)
	}
	b.wantWake(b.job(pick(jobs, "later.nl")[0].ID).WakeAt, time.Hour)
}

func TestRecoverChunks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	n := newOrder(record.Whois, "r")
	n.ChunkSize = 4
	b.submit(n, "claimed.nl", "ended.nl", "lost.nl", "back.nl", "second.nl", "third.nl")
	deliveries, err := b.store.Delivery.TakeUndelivered(t.Context(), lotOf(record.Whois), 2, 0)
	if err != nil {
		t.Fatal(err)
	}
	b.submit(newOrder(record.Whois, "not delivered"), "fresh.nl")
	jobs := delivered(deliveries)
	h := b.claim(newClaim(record.Whois), pick(jobs, "claimed.nl", "ended.nl"))
	b.settle(h, ledger.Succeed(h.jobs[1].ID, record.Taken))
	if err := b.store.Delivery.Undeliver(t.Context(), pick(jobs, "back.nl"), time.Hour); err != nil {
		t.Fatal(err)
	}

	recovered := func(limit, chunks, jobs int) {
		t.Helper()
		c, j, err := b.store.Delivery.RecoverChunks(t.Context(), limit)
		if err != nil || c != chunks || j != jobs {
			t.Errorf("recovered %d jobs of %d chunks, %v; want %d of %d", j, c, err, jobs, chunks)
		}
	}
	b.exec(`UPDATE chunks SET wake_at = wake_at - interval '1 minute' WHERE first_seq = 1 AND wake_at IS NOT NULL`)
	recovered(1, 1, 1)
	if got := b.due(record.Whois); !slices.Equal(domainsOf(got), []string{"lost.nl"}) || got[0].Epoch != 1 {
		t.Errorf("due are %v, want lost.nl under a new epoch", got)
	}
	b.wantState(pick(jobs, "claimed.nl")[0].ID, "running")
	b.wantState(pick(jobs, "ended.nl")[0].ID, "succeeded taken")
	b.wantWake(b.job(pick(jobs, "back.nl")[0].ID).WakeAt, time.Hour)
	recovered(10, 1, 2)
	recovered(10, 0, 0)
	if left := list[string](b, `SELECT o.reference FROM chunks c JOIN orders o ON o.id = c.order_id`); !slices.Equal(left, []string{"not delivered"}) {
		t.Errorf("chunks left: %v", left)
	}
	if late := b.claim(newClaim(record.Whois), pick(jobs, "lost.nl")); len(late.jobs) != 0 {
		t.Error("the lost delivery came late, and was claimed")
	}
}

func TestHeldAndUnconfirmedJobsAreNotDelivered(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(record.Register, "a.nl", "b.nl", "c.nl")
	b.settle(h, ledger.Unconfirm(h.jobs[0].ID, "?"), ledger.Retry(h.jobs[1].ID, 0, "again"))
	b.exec(`UPDATE jobs SET state = 'held' WHERE id = $1`, h.jobs[2].ID)
	if got := domainsOf(b.due(record.Register)); !slices.Equal(got, []string{"b.nl"}) {
		t.Errorf("delivered %v, want b.nl alone", got)
	}
	if !b.job(h.jobs[0].ID).WakeAt.IsZero() || !b.job(h.jobs[2].ID).WakeAt.IsZero() {
		t.Error("a job that waits for a person has a wake-up")
	}
}

// A chunk that nothing waits for any more counts as taken: the dispatcher must look for the ones behind it at once.
func TestTakeFreshSaysWhatItPassedOver(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(newOrder(record.Register, "first"), "a.nl", "b.nl")
	n := newOrder(record.Register, "second")
	n.ChunkSize = 2
	b.submit(n, "a.nl", "b.nl", "c.nl", "d.nl", "e.nl") // the first two are duplicates
	b.carryOut(request(operator.Cancel, list[uuid.UUID](b, `SELECT id FROM jobs WHERE domain IN ('c.nl', 'd.nl')`)...))
	for i, want := range [][]string{{"test/first: a.nl@0 b.nl@0", "test/second:"}, {"test/second:", "test/second: e.nl@0"}, nil} {
		deliveries, err := b.store.Delivery.TakeUndelivered(t.Context(), lotOf(record.Register), 2, time.Hour)
		if diff := cmp.Diff(want, shape(deliveries)); diff != "" || err != nil {
			t.Errorf("take %d (-want +got): %v\n%s", i+1, err, diff)
		}
	}
}
