package api

import "sync"

// intakeRoom bounds the orders that are on their way in at once, over all keys and for each: every one of them may fill a part of the
// folder for temporary files, for as long as its body goes on.
type intakeRoom struct {
	mu  sync.Mutex
	all int
	of  map[string]int // by key
}

const (
	ordersAtOnce    = 256
	ordersOfKeyOnce = 32
)

// enter takes a place for an order of a key, or refuses it. Whoever has entered leaves.
func (r *intakeRoom) enter(c Caller) *Problem {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all >= ordersAtOnce || r.of[c.KeyID] >= ordersOfKeyOnce {
		p := kindTooMany.problem("Too many orders are on their way in at once: %d of this key are under way, and %d are allowed. Nothing was stored.", r.of[c.KeyID], ordersOfKeyOnce)
		p.retryAfter = unavailableFor
		return p
	}
	if r.of == nil {
		r.of = map[string]int{}
	}
	r.all++
	r.of[c.KeyID]++
	return nil
}

func (r *intakeRoom) leave(c Caller) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all--
	if r.of[c.KeyID]--; r.of[c.KeyID] == 0 {
		delete(r.of, c.KeyID)
	}
}
