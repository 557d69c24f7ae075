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

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"
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
	d.work(record.Whois, fates{"a.nl": succeeds(record.Available)})
	d.must(exitDone, "watch", "one")
}

// scripted answers as it is told to, one step a look.
type scripted struct {
	steps []func() (record.Summary, error)
	looks []time.Time
}

func (s *scripted) Summarize(ctx context.Context, _ record.Order) (record.Summary, error) {
	if ctx.Err() != nil {
		return record.Summary{}, ctx.Err()
	}
	s.looks = append(s.looks, time.Now())
	step := s.steps[0]
	if len(s.steps) > 1 {
		s.steps = s.steps[1:]
	}
	return step()
}

func taking(d time.Duration, succeeded int) func() (record.Summary, error) {
	return func() (record.Summary, error) {
		<-time.After(d)
		return record.Summary{Order: record.Order{Total: 9}, Counts: map[record.State]int{record.Succeeded: succeeded}}, nil
	}
}

// The database is asked soon, then less often, and at most a tenth of the time.
func TestFollowPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{steps: []func() (record.Summary, error){
			taking(0, 0), taking(0, 1), taking(0, 2), taking(time.Second, 3), taking(0, 4), taking(0, 9),
		}}
		shown := 0
		sum, err := followOrder(t.Context(), s, record.Order{}, func(record.Summary) { shown++ }, &bytes.Buffer{})
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
	away := func() (record.Summary, error) { return record.Summary{}, fmt.Errorf("count: %w", pg.ErrUnavailable) }
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{steps: []func() (record.Summary, error){taking(0, 1), away, away, away, taking(0, 9)}}
		var notes bytes.Buffer
		if sum, err := followOrder(t.Context(), s, record.Order{}, func(record.Summary) {}, &notes); err != nil || !sum.Done() {
			t.Errorf("%+v, %v", sum, err)
		}
		if got := strings.Count(notes.String(), "the order goes on"); got != 1 {
			t.Errorf("it says %d times that the database is away: %s", got, notes.String())
		}

		s = &scripted{steps: []func() (record.Summary, error){away}}
		began := time.Now()
		_, err := followOrder(t.Context(), s, record.Order{}, func(record.Summary) {}, &notes)
		if !errors.Is(err, pg.ErrUnavailable) || time.Since(began) < patience || time.Since(began) > 2*patience {
			t.Errorf("it gives up with %v after %s", err, time.Since(began))
		}
	})
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		counts map[record.State]int
		status int
	}{
		"all well":          {map[record.State]int{record.Succeeded: 3}, exitDone},
		"no jobs":           {nil, exitDone},
		"one failed":        {map[record.State]int{record.Succeeded: 2, record.Failed: 1}, exitNotAll},
		"one canceled":      {map[record.State]int{record.Succeeded: 2, record.Canceled: 1}, exitNotAll},
		"one unconfirmed":   {map[record.State]int{record.Succeeded: 2, record.Unconfirmed: 1}, exitUnconfirmed},
		"one of everything": {map[record.State]int{record.Succeeded: 1, record.Failed: 1, record.Unconfirmed: 1}, exitUnconfirmed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := verdict(record.Summary{Order: record.Order{Reference: "x", Total: 3}, Counts: tc.counts})
			if got := report(&bytes.Buffer{}, err); got != tc.status {
				t.Errorf("status %d, want %d", got, tc.status)
			}
		})
	}
}
