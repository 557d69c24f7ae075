package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/bulkreg/bulkreg/store/ledger"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/store"
)

// heartbeat keeps what waits in this worker from being taken for lost: the claims of batches that wait for their call, and
// the deliveries whose jobs wait for a batch. Every worker runs one. When it dies or stands still the beats end, and others
// take over after a lease, or a delivery's time.
type heartbeat struct {
	store     *store.Store
	lease     time.Duration // of a claim
	redeliver time.Duration // how long a delivery may stay unclaimed
	lines     []*coalescer
	down      outage

	mu     sync.Mutex
	claims map[uuid.UUID]int // how many wait under it
}

func newHeartbeat(o Options) *heartbeat {
	return &heartbeat{
		store: o.Store, lease: o.lease(), redeliver: o.redelivery(), claims: map[uuid.UUID]int{},
		down: outage{log: o.Log.With().Str("role", "heartbeat").Logger(), what: "keeping what waits"},
	}
}

// beats is how many beats there are in the shortest time that a beat must not miss.
const beats = 3

func (h *heartbeat) every() time.Duration { return min(h.lease, h.redeliver) / beats }

// run beats until ctx ends.
func (h *heartbeat) run(ctx context.Context) {
	for pause(ctx, h.every()); ctx.Err() == nil; pause(ctx, h.every()) {
		h.down.note(ctx, h.beat(ctx))
	}
}

// keep keeps a claim alive until done is called.
func (h *heartbeat) keep(claim uuid.UUID) (done func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.claims[claim]++
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.claims[claim]--; h.claims[claim] == 0 {
			delete(h.claims, claim)
		}
	}
}

// beat says once what waits: first what is claimed, which must not run out. What has waited for less than a beat needs none yet.
func (h *heartbeat) beat(ctx context.Context) error {
	w := ledger.Waiting{Claims: h.waiting(), Lease: h.lease, Redeliver: h.redeliver}
	for _, line := range h.lines {
		line.waitingFor(h.every(), &w)
	}
	beating, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	return errors.Join(h.store.Ledger.KeepClaims(beating, w), h.store.Ledger.KeepDeliveries(beating, w))
}

func (h *heartbeat) waiting() []uuid.UUID {
	h.mu.Lock()
	defer h.mu.Unlock()
	claims := make([]uuid.UUID, 0, len(h.claims))
	for id := range h.claims {
		claims = append(claims, id)
	}
	return claims
}
