package gate

import (
	"context"
	"time"
)

// Run lets time do its part, until ctx ends: pauses pass, and the rate allows the next call.
func (g *Gate) Run(ctx context.Context) {
	for ctx.Err() == nil {
		wait := g.Advance(ctx)
		if pause := g.tell(); wait < 0 {
			wait = pause
		}
		if wait < 0 {
			select {
			case <-ctx.Done():
			case <-g.kick:
			}
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-g.kick:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// Advance gives the permits that can be given now, reserving a time at the pacer where one is needed. It returns how long
// it is until time alone changes anything, and a negative duration if it never does. Only Run and simulations need it.
func (g *Gate) Advance(ctx context.Context) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.advance()
	if g.asking {
		// One time at a time is reserved, and only when somebody can use it: whoever is first in line then gets it.
		g.mu.Unlock()
		wait := g.config.Pace.Reserve(ctx)
		g.mu.Lock()
		g.asking, g.turn = false, g.config.Clock().Add(wait)
		g.advance()
	}
	now := g.config.Clock()
	switch {
	case g.next() == nil:
		return -1
	case now.Before(g.until):
		return g.until.Sub(now)
	case g.asking:
		return 0
	case g.config.Pace != nil:
		return max(g.turn.Sub(now), 0)
	}
	return -1
}

// changed is advance after something has changed: Run may have to wait for another time now. The lock is held.
func (g *Gate) changed() {
	g.advance()
	select {
	case g.kick <- struct{}{}:
	default:
	}
}

// advance turns away who may not pass, and gives permits to those who may, as long as there are any to give. The lock is held.
func (g *Gate) advance() {
	g.turnAway()
	g.give()
	for p := range pools {
		g.told[p] = g.told[p] && g.idle(p)
	}
}

func (g *Gate) give() {
	for {
		w := g.next()
		if w == nil {
			g.turn = time.Time{} // nobody is there for the time that was reserved; it goes
			return
		}
		now := g.config.Clock()
		if now.Before(g.until) {
			return
		}
		if g.config.Pace != nil && !g.takeTurn(now) {
			return
		}
		g.grant(w)
	}
}

// takeTurn uses the time that was reserved at the pacer, if it has come. If none is reserved it has Run do so.
func (g *Gate) takeTurn(now time.Time) bool {
	switch {
	case g.turn.IsZero():
		g.asking = true
		return false
	case now.Before(g.turn):
		return false
	}
	g.turn = time.Time{}
	return true
}

// next is who goes next, nil if there is nobody for whom a slot is free.
func (g *Gate) next() *waiter {
	if len(g.lines[Plain]) > 0 && g.passed >= plainShare && g.free(Plain) {
		return g.lines[Plain][0]
	}
	for c := range classes {
		if len(g.lines[c]) > 0 && g.free(c) {
			return g.lines[c][0]
		}
	}
	return nil
}

func (g *Gate) grant(w *waiter) {
	switch {
	case w.class == Plain, len(g.lines[Plain]) == 0:
		g.passed = 0
	case w.class.pool() == Plain.pool(), g.config.Pace != nil:
		g.passed++ // it took what the plain check waits for
	}
	g.used[w.class.pool()]++
	g.lines[w.class] = g.lines[w.class][1:]
	g.config.Meter.Passed(w.class, w.cause, g.config.Clock().Sub(w.since))
	w.settle(nil)
}

// turnAway ends the wait of those who may not pass any more.
func (g *Gate) turnAway() {
	for c := range classes {
		kept := g.lines[c][:0]
		for _, w := range g.lines[c] {
			switch {
			case g.closed:
				g.config.Meter.TurnedAway(c, Stopping)
				w.settle(ErrStopping)
			case g.stopped.stops(c) && !w.probe:
				g.config.Meter.TurnedAway(c, Held)
				w.settle(ErrHeld)
			default:
				kept = append(kept, w)
			}
		}
		clear(g.lines[c][len(kept):])
		g.lines[c] = kept
	}
}

func (w *waiter) settle(err error) {
	w.err, w.done = err, true
	close(w.ready)
}

// tell tells the watchers if the gate has become idle without a call that ended, such as by the end of a pause. It returns how
// long a pause still takes, and a negative duration if there is none.
func (g *Gate) tell() time.Duration {
	g.mu.Lock()
	news, pause := g.newlyIdle(), g.until.Sub(g.config.Clock())
	g.mu.Unlock()
	if news {
		g.tellWatchers()
	}
	if pause <= 0 {
		return -1
	}
	return pause
}

// newlyIdle reports whether a pool is idle without the watchers' knowing, and takes it that they are told now. The lock is held.
func (g *Gate) newlyIdle() (news bool) {
	for p := range pools {
		if !g.told[p] && g.idle(p) {
			g.told[p], news = true, true
		}
	}
	return news
}

// tellWatchers must not be called with the lock held: they ask whether the gate is idle.
func (g *Gate) tellWatchers() {
	for _, f := range g.watched {
		f()
	}
}

// idle reports whether a call would get a slot of a pool at once, as far as slots, pauses and the line tell. The lock is held.
func (g *Gate) idle(p Pool) bool {
	for c := range classes {
		if c.pool() == p && len(g.lines[c]) > 0 {
			return false
		}
	}
	return g.freeIn(p) && !g.config.Clock().Before(g.until)
}
