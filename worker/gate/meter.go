package gate

import "time"

// Meter is told who passes a gate, and who does not. It is called under the gate's lock: it must not block, and must not call the
// gate.
type Meter interface {
	// Passed tells of a permit, what it waited for, and how long.
	Passed(class Class, cause Cause, waited time.Duration)
	// TurnedAway tells of a wait that ended without one, because of a hold or because the worker stops.
	TurnedAway(class Class, cause Cause)
}

// Cause is why somebody waits at a gate, or is turned away.
type Cause string

// The causes. A wait has the one with which it began, unless a pause came meanwhile.
const (
	Nothing  Cause = ""         // for nothing: the permit was there at once
	Slot     Cause = "slot"     // all slots were taken
	Rate     Cause = "rate"     // the rate, or somebody whose turn it was
	Pause    Cause = "pause"    // the upstream asked for one
	Held     Cause = "hold"     // a hold stops such calls
	Stopping Cause = "stopping" // the worker stops
)

// WaitCauses are those of waits that can end with a permit, RefusalCauses those without one.
func WaitCauses() []Cause { return []Cause{Slot, Rate, Pause} }

// RefusalCauses are why somebody is turned away.
func RefusalCauses() []Cause { return []Cause{Held, Stopping} }

// Classes lists every class, the first in line first.
func Classes() []Class { return []Class{Paid, Check, Plain} }

// String is what a class is called.
func (c Class) String() string {
	switch c {
	case Paid:
		return "paid"
	case Check:
		return "check"
	}
	return "plain"
}

// Pools lists every pool of slots.
func Pools() []Pool { return []Pool{PaidSlots, FreeSlots} }

// String is what a pool is called.
func (p Pool) String() string {
	if p == PaidSlots {
		return "paid"
	}
	return "free"
}

// PoolLoad reads how many slots a pool has, and how many are taken.
func (g *Gate) PoolLoad(p Pool) (slots, busy int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.config.Slots[p], g.used[p]
}

// causeOf is what somebody waits for now. The lock is held.
func (g *Gate) causeOf(w *waiter) Cause {
	switch {
	case w.done:
		return Nothing
	case g.config.Clock().Before(g.until):
		return Pause
	case g.free(w.class):
		return Rate
	}
	return Slot
}

// blamePause lets those who wait have waited for a pause. The lock is held.
func (g *Gate) blamePause() {
	for c := range classes {
		for _, w := range g.lines[c] {
			w.cause = Pause
		}
	}
}

// unmetered is a Meter for nobody.
type unmetered struct{}

// Passed implements Meter.
func (unmetered) Passed(Class, Cause, time.Duration) {}

// TurnedAway implements Meter.
func (unmetered) TurnedAway(Class, Cause) {}
