package store_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/holders"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

func digestOf(name string) holders.Digest { return sha256.Sum256([]byte(name)) }

// withHolders gives jobs their holders by details. Only the first job of a holder brings them, and says whose they are.
func withHolders(jobs []orders.NewJob, nameOf func(i int) string) []orders.NewJob {
	seen := map[string]bool{}
	for i := range jobs {
		name := nameOf(i)
		jobs[i].HolderID, jobs[i].Holder = "", digestOf(name)
		if !seen[name] {
			seen[name] = true
			jobs[i].HolderDetails = fmt.Appendf(nil, `{"lastname": %q}`, name)
		}
	}
	return jobs
}

func called(name string) func(int) string { return func(int) string { return name } }

// submitHolder takes in an order of registrations that all have the holder of that name.
func (b *bench) submitHolder(reference, name string, domains ...string) orders.Submitted {
	b.t.Helper()
	res, err := b.store.Orders.Submit(b.t.Context(), newOrder(record.Register, reference), yielded(withHolders(newJobs(domains...), called(name))))
	if err != nil {
		b.t.Fatal(err)
	}
	return res
}

func (b *bench) holderKey(name string) int64 {
	b.t.Helper()
	digest := digestOf(name)
	return get[int64](b, `SELECT id FROM holders WHERE digest = $1 AND retired_at IS NULL`, digest[:])
}

// claimHolder claims a holder for a minute, on behalf of jobs.
func (b *bench) claimHolder(key int64, jobs ...uuid.UUID) (holders.Holder, uuid.UUID) {
	b.t.Helper()
	c := holders.Claim{ID: newID(), Key: key, Jobs: jobs, Lease: time.Minute}
	h, err := b.store.Holders.ClaimHolder(b.t.Context(), c)
	if err != nil {
		b.t.Fatal(err)
	}
	return h, c.ID
}

func (b *bench) settleHolder(c holders.Change) holders.Holder {
	b.t.Helper()
	h, err := b.store.Holders.SettleHolder(b.t.Context(), c)
	if err != nil {
		b.t.Fatal(err)
	}
	return h
}

// passHolderLease lets a holder's lease, and a creation under way, pass.
func (b *bench) passHolderLease(key int64) {
	b.t.Helper()
	b.exec(`UPDATE holders SET lease_until = now() - interval '1 second', creating_until = least(creating_until, now()) WHERE id = $1`, key)
}

func TestSubmitKeepsEachHolderOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	jobs := withHolders(newJobs(names("a", 30)...), func(i int) string { return []string{"ann", "bob", "cas"}[i%3] })
	jobs[29].HolderID, jobs[29].Holder = "H-1", holders.Digest{}
	res, err := b.store.Orders.Submit(t.Context(), newOrder(record.Register, "r"), yielded(jobs))
	if err != nil {
		t.Fatal(err)
	}
	again := b.submitHolder("s", "ann", "b-1.nl", "a-0000.nl")
	if again.Duplicates != 1 {
		t.Errorf("%d duplicates, want 1", again.Duplicates)
	}
	got := list[string](b, `
		SELECT h.details->>'lastname' || ' ' || count(j.id) FROM holders h JOIN jobs j ON j.holder_key = h.id
		GROUP BY h.id ORDER BY 1`)
	if diff := cmp.Diff([]string{"ann 12", "bob 10", "cas 9"}, got); diff != "" {
		t.Errorf("jobs by holder (-want +got):\n%s", diff)
	}
	if n := get[int](b, `SELECT count(*) FROM order_holders WHERE order_id = $1`, res.Order.ID); n != 3 {
		t.Errorf("the order has %d holders, want 3", n)
	}
	other := newOrder(record.Register, "t")
	other.Account = "partner"
	if _, err := b.store.Orders.Submit(t.Context(), other, yielded(withHolders(newJobs("c.nl"), called("ann")))); err != nil {
		t.Fatal(err)
	}
	if n := get[int](b, `SELECT count(*) FROM holders WHERE details->>'lastname' = 'ann'`); n != 2 {
		t.Errorf("%d holders for two accounts, want 2", n)
	}
}

