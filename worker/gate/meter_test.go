package gate

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// noted keeps what a gate tells. The gate's lock guards it.
type noted struct{ told []string }

func (n *noted) Passed(class Class, cause Cause, waited time.Duration) {
	n.told = append(n.told, class.String()+" "+string(cause)+" "+waited.String())
}

func (n *noted) TurnedAway(class Class, cause Cause) {
	n.told = append(n.told, class.String()+" turned away: "+string(cause))
}

// What is told of a wait is what it was for, and how long it took.
func TestMeter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &noted{}
		g := New(Config{Slots: map[Pool]int{PaidSlots: 1, FreeSlots: 1}, Meter: m})
		go g.Run(t.Context())
		first, err := g.Acquire(t.Context(), Plain, false)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, first.Release)
		second, err := g.Acquire(t.Context(), Check, false)
		if err != nil {
			t.Fatal(err)
		}
		second.Release()
		g.Pause(time.Minute)
		third, err := g.Acquire(t.Context(), Paid, false)
		if err != nil {
			t.Fatal(err)
		}
		third.Release()
		g.Hold(Stopped{Paid: true})
		if _, err := g.Acquire(t.Context(), Paid, false); !errors.Is(err, ErrHeld) {
			t.Error(err)
		}
		g.Close()
		if _, err := g.Acquire(t.Context(), Plain, false); !errors.Is(err, ErrStopping) {
			t.Error(err)
		}
		want := []string{"plain  0s", "check slot 1s", "paid pause 1m0s", "paid turned away: hold", "plain turned away: stopping"}
		if diff := cmp.Diff(want, m.told); diff != "" {
			t.Error(diff)
		}
	})
}
