package gate_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bulkreg/bulkreg/worker/gate"
)

// watch opens a gate with somebody who waits until it is idle. woken says whether anybody has told him that it is.
func watch(t *testing.T, ctx context.Context, c gate.Config) (l *line, woken func() bool) {
	l = &line{t: t, Gate: gate.New(c), held: map[string]*gate.Permit{}, failed: map[string]error{}}
	var idle atomic.Bool
	l.Watch(func() { idle.Store(l.Idle(gate.Plain)) })
	l.group.Go(func() { l.Run(ctx) })
	synctest.Wait()
	return l, func() bool {
		synctest.Wait()
		return idle.Swap(false)
	}
}

// A pause passes while nobody is in line. Who waits for an idle gate hears of it: no call ends that would tell him.
func TestEndOfPauseIsTold(t *testing.T) {
	at(t, func(t *testing.T, ctx context.Context) {
		l, woken := watch(t, ctx, gate.Config{Slots: slots(1, 1)})
		l.come(ctx, "w", gate.Plain, false)
		l.leave("w")
		woken()
		l.Pause(time.Minute)
		time.Sleep(59 * time.Second)
		if woken() {
			t.Error("told before the pause is over")
		}
		l.Pause(time.Minute) // longer than was known
		time.Sleep(59 * time.Second)
		if woken() {
			t.Error("told before the longer pause is over")
		}
		time.Sleep(time.Second)
		if !woken() {
			t.Error("nobody was told that the pause is over")
		}
		time.Sleep(time.Hour)
		if woken() {
			t.Error("told again although nothing has happened")
		}
	})
}

// The line empties and slots are free: because the last in it got its turn, or because a hold turned it away.
func TestEmptyLineIsTold(t *testing.T) {
	at(t, func(t *testing.T, ctx context.Context) {
		l, woken := watch(t, ctx, gate.Config{Slots: slots(1, 9), Pace: &metronome{}})
		l.come(ctx, "w1", gate.Plain, false)
		woken()
		l.come(ctx, "w2", gate.Plain, false)
		if woken() {
			t.Error("told of an idle gate while somebody waits for his turn")
		}
		time.Sleep(time.Second)
		if !woken() {
			t.Error("nobody was told that the line is empty")
		}
		l.come(ctx, "w3", gate.Plain, false)
		l.Hold(gate.Stopped{All: true})
		if !woken() {
			t.Error("nobody was told that the line was turned away")
		}
	})
}