// Many holders in one order take one look each: were each compared with each, this would take minutes.
func TestSubmitManyHolders(t *testing.T) {
	t.Parallel()
	b := setup(t)
	jobs := withHolders(newJobs(names("a", 30_000)...), func(i int) string { return fmt.Sprint(i % 10_000) })
	for _, reference := range []string{"r", "again"} {
		if _, err := b.store.Orders.Submit(t.Context(), newOrder(record.Register, reference), yielded(jobs)); err != nil {
			t.Fatal(err)
		}
		for i := range jobs {
			jobs[i].ID, jobs[i].Domain = newID(), "b-"+jobs[i].Domain
		}
	}
	if n := get[int](b, `SELECT count(*) FROM holders`); n != 10_000 {
		t.Errorf("%d holders, want 10,000", n)
	}
}

func TestSubmitRefusesAHolderWithoutDetails(t *testing.T) {
	t.Parallel()
	b := setup(t)
	jobs := withHolders(newJobs("a.nl", "b.nl"), func(i int) string { return fmt.Sprint("holder ", i) })
	jobs[1].HolderDetails = nil
	_, err := b.store.Orders.Submit(t.Context(), newOrder(record.Register, "r"), yielded(jobs))
	var refused *pg.Error
	if !errors.As(err, &refused) || refused.Constraint != "order_holders_holder_key_fkey" {
		t.Errorf("got %v, want a refusal by the foreign key", err)
	}
	if n := get[int](b, `SELECT count(*) FROM holders`) + get[int](b, `SELECT count(*) FROM orders`); n != 0 {
		t.Errorf("%d rows stay behind", n)
	}
}

// Details that are no JSON are refused, and not repeated.
func TestSubmitNeverRepeatsDetails(t *testing.T) {
	t.Parallel()
	b := setup(t)
	jobs := withHolders(newJobs("a.nl"), called("ann"))
	jobs[0].HolderDetails = []byte(`{"lastname": Secretman}`)
	_, err := b.store.Orders.Submit(t.Context(), newOrder(record.Register, "r"), yielded(jobs))
	if err == nil || strings.Contains(err.Error(), "Secretman") {
		t.Errorf("got %v, want an error without the details", err)
	}
}

func TestClaimGivesTheHolder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submitHolder("r", "ann", "a.nl")
	b.submit(newOrder(record.Register, "s"), "b.nl")
	key := b.holderKey("ann")
	h := b.claim(newClaim(record.Register), b.fresh(record.Register))
	if h.jobs[0].HolderKey != key || h.jobs[0].HolderID != "" || h.jobs[1].HolderKey != 0 || h.jobs[1].HolderID != "H-1" {
		t.Fatalf("claimed %+v", h.jobs)
	}
	b.settleHolder(holders.Ready(key, "H-ann"))
	if _, err := b.store.Ledger.Release(t.Context(), h.claim, 0, ""); err != nil {
		t.Fatal(err)
	}
	h = b.claim(newClaim(record.Register), b.due(record.Register))
	if h.jobs[0].HolderID != "H-ann" || b.job(h.jobs[0].ID).HolderID != "H-ann" {
		t.Errorf("claimed %+v, read %+v", h.jobs[0], b.job(h.jobs[0].ID))
	}
}

