package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bulkreg/bulkreg/store"
)

// An interrupted watch leaves the order alone and says so.
func TestInterruptedWatch(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for want, args := range map[string][]string{
		"the order goes on; `bulkreg watch one` looks again": {"enqueue", "whois", "a.nl", "--order", "one", "--wait"},
		"`bulkreg watch 'no 2' --source shop` looks again":   {"enqueue", "whois", "b.nl", "--order", "no 2", "--source", "shop", "--wait"},
	} {
		c := startCommand(t, d.environ, args...)
		c.stderr.await(t, "0/1, 0 calls, queued 1", c.ended)
		r := c.stop()
		if r.status != exitInterrupted || !strings.Contains(r.stderr, want) || r.stdout != "" {
			t.Errorf("%q: status %d, %q, %q", args, r.status, r.stderr, r.stdout)
		}
	}
	watch := startCommand(t, d.environ, "watch", "one")
	watch.stderr.await(t, "0/1", watch.ended)
	if r := watch.stop(); r.status != exitInterrupted {
		t.Errorf("watch: status %d, %s", r.status, r.stderr)
	}
	d.work(store.Whois, fates{"a.nl": succeeds(store.Available)})
	d.must(exitDone, "watch", "one")
}

// scripted answers as it is told to, one step a look.
type scripted struct {
	steps []func() (store.Summary, error)
	looks []time.Time
}

func (s *scripted) Summarize(ctx context.Context, _ store.Order) (store.Summary, error) {
	if ctx.Err() != nil {
		return store.Summary{}, ctx.Err()
	}
	s.looks = append(s.looks, time.Now())
	step := s.steps[0]
	if len(s.steps) > 1 {
		s.steps = s.steps[1:]
	}
	return step()
}

func taking(d time.Duration, succeeded int) func() (store.Summary, error) {
	return func() (store.Summary, error) {
		<-time.After(d)
		return store.Summary{Order: store.Order{Total: 9}, Counts: map[store.State]int{store.Succeeded: succeeded}}, nil
	}
}

// The database is asked soon, then less often, and at most a tenth of the time.
func TestFollowPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{steps: []func() (store.Summary, error){
			taking(0, 0), taking(0, 1), taking(0, 2), taking(time.Second, 3), taking(0, 4), taking(0, 9),
		}}
		shown := 0
		sum, err := followOrder(t.Context(), s, store.Order{}, func(store.Summary) { shown++ }, &bytes.Buffer{})
		if err != nil || !sum.Done() || shown != 6 {
			t.Fatalf("%+v, %v, shown %d times", sum, err, shown)
		}
		want := []time.Duration{50, 75, 112, 11_000, 253}
		for i, ms := range want {
			if got := s.looks[i+1].Sub(s.looks[i]).Truncate(time.Millisecond); got != ms*time.Millisecond {
				t.Errorf("look %d came after %s, want %s", i+1, got, ms*time.Millisecond)
			}
		}
	})
}

// A database that is away for a while is waited for; one that stays away is an error.
func TestFollowOutlastsAnOutage(t *testing.T) {
	t.Parallel()
	away := func() (store.Summary, error) { return store.Summary{}, fmt.Errorf("count: %w", store.ErrUnavailable) }
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{steps: []func() (store.Summary, error){taking(0, 1), away, away, away, taking(0, 9)}}
		var notes bytes.Buffer
		if sum, err := followOrder(t.Context(), s, store.Order{}, func(store.Summary) {}, &notes); err != nil || !sum.Done() {
			t.Errorf("%+v, %v", sum, err)
		}
		if got := strings.Count(notes.String(), "the order goes on"); got != 1 {
			t.Errorf("it says %d times that the database is away: %s", got, notes.String())
		}

		s = &scripted{steps: []func() (store.Summary, error){away}}
		began := time.Now()
		_, err := followOrder(t.Context(), s, store.Order{}, func(store.Summary) {}, &notes)
		if !errors.Is(err, store.ErrUnavailable) || time.Since(began) < patience || time.Since(began) > 2*patience {
			t.Errorf("it gives up with %v after %s", err, time.Since(began))
		}
	})
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		counts map[store.State]int
		status int
	}{
		"all well":          {map[store.State]int{store.Succeeded: 3}, exitDone},
		"no jobs":           {nil, exitDone},
		"one failed":        {map[store.State]int{store.Succeeded: 2, store.Failed: 1}, exitNotAll},
		"one canceled":      {map[store.State]int{store.Succeeded: 2, store.Canceled: 1}, exitNotAll},
		"one unconfirmed":   {map[store.State]int{store.Succeeded: 2, store.Unconfirmed: 1}, exitUnconfirmed},
		"one of everything": {map[store.State]int{store.Succeeded: 1, store.Failed: 1, store.Unconfirmed: 1}, exitUnconfirmed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := verdict(store.Summary{Order: store.Order{Reference: "x", Total: 3}, Counts: tc.counts})
			if got := report(&bytes.Buffer{}, err); got != tc.status {
				t.Errorf("status %d, want %d", got, tc.status)
			}
		})
	}
}
