package store_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/bulkreg/bulkreg/store"
)

func TestClaimTellsWhatToDo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	jobs := everyField("a", 3)
	res, err := b.store.Submit(t.Context(), newOrder(store.Register, "r"), yielded(jobs))
	if err != nil {
		t.Fatal(err)
	}
	c := newClaim(store.Register)
	h := b.claim(c, b.fresh(store.Register))
	want := make([]store.ClaimedJob, len(jobs))
	for i, j := range jobs {
		want[i] = store.ClaimedJob{
			ID: j.ID, OrderID: res.Order.ID, Domain: j.Domain, HolderID: j.HolderID,
			PeriodMonths: j.PeriodMonths, Nameservers: j.Nameservers, AllowStatus: j.AllowStatus, Attempts: 1,
		}
	}
	if diff := cmp.Diff(want, h.jobs); diff != "" {
		t.Errorf("claimed (-want +got):\n%s", diff)
	}
	for _, j := range jobs {
		got := b.job(j.ID)
		if got.State != store.Running || got.Attempts != 1 {
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
		meanwhile func(b *bench, jobs []store.DeliveredJob)
		claim     func(c *store.Claim, jobs []store.DeliveredJob)
	}{
		"a claimed job": {meanwhile: func(b *bench, jobs []store.DeliveredJob) { b.claim(newClaim(store.Whois), jobs) }},
		"a job delivered anew": {meanwhile: func(b *bench, jobs []store.DeliveredJob) {
			b.exec(`UPDATE jobs SET wake_at = now()`)
			b.due(store.Whois)
		}},
		"a job that waits for its retry": {meanwhile: func(b *bench, jobs []store.DeliveredJob) {
			h := b.claim(newClaim(store.Whois), jobs)
			b.settle(h, store.Retry(h.jobs[0].ID, 0, "again"))
		}},
		"a finished job": {meanwhile: func(b *bench, jobs []store.DeliveredJob) {
			h := b.claim(newClaim(store.Whois), jobs)
			b.settle(h, store.Succeed(h.jobs[0].ID, store.Taken))
		}},
		"a canceled job": {meanwhile: func(b *bench, _ []store.DeliveredJob) {
			b.exec(`UPDATE jobs SET state = 'canceled', finished_at = now()`)
		}},
		"a held job":         {meanwhile: func(b *bench, _ []store.DeliveredJob) { b.exec(`UPDATE jobs SET state = 'held'`) }},
		"an unknown job":     {claim: func(_ *store.Claim, jobs []store.DeliveredJob) { jobs[0].ID = newID() }},
		"a newer epoch":      {claim: func(_ *store.Claim, jobs []store.DeliveredJob) { jobs[0].Epoch++ }},
		"of another kind":    {claim: func(c *store.Claim, _ []store.DeliveredJob) { c.Kind = store.Register }},
		"of another account": {claim: func(c *store.Claim, _ []store.DeliveredJob) { c.Account = "partner" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.submit(newOrder(store.Whois, "r"), "a.nl")
			jobs := b.fresh(store.Whois)
			if c.meanwhile != nil {
				c.meanwhile(b, slices.Clone(jobs))
			}
			claim := newClaim(store.Whois)
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
	b.submit(newOrder(store.Whois, "r"), "a.nl", "b.nl", "c.nl")
	jobs := b.fresh(store.Whois)
	b.claim(newClaim(store.Whois), pick(jobs, "b.nl"))
	c := newClaim(store.Whois)
	h := b.claim(c, jobs)
	if len(h.jobs) != 2 || h.jobs[0].Domain != "a.nl" || h.jobs[1].Domain != "c.nl" {
		t.Errorf("got %v", h.jobs)
	}
	// Its confirmation got lost, and it is made again: the jobs are its own already, and not twice.
	if again := b.claim(c, jobs); len(again.jobs) != 0 {
		t.Errorf("got %v again", again.jobs)
	}
	if none := b.claim(newClaim(store.Whois), nil); len(none.jobs) != 0 {
		t.Errorf("got %v for nothing", none.jobs)
	}
	if n := get[int](b, `SELECT count(*) FROM claims`); n != 2 {
		t.Errorf("%d claims, want 2", n)
	}
}

func TestEachJobIsClaimedOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	n := newOrder(store.Whois, "r")
	n.ChunkSize = 200
	b.submit(n, names("a", 200)...)
	jobs := b.fresh(store.Whois)
	got := make([][]store.ClaimedJob, 6)
	var g errgroup.Group
	for i := range got {
		g.Go(func() (err error) {
			got[i], err = b.store.Claim(t.Context(), newClaim(store.Whois), jobs)
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
	b.submit(newOrder(store.Whois, "r"), "a.nl")
	c := newClaim(store.Whois)
	c.Lease = time.Minute
	h := b.claim(c, b.fresh(store.Whois))
	call := newCall(h.claim, store.OpWhois)
	call.Timeout, call.Lease, call.Size = 2*time.Minute, 3*time.Minute, 7
	if err := b.store.StartCall(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	j, calls, err := b.store.FindJob(t.Context(), h.jobs[0].ID)
	if err != nil || len(calls) != 1 {
		t.Fatalf("%d calls, %v", len(calls), err)
	}
	b.wantWake(j.WakeAt, 3*time.Minute)
	b.wantWake(get[time.Time](b, `SELECT deadline FROM calls`), 2*time.Minute)
	want := store.Call{ID: call.ID, Op: store.OpWhois, Worker: c.Worker, Size: 7, StartedAt: calls[0].StartedAt}
	if diff := cmp.Diff(want, calls[0]); diff != "" {
		t.Errorf("call (-want +got):\n%s", diff)
	}
	shorter := newCall(h.claim, store.OpWhois)
	shorter.Lease = time.Second
	if err := b.store.StartCall(t.Context(), shorter); err != nil {
		t.Fatal(err)
	}
	b.wantWake(b.job(j.ID).WakeAt, 3*time.Minute) // a lease is never cut short
}

// fencedClaims are claims that are no licence any more.
var fencedClaims = map[string]func(b *bench, h batch){
	"its lease has passed": func(b *bench, h batch) { b.passLease(h.claim) },
	"it was settled": func(b *bench, h batch) {
		b.settle(h, store.Fail(h.jobs[0].ID, store.Taken, ""), store.Fail(h.jobs[1].ID, store.Taken, ""))
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
			h := b.running(store.Register, "a.nl", "b.nl")
			end(b, h)
			before := b.fingerprint()
			if err := b.store.StartCall(t.Context(), newCall(h.claim, store.OpCheck)); err != store.ErrFenced { //nolint:errorlint // as documented
				t.Errorf("starting a call: %v", err)
			}
			in := store.Intent{Call: newCall(h.claim, store.OpRegister), Jobs: h.ids()}
			if sent, err := b.store.Intend(t.Context(), in); err != store.ErrFenced || sent != nil { //nolint:errorlint // as documented
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
		kind  store.Kind
		tried func(b *bench, h batch)
		want  int
	}{
		"a check that waited":                {store.Whois, func(*bench, batch) {}, 0},
		"a check that was asked for":         {store.Whois, func(b *bench, h batch) { b.start(h, store.OpWhois) }, 1},
		"a registration that waited":         {store.Register, func(*bench, batch) {}, 0},
		"a registration that was checked":    {store.Register, func(b *bench, h batch) { b.start(h, store.OpCheck) }, 0},
		"a registration that was sent":       {store.Register, func(b *bench, h batch) { b.intend(h) }, 1},
		"a registration that others' were":   {store.Register, func(b *bench, h batch) { b.intend(batch{claim: h.claim, jobs: h.jobs[1:]}) }, 0},
		"a registration refused in its half": {store.Register, func(b *bench, h batch) { b.paid(h, b.intend(h), store.AttemptRefused, store.Stay) }, 1},
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
func (b *bench) start(h batch, op store.Op) {
	b.t.Helper()
	if err := b.store.StartCall(b.t.Context(), newCall(h.claim, op)); err != nil {
		b.t.Fatal(err)
	}
}
