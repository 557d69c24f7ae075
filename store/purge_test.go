package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/holders"
	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

const day = 24 * time.Hour

// end ends jobs, so many days ago, as if the order had come a day earlier.
func (b *bench) end(daysAgo int, domains ...string) {
	b.t.Helper()
	n := b.exec(`
		UPDATE jobs SET state = 'failed', outcome = 'rejected', wake_at = NULL, finished_at = now() - make_interval(days => $1)
		WHERE domain = ANY($2)`, daysAgo, domains)
	if n != len(domains) {
		b.t.Fatalf("ended %d jobs, want %d", n, len(domains))
	}
	b.exec(`UPDATE orders SET created_at = now() - make_interval(days => $1) WHERE id IN (SELECT order_id FROM jobs WHERE domain = ANY($2))`,
		daysAgo+1, domains)
}

func (b *bench) named() []string {
	b.t.Helper()
	return list[string](b, `SELECT details->>'lastname' FROM holders WHERE details IS NOT NULL ORDER BY 1`)
}

func TestPurge(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submitHolder("old", "ann", "old-1.nl", "old-2.nl")
	b.submitHolder("half", "bob", "half-1.nl", "half-2.nl")
	b.submitHolder("young", "cas", "young.nl")
	b.submitHolder("shared, old", "dik", "shared-1.nl")
	b.submitHolder("shared, new", "dik", "shared-2.nl")
	b.submit(newOrder(record.Register, "by id"), "id.nl")
	b.settleHolder(holders.Ready(b.holderKey("ann"), "H-ann"))
	bob := b.holderKey("bob")
	b.end(100, "old-1.nl", "old-2.nl", "half-1.nl", "shared-1.nl", "id.nl")
	b.end(10, "young.nl")
	want := operator.Purge{Orders: 2, Holders: 1, Kept: 1}
	for range 2 { // a plan changes nothing
		if got, err := b.store.Operator.PlanPurge(t.Context(), 90*day); err != nil || got != want {
			t.Errorf("the plan is %+v, %v; want %+v", got, err, want)
		}
	}
	if diff := cmp.Diff([]string{"ann", "bob", "cas", "dik"}, b.named()); diff != "" {
		t.Errorf("after the plan (-want +got):\n%s", diff)
	}
	if got, err := b.store.Operator.PurgeHolders(t.Context(), 90*day); err != nil || got != want {
		t.Errorf("purged %+v, %v; want %+v", got, err, want)
	}
	if diff := cmp.Diff([]string{"bob", "cas", "dik"}, b.named()); diff != "" {
		t.Errorf("after the purge (-want +got):\n%s", diff)
	}
	b.end(100, "shared-2.nl", "half-2.nl")
	if got, err := b.store.Operator.PurgeHolders(t.Context(), 90*day); err != nil || got != (operator.Purge{Orders: 3, Holders: 2}) {
		t.Errorf("then purged %+v, %v", got, err)
	}
	if got, err := b.store.Operator.PurgeHolders(t.Context(), 90*day); err != nil || got != (operator.Purge{}) {
		t.Errorf("at last purged %+v, %v", got, err)
	}
	if h, _ := b.claimHolder(bob); h.Claimed || !h.Purged {
		t.Errorf("without details it is %+v", claimed(h))
	}
}

// A digest would let whoever has a dump guess the details, so none outlives them. Jobs that were there keep their holder's
// id, and a new order with the same details has the holder looked up at the upstream.
func TestHolderIsForgottenByAPurge(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submitHolder("r", "ann", "a.nl")
	key := b.holderKey("ann")
	b.settleHolder(holders.Ready(key, "H-ann"))
	b.end(2, "a.nl")
	before := get[string](b, `SELECT encode(digest, 'hex') FROM orders`)
	if _, err := b.store.Operator.PurgeHolders(t.Context(), day); err != nil {
		t.Fatal(err)
	}
	digest := digestOf("ann")
	if n := get[int](b, `SELECT count(*) FROM holders WHERE digest = $1`, digest[:]); n > 0 {
		t.Error("the digest of the details is left")
	}
	if get[string](b, `SELECT encode(digest, 'hex') FROM orders`) == before {
		t.Error("the digest of the order, which is made of that of the details, is left")
	}
	if h, _ := b.claimHolder(key); h.State != holders.HolderReady || h.UpstreamID != "H-ann" {
		t.Errorf("the holder of a job that was there is %+v", claimed(h))
	}
	var conflict *record.ReferenceConflictError
	if _, err := b.store.Orders.Submit(t.Context(), newOrder(record.Register, "r"), yielded(withHolders(newJobs("a.nl"), called("ann")))); !errors.As(err, &conflict) {
		t.Errorf("the order again: %v", err)
	}
	b.submitHolder("s", "ann", "b.nl")
	if b.holderKey("ann") == key {
		t.Error("the same details are still known")
	}
	if diff := cmp.Diff([]string{"ann"}, b.named()); diff != "" {
		t.Errorf("details (-want +got):\n%s", diff)
	}
}

