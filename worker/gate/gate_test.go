package gate_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bulkreg/bulkreg/worker/gate"
)

// line is a gate with callers that tell when they got their permits.
type line struct {
	t *testing.T
	*gate.Gate

	mu     sync.Mutex
	passed []string
	held   map[string]*gate.Permit
	failed map[string]error
	group  sync.WaitGroup
}

func open(t *testing.T, ctx context.Context, c gate.Config) *line {
	l := &line{t: t, Gate: gate.New(c), held: map[string]*gate.Permit{}, failed: map[string]error{}}
	l.group.Go(func() { l.Run(ctx) })
	return l
}

// come lets somebody come to the gate, and waits until that is in line or through.
func (l *line) come(ctx context.Context, name string, class gate.Class, probe bool) {
	l.group.Go(func() {
		permit, err := l.Acquire(ctx, class, probe)
		l.mu.Lock()
		defer l.mu.Unlock()
		if err != nil {
			l.failed[name] = err
			return
		}
		l.passed, l.held[name] = append(l.passed, name), permit
	})
	synctest.Wait()
}

func (l *line) leave(name string) {
	l.mu.Lock()
	permit := l.held[name]
	l.mu.Unlock()
	permit.Release()
	synctest.Wait()
}

func (l *line) want(names ...string) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.passed) != len(names) {
		l.t.Errorf("passed %v, want %v", l.passed, names)
		return
	}
	for i, n := range names {
		if l.passed[i] != n {
			l.t.Errorf("passed %v, want %v", l.passed, names)
			return
		}
	}
}

func (l *line) wantError(name string, want error) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !errors.Is(l.failed[name], want) {
		l.t.Errorf("%s: %v, want %v", name, l.failed[name], want)
	}
}

func slots(paid, free int) map[gate.Pool]int {
	return map[gate.Pool]int{gate.PaidSlots: paid, gate.FreeSlots: free}
}

// at runs a test in a bubble whose clock stands still while anybody can do anything.
func at(t *testing.T, test func(t *testing.T, ctx context.Context)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		test(t, ctx)
	})
}

// Who comes first goes first, and a check that precedes a registration goes before all plain ones that wait.
func TestWhoGoesFirst(t *testing.T) {
	at(t, func(t *testing.T, ctx context.Context) {
		l := open(t, ctx, gate.Config{Slots: slots(1, 1)})
		l.come(ctx, "w1", gate.Plain, false)
		l.come(ctx, "w2", gate.Plain, false)
		l.come(ctx, "w3", gate.Plain, false)
		l.come(ctx, "c1", gate.Check, false)
		l.come(ctx, "c2", gate.Check, false)
		l.come(ctx, "p1", gate.Paid, false) // has slots of its own
		l.want("w1", "p1")
		for _, n := range []string{"w1", "c1", "c2", "w2"} {
			l.leave(n)
		}
		l.want("w1", "p1", "c1", "c2", "w2", "w3")
	})
}

// However many checks come, plain ones keep a share.
func TestPlainChecksAreNotStopped(t *testing.T) {
	at(t, func(t *testing.T, ctx context.Context) {
		l := open(t, ctx, gate.Config{Slots: slots(1, 1)})
		l.come(ctx, "first", gate.Check, false)
		l.come(ctx, "plain", gate.Plain, false)
		last := "first"
		for i := range 30 {
			name := string(rune('A' + i))
			l.come(ctx, name, gate.Check, false)
			l.leave(last)
			if l.held["plain"] != nil {
				if i < 5 {
					t.Errorf("the plain check went after %d others", i)
				}
				return
			}
			last = name
		}
		t.Error("30 checks went by, and the plain one still waits")
	})
}

