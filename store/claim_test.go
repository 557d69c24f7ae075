package store_test

import (
	"slices"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

func TestClaimTellsWhatToDo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	jobs := everyField("a", 3)
	res, err := b.store.Orders.Submit(t.Context(), newOrder(record.Register, "r"), yielded(jobs))
	if err != nil {
		t.Fatal(err)
	}
	c := newClaim(record.Register)
	h := b.claim(c, b.fresh(record.Register))
	want := make([]ledger.ClaimedJob, len(jobs))
	for i, j := range jobs {
		want[i] = ledger.ClaimedJob{
			ID: j.ID, OrderID: res.Order.ID, Domain: j.Domain, HolderID: j.HolderID,
			PeriodMonths: j.PeriodMonths, Nameservers: j.Nameservers, AllowStatus: j.AllowStatus, Attempts: 1,
		}
	}
	if diff := cmp.Diff(want, h.jobs); diff != "" {
		t.Errorf("claimed (-want +got):\n%s", diff)
	}
	for _, j := range jobs {
		got := b.job(j.ID)
		if got.State != record.Running || got.Attempts != 1 {
			t.Errorf("%s is %s after %d attempts", j.Domain, got.State, got.Attempts)
		}
		b.wantWake(got.WakeAt, c.Lease)
	}
	if worker := get[string](b, `SELECT worker FROM claims WHERE id = $1 AND closed_at IS NULL`, c.ID); worker != c.Worker {
		t.Errorf("claimed by %q, want %q", worker, c.Worker)
	}
}

// What a claim must not get: each job here is one that somebody else has, or nobody may have.
func TestClaimRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		meanwhile func(b *bench, jobs []record.DeliveredJob)
		claim     func(c *ledger.Claim, jobs []record.DeliveredJob)
	}{
		"a claimed job": {meanwhile: func(b *bench, jobs []record.DeliveredJob) { b.claim(newClaim(record.Whois), jobs) }},
		"a job delivered anew": {meanwhile: func(b *bench, jobs []record.DeliveredJob) {
			b.exec(`UPDATE jobs SET wake_at = now()`)
			b.due(record.Whois)
		}},
		"a job that waits for its retry": {meanwhile: func(b *bench, jobs []record.DeliveredJob) {
			h := b.claim(newClaim(record.Whois), jobs)
			b.settle(h, ledger.Retry(h.jobs[0].ID, 0, "again"))
		}},
		"a finished job": {meanwhile: func(b *bench, jobs []record.DeliveredJob) {
			h := b.claim(newClaim(record.Whois), jobs)
			b.settle(h, ledger.Succeed(h.jobs[0].ID, record.Taken))
		}},
		"a canceled job": {meanwhile: func(b *bench, _ []record.DeliveredJob) {
			b.exec(`UPDATE jobs SET state = 'canceled', finished_at = now()`)
		}},
		"a held job":         {meanwhile: func(b *bench, _ []record.DeliveredJob) { b.exec(`UPDATE jobs SET state = 'held'`) }},
		"an unknown job":     {claim: func(_ *ledger.Claim, jobs []record.DeliveredJob) { jobs[0].ID = newID() }},
		"a newer epoch":      {claim: func(_ *ledger.Claim, jobs []record.DeliveredJob) { jobs[0].Epoch++ }},
		"of another kind":    {claim: func(c *ledger.Claim, _ []record.DeliveredJob) { c.Kind = record.Register }},
		"of another account": {claim: func(c *ledger.Claim, _ []record.DeliveredJob) { c.Account = "partner" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.submit(newOrder(record.Whois, "r"), "a.nl")
			jobs := b.fresh(record.Whois)
			if c.meanwhile != nil {
				c.meanwhile(b, slices.Clone(jobs))
			}
			claim := newClaim(record.Whois)
			if c.claim != nil {
				c.claim(&claim, jobs)
			}
			before := b.fingerprint()
			if h := b.claim(claim, jobs); len(h.jobs) != 0 {
				t.Errorf("got %v", h.jobs)
			}
			if b.fingerprint() != before {
				t.Error("a claim that got nothing changed something")
			}
		})
	}
}

func TestClaimGetsWhatIsLeft(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(newOrder(record.Whois, "r"), "a.nl", "b.nl", "c.nl")
	jobs := b.fresh(record.Whois)
	b.claim(newClaim(record.Whois), pick(jobs, "b.nl"))
	c := newClaim(record.Whois)
	h := b.claim(c, jobs)
	if len(h.jobs) != 2 || h.jobs[0].Domain != "a.nl" || h.jobs[1].Domain != "c.nl" {
		t.Errorf("got %v", h.jobs)
	}
	// Its confirmation got lost, and it is made again: the jobs are its own already, and not twice.
	if again := b.claim(c, jobs); len(again.jobs) != 0 {
		t.Errorf("got %v again", again.jobs)
	}
	if none := b.claim(newClaim(record.Whois), nil); len(none.jobs) != 0 {
		t.Errorf("got %v for nothing", none.jobs)
	}
	if n := get[int](b, `SELECT count(*) FROM claims`); n != 2 {
		t.Errorf("%d claims, want 2", n)
	}
}

func TestEachJobIsClaimedOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	n := newOrder(record.Whois, "r")
	n.ChunkSize = 200
	b.submit(n, names("a", 200)...)
	jobs := b.fresh(record.Whois)
	got := make([][]ledger.ClaimedJob, 6)
	var g errgroup.Group
	for i := range got {
		g.Go(func() (err error) {
			got[i], err = b.store.Ledger.Claim(t.Context(), newClaim(record.Whois), jobs)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	var all []uuid.UUID
	for _, claimed := range got {
		for _, j := range claimed {
			if j.Attempts != 1 {
				t.Errorf("%s is at attempt %d", j.Domain, j.Attempts)
			}
			all = append(all, j.ID)
		}
	}
	slices.SortFunc(all, func(x, y uuid.UUID) int { return slices.Compare(x[:], y[:]) })
	if distinct := len(slices.Compact(slices.Clone(all))); len(all) != 200 || distinct != 200 {
		t.Errorf("%d jobs were claimed %d times, want 200 once each", distinct, len(all))
	}
}

func TestStartCallRecordsAndRenews(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(newOrder(record.Whois, "r"), "a.nl")
	c := newClaim(record.Whois)
	c.Lease = time.Minute
	h := b.claim(c, b.fresh(record.Whois))
	call := newCall(h.claim, record.OpWhois)
	call.Timeout, call.Lease, call.Size = 2*time.Minute, 3*time.Minute, 7
	if err := b.store.Ledger.StartCall(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	j, calls, err := b.store.Orders.FindJob(t.Context(), h.jobs[0].ID)
	if err != nil || len(calls) != 1 {
		t.Fatalf("%d calls, %v", len(calls), err)
	}
	b.wantWake(j.WakeAt, 3*time.Minute)
	b.wantWake(get[time.Time](b, `SELECT deadline FROM calls`), 2*time.Minute)
	want := orders.Call{ID: call.ID, Op: record.OpWhois, Worker: c.Worker, Size: 7, StartedAt: calls[0].StartedAt}
	if diff := cmp.Diff(want, calls[0]); diff != "" {
		t.Errorf("call (-want +got):\n%s", diff)
	}
	shorter := newCall(h.claim, record.OpWhois)
	shorter.Lease = time.Second
	if err := b.store.Ledger.StartCall(t.Context(), shorter); err != nil {
		t.Fatal(err)
	}
	b.wantWake(b.job(j.ID).WakeAt, 3*time.Minute) // a lease is never cut short
}

// fencedClaims are claims that are no licence any more.
var fencedClaims = map[string]func(b *bench, h batch){
	"its lease has passed": func(b *bench, h batch) { b.passLease(h.claim) },
	"it was settled": func(b *bench, h batch) {
		b.settle(h, ledger.Fail(h.jobs[0].ID, record.Taken, ""), ledger.Fail(h.jobs[1].ID, record.Taken, ""))
	},
	"it was released": func(b *bench, h batch) { b.release(h.claim, 0) },
	"it was taken back": func(b *bench, h batch) {
		b.passLease(h.claim)
		b.expire(time.Hour)
	},
	"it is none at all": func(b *bench, h batch) { b.exec(`DELETE FROM claims WHERE id = $1`, h.claim) },
}

func TestNoCallWithoutAGoodClaim(t *testing.T) {
	t.Parallel()
	for name, end := range fencedClaims {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			h := b.running(record.Register, "a.nl", "b.nl")
			end(b, h)
			before := b.fingerprint()
			if err := b.store.Ledger.StartCall(t.Context(), newCall(h.claim, record.OpCheck)); err != ledger.ErrFenced { //nolint:errorlint // as documented
				t.Errorf("starting a call: %v", err)
			}
			in := ledger.Intent{Call: newCall(h.claim, record.OpRegister), Jobs: h.ids()}
			if sent, _, err := b.store.Ledger.Intend(t.Context(), in); err != ledger.ErrFenced || sent != nil { //nolint:errorlint // as documented
				t.Errorf("may send %v, %v", sent, err)
			}
			if b.fingerprint() != before {
				t.Error("a fenced claim changed something")
			}
		})
	}
}

// A lease that passes uses up an attempt only where something was asked, or sent.
func TestExpiryCountsWhatWasTried(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind  record.Kind
		tried func(b *bench, h batch)
		want  int
	}{
		"a check that waited":                {record.Whois, func(*bench, batch) {}, 0},
		"a check that was asked for":         {record.Whois, func(b *bench, h batch) { b.start(h, record.OpWhois) }, 1},
		"a registration that waited":         {record.Register, func(*bench, batch) {}, 0},
		"a registration that was checked":    {record.Register, func(b *bench, h batch) { b.start(h, record.OpCheck) }, 0},
		"a registration that was sent":       {record.Register, func(b *bench, h batch) { b.intend(h) }, 1},
		"a registration that others' were":   {record.Register, func(b *bench, h batch) { b.intend(batch{claim: h.claim, jobs: h.jobs[1:]}) }, 0},
		"a registration refused in its half": {record.Register, func(b *bench, h batch) { b.paid(h, b.intend(h), record.AttemptRefused, ledger.Stay) }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			h := b.running(c.kind, "a.nl", "b.nl")
			c.tried(b, h)
			b.passLease(h.claim)
			b.expire(0)
			if got := b.job(h.jobs[0].ID).Attempts; got != c.want {
				t.Errorf("%d attempts, want %d", got, c.want)
			}
		})
	}
}

// start records a call for a batch that costs nothing.
func (b *bench) start(h batch, op record.Op) {
	b.t.Helper()
	if err := b.store.Ledger.StartCall(b.t.Context(), newCall(h.claim, op)); err != nil {
		b.t.Fatal(err)
	}
}