func TestOnlyOneClaimsAHolder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submitHolder("r", "ann", "a.nl")
	key := b.holderKey("ann")
	first, claim := b.claimHolder(key)
	if !first.Claimed || first.State != holders.HolderNew || string(first.Details) != `{"lastname": "ann"}` || first.Busy {
		t.Fatalf("claimed %+v", claimed(first))
	}
	second, _ := b.claimHolder(key)
	if second.Claimed || !second.Busy || second.Details != nil || second.Wait <= 0 || second.Wait > time.Minute {
		t.Errorf("the second got %+v", claimed(second))
	}
	if err := b.store.Holders.StartCreation(t.Context(), key, newID(), time.Minute, time.Minute); !errors.Is(err, ledger.ErrFenced) {
		t.Errorf("somebody else starts a creation: %v", err)
	}
	if err := b.store.Holders.StartCreation(t.Context(), key, claim, time.Minute, time.Hour); err != nil {
		t.Error(err)
	}
	b.passHolderLease(key)
	if err := b.store.Holders.StartCreation(t.Context(), key, claim, time.Minute, time.Minute); !errors.Is(err, ledger.ErrFenced) {
		t.Errorf("a claim that has ended starts a creation: %v", err)
	}
	if third, _ := b.claimHolder(key); !third.Claimed {
		t.Errorf("after the lease nobody may: %+v", claimed(third))
	}
	if h := b.settleHolder(holders.Reject(key, claim, "too late")); h.State != holders.HolderNew {
		t.Errorf("a claim that has ended makes it %s", h.State)
	}
	if h := b.settleHolder(holders.Ready(key, "H-1")); h.State != holders.HolderReady || h.UpstreamID != "H-1" {
		t.Errorf("a late success counts for nothing: %+v", claimed(h))
	}
	if h := b.settleHolder(holders.Ready(key, "H-2")); h.UpstreamID != "H-1" {
		t.Errorf("two ids for one holder: %s", h.UpstreamID)
	}
	if h, _ := b.claimHolder(key); h.Claimed || h.State != holders.HolderReady || h.UpstreamID != "H-1" {
		t.Errorf("ready, it is %+v", claimed(h))
	}
}

// claimed is a holder that can be printed; %+v of a Holder shows its key alone.
func claimed(h holders.Holder) map[string]any {
	return map[string]any{"state": h.State, "id": h.UpstreamID, "words": h.Words, "failures": h.Failures, "claimed": h.Claimed,
		"busy": h.Busy, "purged": h.Purged, "wait": h.Wait}
}

func TestHolderIsNeverPrinted(t *testing.T) {
	t.Parallel()
	h := holders.Holder{Key: 7, Details: []byte("Secretman")}
	if got := fmt.Sprintf("%v %+v %#v %s", h, h, h, []holders.Holder{h}); got != "holder(7) holder(7) holder(7) [holder(7)]" {
		t.Errorf("printed %s", got)
	}
}

func TestSettledHolders(t *testing.T) {
	t.Parallel()
	type change = func(key int64, claim uuid.UUID) holders.Change
	for name, tc := range map[string]struct {
		change   change
		want     holders.State
		words    string
		failures int
		waits    bool // before it can be claimed again
		creating bool // a creation under way still bars it
	}{
		"ready":     {func(k int64, _ uuid.UUID) holders.Change { return holders.Ready(k, "H-1") }, holders.HolderReady, "", 0, false, false},
		"rejected":  {func(k int64, c uuid.UUID) holders.Change { return holders.Reject(k, c, "no") }, holders.HolderRejected, "no", 0, false, false},
		"exhausted": {func(k int64, c uuid.UUID) holders.Change { return holders.Exhaust(k, c, "no") }, holders.HolderExhausted, "no", 3, false, true},
		"retry":     {func(k int64, c uuid.UUID) holders.Change { return holders.Retry(k, c, time.Second, "oops") }, holders.HolderNew, "oops", 3, true, true},
		"postponed": {func(k int64, c uuid.UUID) holders.Change { return holders.Postpone(k, c, time.Hour, "later") }, holders.HolderNew, "later", 0, true, false},
		"released":  {func(k int64, c uuid.UUID) holders.Change { return holders.Release(k, c, 0) }, holders.HolderNew, "before", 2, true, true},
		"at once":   {func(k int64, c uuid.UUID) holders.Change { return holders.Postpone(k, c, 0, "") }, holders.HolderNew, "before", 0, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.submitHolder("r", "ann", "a.nl")
			key := b.holderKey("ann")
			b.exec(`UPDATE holders SET failures = 2, words = 'before' WHERE id = $1`, key)
			h, claim := b.claimHolder(key)
			if h.Failures != 2 {
				t.Errorf("%d failures, want 2", h.Failures)
			}
			if err := b.store.Holders.StartCreation(t.Context(), key, claim, time.Minute, time.Minute); err != nil {
				t.Fatal(err)
			}
			if got := b.settleHolder(tc.change(key, claim)); got.State != tc.want || got.Words != tc.words {
				t.Errorf("settled as %+v", claimed(got))
			}
			if n := get[int](b, `SELECT failures FROM holders WHERE id = $1`, key); n != tc.failures {
				t.Errorf("%d failures, want %d", n, tc.failures)
			}
			if creating := get[bool](b, `SELECT creating_until IS NOT NULL FROM holders WHERE id = $1`, key); creating != tc.creating {
				t.Errorf("a creation is under way: %t, want %t", creating, tc.creating)
			}
			h, _ = b.claimHolder(key)
			if want := tc.want == holders.HolderNew && !tc.waits; h.Claimed != want || h.Busy {
				t.Errorf("claimed again: %+v, want %t", claimed(h), want)
			}
			if tc.creating && h.Wait < 30*time.Second {
				t.Errorf("it may be looked up in %v, before the creation's own time is over", h.Wait)
			}
		})
	}
}