// A pause stops every class for as long as was asked for, and is never made shorter.
func TestPause(t *testing.T) {
	at(t, func(t *testing.T, ctx context.Context) {
		l := open(t, ctx, gate.Config{Slots: slots(9, 9)})
		begun := time.Now()
		l.Pause(time.Minute)
		l.Pause(time.Second)
		for name, c := range map[string]gate.Class{"p": gate.Paid, "c": gate.Check, "w": gate.Plain} {
			l.come(ctx, name, c, false)
		}
		l.come(ctx, "probe", gate.Paid, true)
		l.want()
		if l.Idle(gate.Plain) {
			t.Error("a gate that pauses calls itself idle")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(l.passed) != 4 || time.Since(begun) != time.Minute {
			t.Errorf("passed %v after %v", l.passed, time.Since(begun))
		}
	})
}

// A hold turns away who waits and who comes, but for the probe; one on registrations leaves checks alone.
func TestHolds(t *testing.T) {
	at(t, func(t *testing.T, ctx context.Context) {
		l := open(t, ctx, gate.Config{Slots: slots(1, 1)})
		l.come(ctx, "p1", gate.Paid, false)
		l.come(ctx, "p2", gate.Paid, false)
		l.Hold(gate.Stopped{Paid: true})
		synctest.Wait()
		l.wantError("p2", gate.ErrHeld)
		l.come(ctx, "p3", gate.Paid, false)
		l.wantError("p3", gate.ErrHeld)
		l.come(ctx, "c", gate.Check, false)
		l.come(ctx, "probe", gate.Paid, true)
		l.leave("p1")
		l.want("p1", "c", "probe")
		l.Stop(gate.Stopped{All: true})
		l.come(ctx, "w", gate.Plain, false)
		l.wantError("w", gate.ErrHeld)
		l.Hold(gate.Stopped{})
		l.leave("c")
		l.come(ctx, "w2", gate.Plain, false)
		l.want("p1", "c", "probe", "w2")
	})
}

// Once the worker stops, nobody passes any more: not who waits, not who comes, and no probe.
func TestStopping(t *testing.T) {
	at(t, func(t *testing.T, ctx context.Context) {
		l := open(t, ctx, gate.Config{Slots: slots(1, 1)})
		l.come(ctx, "p1", gate.Paid, false)
		l.come(ctx, "p2", gate.Paid, false)
		l.Close()
		synctest.Wait()
		l.come(ctx, "p3", gate.Paid, true)
		l.wantError("p2", gate.ErrStopping)
		l.wantError("p3", gate.ErrStopping)
		l.leave("p1")
		l.want("p1")
		if !l.Closed() {
			t.Error("it does not say that it is closed")
		}
	})
}

// Whoever gives up keeps nobody from going.
func TestGivingUp(t *testing.T) {
	at(t, func(t *testing.T, ctx context.Context) {
		l := open(t, ctx, gate.Config{Slots: slots(1, 1)})
		l.come(ctx, "w1", gate.Plain, false)
		impatient, giveUp := context.WithCancel(ctx)
		l.come(impatient, "w2", gate.Plain, false)
		l.come(ctx, "w3", gate.Plain, false)
		giveUp()
		synctest.Wait()
		l.wantError("w2", context.Canceled)
		if load := l.Load(gate.Plain); load.Busy != 1 || load.Waiting != 1 || load.Slots != 1 {
			t.Errorf("load %+v", load)
		}
		l.leave("w1")
		l.leave("w1") // a second time counts for nothing
		l.want("w1", "w3")
	})
}

// metronome gives a time every second, to everybody who shares it.
type metronome struct {
	mu   sync.Mutex
	next time.Time
	n    int
}

func (m *metronome) Reserve(context.Context) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if m.next.Before(now) {
		m.next = now
	}
	wait := m.next.Sub(now)
	m.next = m.next.Add(time.Second)
	m.n++
	return wait
}

// Five workers share one call a second, and waste none of them. Whoever is first in line takes the turn, however late it
// came.
func TestRateIsSharedAndUsed(t *testing.T) {
	at(t, func(t *testing.T, ctx context.Context) {
		shared := &metronome{}
		begun := time.Now()
		var lines []*line
		for range 5 {
			l := open(t, ctx, gate.Config{Slots: slots(2, 4), Pace: shared})
			lines = append(lines, l)
			for i := range 40 {
				l.group.Go(func() {
					class := gate.Plain
					if i%2 == 0 {
						class = gate.Paid
					}
					permit, err := l.Acquire(ctx, class, false)
					if err != nil {
						t.Error(err)
						return
					}
					time.Sleep(50 * time.Millisecond)
					permit.Release()
					l.mu.Lock()
					defer l.mu.Unlock()
					l.passed = append(l.passed, "call")
				})
			}
		}
		calls := func() (n int) {
			for _, l := range lines {
				l.mu.Lock()
				n += len(l.passed)
				l.mu.Unlock()
			}
			return n
		}
		for calls() < 200 {
			time.Sleep(time.Second)
		}
		if took := time.Since(begun); took > 203*time.Second {
			t.Errorf("200 calls took %v at one a second", took)
		}
		if shared.n > 205 {
			t.Errorf("%d times were reserved for 200 calls", shared.n)
		}
	})
}

// A paid call that comes while plain ones wait for their turn takes the next one.
func TestPaidCallTakesTheNextTurn(t *testing.T) {
	at(t, func(t *testing.T, ctx context.Context) {
		l := open(t, ctx, gate.Config{Slots: slots(2, 9), Pace: &metronome{}})
		for _, n := range []string{"w1", "w2", "w3"} {
			l.come(ctx, n, gate.Plain, false)
		}
		l.come(ctx, "p", gate.Paid, false)
		l.want("w1")
		time.Sleep(2500 * time.Millisecond)
		synctest.Wait()
		l.want("w1", "p", "w2")
	})
}
