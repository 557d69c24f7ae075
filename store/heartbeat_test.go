package store_test

import (
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/delivery"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
)

// What waits in a live worker keeps its lease and its delivery; what has ended, and what somebody else has by now, does not come
// back.
func TestWhatWaitsIsKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	o := newOrder(record.Whois, "chunked")
	o.ChunkSize = 3
	b.submit(o, "a.nl", "b.nl", "c.nl", "d.nl", "e.nl", "f.nl")
	deliveries, err := b.store.Delivery.TakeUndelivered(t.Context(), delivery.Lot{Kind: o.Kind, Lane: o.Lane, Account: o.Account}, 2, time.Minute)
	if err != nil || len(deliveries) != 2 {
		t.Fatalf("took %d chunks, %v", len(deliveries), err)
	}
	single := b.running(record.Register, "single.nl")
	b.release(single.claim, 0)
	alone := b.due(record.Register)

	live, over := b.running(record.Whois, "live.nl"), b.running(record.Whois, "over.nl")
	b.exec(`UPDATE claims SET lease_until = now() - interval '1 second' WHERE id = $1`, over.claim)
	lease := func(id uuid.UUID) int {
		return get[int](b, `SELECT round(extract(epoch FROM lease_until - now()))::integer FROM claims WHERE id = $1`, id)
	}
	liveBefore, overBefore := lease(live.claim), lease(over.claim)

	stale := alone[0]
	stale.Epoch--
	w := ledger.Waiting{
		Claims: []uuid.UUID{live.claim, over.claim}, Lease: 5 * time.Hour,
		Chunks: []uuid.UUID{deliveries[0].Jobs[1].ID}, Jobs: []record.DeliveredJob{alone[0], stale}, Redeliver: time.Hour,
	}
	if err := b.store.Ledger.KeepClaims(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if err := b.store.Ledger.KeepDeliveries(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if got := lease(live.claim); got <= liveBefore || got < 4*3600 {
		t.Errorf("the waiting claim's lease ends in %d s", got)
	}
	if got := lease(over.claim); got > overBefore+1 {
		t.Errorf("a claim that had ended has a lease for %d s", got)
	}
	kept := list[bool](b, `SELECT wake_at > now() + interval '30 minutes' FROM chunks WHERE wake_at IS NOT NULL AND order_id = (SELECT id FROM orders WHERE reference = 'chunked') ORDER BY first_seq`)
	if len(kept) < 2 || !kept[0] || kept[1] {
		t.Errorf("chunks kept: %v, want the first alone", kept)
	}
	if !get[bool](b, `SELECT wake_at > now() + interval '30 minutes' FROM jobs WHERE id = $1`, alone[0].ID) {
		t.Error("the job that was delivered by itself is not kept")
	}
	// Nothing of it is shortened either.
	w.Lease, w.Redeliver = time.Second, time.Second
	if err := b.store.Ledger.KeepClaims(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if got := lease(live.claim); got < 4*3600 {
		t.Errorf("a beat shortened the lease to %d s", got)
	}
}

// A beat waits for nobody: who has a row locked deals with it.
func TestBeatsPassOverWhatIsLocked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(record.Whois, "a.nl")
	tx, err := b.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	if _, err := tx.Exec(t.Context(), `SELECT FROM claims FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	if err := b.store.Ledger.KeepClaims(t.Context(), ledger.Waiting{Claims: []uuid.UUID{h.claim}, Lease: time.Hour}); err != nil {
		t.Error(err)
	}
}