// An order on its way in relies on details that a purge would take away: the purge waits for it.
func TestPurgeWaitsForOrdersOnTheirWayIn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submitHolder("r", "ann", "a.nl")
	b.end(2, "a.nl")
	tx, err := b.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.WithoutCancel(t.Context()))
	// Holds the order up after it has looked at the holders.
	if _, err := tx.Exec(t.Context(), `LOCK TABLE order_holders IN EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	var both errgroup.Group
	both.Go(func() error {
		_, err := b.store.Orders.Submit(t.Context(), newOrder(record.Register, "s"), yielded(withHolders(newJobs("b.nl"), called("ann"))))
		return err
	})
	b.blocked(1)
	var purged operator.Purge
	both.Go(func() error {
		var err error
		purged, err = b.store.Operator.PurgeHolders(t.Context(), day)
		return err
	})
	b.blocked(2)
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := both.Wait(); err != nil {
		t.Fatal(err)
	}
	if purged != (operator.Purge{Orders: 1, Kept: 1}) {
		t.Errorf("purged %+v", purged)
	}
}

// An id of a holder may be made of a name or an address. The ids of others stay, and are ordered and tried again with.
func TestPurgeForgetsIDsThatNameSomebody(t *testing.T) {
	t.Parallel()
	b := setup(t)
	kept := []string{"H-1", "12345", "MPG-000123", "0193f2a0-7c1e-7b5e-9d3c-2f6a1b0cdead"}
	gone := []string{"jan@example.nl", "JANSEN-1", "jansen", "H/1", "Zoë", "Li+An", "abcd"}
	all := slices.Concat(kept, gone)
	domains := make([]string, len(all))
	for i := range all {
		domains[i] = fmt.Sprintf("d%d.nl", i)
	}
	b.submit(newOrder(record.Register, "ids"), domains...)
	b.submitHolder("named", "ann", "named.nl")
	b.settleHolder(holders.Ready(b.holderKey("ann"), "ann@example.nl"))
	for i, id := range all {
		b.exec(`UPDATE jobs SET holder_id = $1 WHERE domain = $2`, id, domains[i])
	}
	b.submit(newOrder(record.Register, "again"), "again.nl")
	b.exec(`UPDATE jobs SET holder_id = 'JANSEN-1' WHERE domain IN ('again.nl', 'd0.nl')`)
	b.end(100, append(slices.Clone(domains), "named.nl")...)
	b.end(10, "again.nl")
	if _, err := b.store.Operator.PurgeHolders(t.Context(), 90*day); err != nil {
		t.Fatal(err)
	}
	ids := list[string](b, `SELECT holder_id FROM jobs WHERE domain = ANY($1) ORDER BY seq`, domains)
	for i, id := range ids[1:] {
		if was := all[i+1]; slices.Contains(kept, was) != (id == was) || id != was && !strings.HasPrefix(id, "purged ") {
			t.Errorf("%s became %s", was, id)
		}
	}
	if ids[0] != ids[slices.Index(all, "JANSEN-1")] {
		t.Errorf("two jobs of one holder have %s and %s", ids[0], ids[slices.Index(all, "JANSEN-1")])
	}
	if got := list[string](b, `SELECT upstream_id FROM holders UNION ALL SELECT holder_id FROM jobs WHERE domain = 'again.nl' ORDER BY 1`); len(got) != 2 ||
		got[0] != "JANSEN-1" || !strings.HasPrefix(got[1], "purged ") {
		t.Errorf("a younger order and a holder have the ids %q", got)
	}
	// Another purge makes nothing of what this one has left.
	if plan, err := b.store.Operator.PurgeHolders(t.Context(), 90*day); err != nil || !plan.Nothing() {
		t.Errorf("the next purge does %+v, %v", plan, err)
	}
	if again := list[string](b, `SELECT holder_id FROM jobs WHERE domain = ANY($1) ORDER BY seq`, domains); !slices.Equal(again, ids) {
		t.Errorf("the next purge made %q of %q", again, ids)
	}
	// What has lost its id would be sent without one.
	tried := list[uuid.UUID](b, `SELECT id FROM jobs WHERE domain IN ('d1.nl', 'd5.nl', 'named.nl')`)
	b.wantReport(b.carryOut(request(operator.Retry, tried...)), 1, map[operator.Skip]int{operator.SkipUnusable: 2})
}
