// Package gate is the one turnstile before an upstream: every call of an account passes it, whatever it is for.
//
// It gives a permit when all agree: a slot is free, the rate allows it, the upstream has not asked for a pause, no hold is
// known (or this is its probe), and the worker is not stopping. Before the permit nothing is written about a call. Within a
// class who comes first goes first; paid calls and the checks that precede them go before plain checks, which keep a
// small share.
//
// A hold is a row in Postgres, and the statement that starts a call reads it there. What the gate knows of holds only keeps
// calls that would be refused from taking a slot or a turn. The package must never call anybody but Redis, for the rate.
package gate

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Class is what a call is for, and so who goes first.
type Class int

// The classes, the first in line first.
const (
	Paid  Class = iota // registrations
	Check              // what precedes a registration: its fresh check, its holder
	Plain              // WHOIS checks that were ordered
	classes
)

// Pool is whose slots a class uses: paid calls have their own.
type Pool int

// The pools.
const (
	PaidSlots Pool = iota
	FreeSlots
	pools
)

func (c Class) pool() Pool {
	if c == Paid {
		return PaidSlots
	}
	return FreeSlots
}

// plainShare is how many permits others may get in a row while a plain check waits for the same thing: it is slowed, and
// never stopped.
const plainShare = 8

// Errors of Acquire that are not its context's.
var (
	ErrStopping = errors.New("the worker is stopping")
	ErrHeld     = errors.New("the account is on hold")
)

// Config is what a Gate is made of.
type Config struct {
	Slots map[Pool]int // calls in flight at most
	Pace  Pacer        // nil: no limit but the slots
	Clock func() time.Time
	Meter Meter // nil: nobody measures
	// Await waits until ready is closed or ctx ends; nil is just that. Simulations take their time here.
	Await func(ctx context.Context, ready <-chan struct{})
}

// Pacer hands out the times at which an account may be called, over the whole fleet.
type Pacer interface {
	// Reserve takes the next time and says how long it is until then.
	Reserve(ctx context.Context) time.Duration
}

// Gate is the turnstile of one account in one process. It is safe for concurrent use. Run must run for pauses and the rate
// to pass.
type Gate struct {
	config Config
	kick   chan struct{} // wakes Run

	mu      sync.Mutex
	used    [pools]int
	lines   [classes][]*waiter
	passed  int // permits in a row that a waiting plain check has seen go by
	until   time.Time
	turn    time.Time // the next time reserved at the pacer; zero: none is
	asking  bool      // Run is reserving one
	stopped Stopped
	closed  bool
	watched []func()
	told    [pools]bool // the watchers know that the pool is idle
}

// Stopped is what a hold stops: paid calls, or every call.
type Stopped struct{ Paid, All bool }

func (s Stopped) stops(c Class) bool { return s.All || s.Paid && c == Paid }

type waiter struct {
	class Class
	probe bool
	since time.Time
	cause Cause         // what it waits for
	ready chan struct{} // closed when err and granted are set
	err   error
	done  bool
}

// New makes a gate.
func New(c Config) *Gate {
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Meter == nil {
		c.Meter = unmetered{}
	}
	if c.Await == nil {
		c.Await = func(ctx context.Context, ready <-chan struct{}) {
			select {
			case <-ctx.Done():
			case <-ready:
			}
		}
	}
	return &Gate{config: c, kick: make(chan struct{}, 1)}
}

// Watch has f called whenever a slot has become free, and whenever the gate has become idle otherwise: a pause is over, or the
// line is empty. It must be called before the gate is used.
func (g *Gate) Watch(f func()) { g.watched = append(g.watched, f) }

// Permit is the licence to make one call, now. Its holder releases it when the call is over.
type Permit struct {
	gate *Gate
	pool Pool
	once sync.Once
}

// Release gives the slot back. Only the first time counts.
func (p *Permit) Release() {
	p.once.Do(func() {
		p.gate.mu.Lock()
		p.gate.used[p.pool]--
		p.gate.changed()
		p.gate.newlyIdle() // they are told in any case
		p.gate.mu.Unlock()
		p.gate.tellWatchers()
	})
}

// Acquire waits for a permit. A probe passes holds. It fails with ErrStopping, with ErrHeld, or when ctx ends.
func (g *Gate) Acquire(ctx context.Context, class Class, probe bool) (*Permit, error) {
	w := &waiter{class: class, probe: probe, ready: make(chan struct{})}
	g.mu.Lock()
	w.since = g.config.Clock()
	g.lines[class] = append(g.lines[class], w)
	g.changed()
	w.cause = g.causeOf(w)
	g.mu.Unlock()
	g.config.Await(ctx, w.ready)
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case !w.done:
		g.leave(w)
		g.changed() // it may have kept others from a turn
		return nil, ctx.Err()
	case w.err != nil:
		return nil, w.err
	}
	return &Permit{gate: g, pool: class.pool()}, nil
}

func (g *Gate) leave(w *waiter) {
	g.lines[w.class] = slices.DeleteFunc(g.lines[w.class], func(o *waiter) bool { return o == w })
}

// Pause lets no call pass for a while: the upstream asked for it. A pause is only ever made longer.
func (g *Gate) Pause(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until := g.config.Clock().Add(d); until.After(g.until) {
		g.until = until
		g.turn = time.Time{} // it may be over by then, in every process at once
		g.blamePause()
	}
	g.changed()
}

// Hold says what stands still now. Whoever waits for a call that a hold stops is turned away.
func (g *Gate) Hold(s Stopped) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stopped = s
	g.changed()
}

// Stop adds to what stands still: a hold was placed just now.
func (g *Gate) Stop(s Stopped) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stopped = Stopped{Paid: g.stopped.Paid || s.Paid, All: g.stopped.All || s.All}
	g.changed()
}

// Close gives no permit any more. Calls in flight go on.
func (g *Gate) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.changed()
}

// Closed reports whether the worker is stopping.
func (g *Gate) Closed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed
}

// Idle reports whether a call of the class would get a permit at once, as far as slots, pauses and the line tell.
func (g *Gate) Idle(class Class) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.idle(class.pool())
}

// Load is how busy a class is.
type Load struct {
	Slots   int // of its pool
	Busy    int // calls in flight in its pool
	Waiting int // batches in its line
	Since   time.Time
}

// Load reads how busy a class is.
func (g *Gate) Load(class Class) Load {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := Load{Slots: g.config.Slots[class.pool()], Busy: g.used[class.pool()], Waiting: len(g.lines[class])}
	if l.Waiting > 0 {
		l.Since = g.lines[class][0].since
	}
	return l
}

func (g *Gate) free(class Class) bool { return g.freeIn(class.pool()) }

func (g *Gate) freeIn(p Pool) bool { return g.used[p] < g.config.Slots[p] }