// A refusal is remembered for the jobs that met it. Jobs that come later, or that an operator gave another try, ask again.
func TestRefusedHolderIsAskedAboutAnew(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submitHolder("r", "ann", "a.nl", "b.nl")
	h := b.claim(newClaim(record.Register), b.fresh(record.Register))
	key := b.holderKey("ann")
	_, claim := b.claimHolder(key, h.ids()...)
	b.settleHolder(holders.Reject(key, claim, "no"))
	if got, _ := b.claimHolder(key, h.ids()...); got.Claimed || got.State != holders.HolderRejected || got.Words != "no" {
		t.Errorf("the jobs that met it get %+v", claimed(got))
	}
	b.submitHolder("s", "ann", "c.nl")
	later := b.claim(newClaim(record.Register), b.fresh(record.Register))
	got, claim := b.claimHolder(key, later.ids()...)
	if !got.Claimed || got.Failures != 0 {
		t.Fatalf("a job that came later gets %+v", claimed(got))
	}
	b.settleHolder(holders.Exhaust(key, claim, "oops"))
	if got, _ := b.claimHolder(key, later.ids()...); got.Claimed || got.State != holders.HolderExhausted {
		t.Errorf("it asks again and again: %+v", claimed(got))
	}
	b.exec(`
		INSERT INTO operator_acts (job_id, act, operator, state_before) VALUES ($1, 'retry', 'ann', 'failed')`, h.ids()[0])
	if got, _ := b.claimHolder(key, h.ids()...); !got.Claimed {
		t.Errorf("an operator's retry gets %+v", claimed(got))
	}
}

func TestHolderCallsOfAJob(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if _, err := b.store.Orders.Submit(t.Context(), newOrder(record.Register, "r"),
		yielded(withHolders(newJobs("a.nl", "b.nl"), func(i int) string { return []string{"ann", "bob"}[i] }))); err != nil {
		t.Fatal(err)
	}
	h := b.claim(newClaim(record.Register), b.fresh(record.Register))
	call := newCall(h.claim, record.OpHolder)
	call.Holder = b.holderKey("ann")
	if err := b.store.Ledger.StartCall(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{1, 0} {
		_, calls, err := b.store.Orders.FindJob(t.Context(), h.jobs[i].ID)
		if err != nil || len(calls) != want {
			t.Errorf("%s has %d calls, %v; want %d", h.jobs[i].Domain, len(calls), err, want)
		}
	}
}

// A holder that was changed upstream is not the one that new orders mean. Jobs that have it keep it.
func TestRetiredHolder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submitHolder("r", "ann", "a.nl")
	key := b.holderKey("ann")
	b.settleHolder(holders.Ready(key, "H-1"))
	for _, tc := range []struct {
		account, id string
		want        bool
	}{{"default", "H-2", false}, {"partner", "H-1", false}, {"default", "H-1", true}, {"default", "H-1", false}} {
		if got, err := b.store.Holders.RetireHolder(t.Context(), tc.account, tc.id); err != nil || got != tc.want {
			t.Errorf("retire %s of %s: %t, %v", tc.id, tc.account, got, err)
		}
	}
	b.submitHolder("s", "ann", "b.nl")
	if b.holderKey("ann") == key {
		t.Error("a new order gets the retired holder")
	}
	h := b.claim(newClaim(record.Register), b.fresh(record.Register))
	if h.jobs[0].HolderID != "H-1" || h.jobs[1].HolderID != "" {
		t.Errorf("claimed %+v", h.jobs)
	}
}
