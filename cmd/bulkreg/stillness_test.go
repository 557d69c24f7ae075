package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/queue/api/view"

	"github.com/bulkreg/bulkreg/store/fleet"
	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"
)

// reported has a worker report itself.
func (d *desk) reported(lot string) {
	d.t.Helper()
	d.exec(`DELETE FROM workers; INSERT INTO workers (name, lots) VALUES ('vm/1', '[{"kind":"register","account":"default",` + lot + `}]')`)
}

// An order and its jobs say what keeps them.
func TestOrderAndJobSayWhyNothingMoves(t *testing.T) {
	t.Parallel()
	d := pausedDesk(t)
	d.must(exitDone, "pause", "cli/one", "--reason", "later")
	job := d.job("one", "a.nl").ID.String()
	if r := d.must(exitDone, "order", "checks", "--source", "shop"); r.stderr != "" {
		t.Errorf("of an order that was given just now: %q", r.stderr)
	}
	d.exec(`UPDATE orders SET created_at = created_at - interval '1 minute'; UPDATE jobs SET created_at = created_at - interval '1 minute'`)
	const paused = "waits: the order is paused, since <time> by ann: later; `bulkreg resume cli/one` lets it go on\n"
	const noWorker = "waits: no live worker works on it: none that knows its kind and account has reported itself of late\n"
	for what, args := range map[string][]string{"one ": {"order", "one"}, "a.nl ": {"job", job}} {
		if r := d.says(exitDone, args, what+paused+what+noWorker); strings.Contains(r.stdout, "waits") {
			t.Errorf("%q: reasons are no result: %s", args, r.stdout)
		}
		out := parsed[struct {
			WaitsFor []view.Still `json:"waits_for"`
		}](t, d.must(exitDone, append(args, "-o", "json")...).stdout)
		if w := out.WaitsFor; len(w) != 2 || w[0].Reason != fleet.StillPaused || w[0].Since == nil || w[0].Until != nil ||
			w[1].Reason != fleet.StillNoWorker || w[1].Since != nil || !strings.Contains(w[0].Words, "later") {
			t.Errorf("%q: %+v", args, w)
		}
	}
	d.must(exitDone, "resume", "cli/one")
	d.reported(`"slots":2,"busy":2,"waiting":40,"waiting_since":"2026-11-25T10:00:00Z","paused":["register"]`)
	d.says(exitDone, []string{"order", "one"}, "one waits: somebody paused the queue register in Redis",
		"one waits: all call slots are in use (2): 40 jobs wait for one, since <time>\n")
	d.reported(`"slots":2`)
	if r := d.must(exitDone, "order", "one"); r.stderr != "" {
		t.Errorf("with a worker: %q", r.stderr)
	}
	d.exec(`UPDATE jobs SET state = 'retrying', wake_at = now() + interval '1 hour' WHERE kind = 'register'`)
	d.says(exitDone, []string{"order", "one"}, "one waits: the next retry is due at <time>\n")
	if r := d.must(exitDone, "job", job); r.stderr != "" {
		t.Errorf("a job says its retry itself: %q", r.stderr)
	}
	d.exec(`UPDATE jobs SET state = 'canceled', finished_at = now(), wake_at = NULL; DELETE FROM workers`)
	for _, args := range [][]string{{"order", "one"}, {"job", job}} {
		if r := d.must(exitDone, args...); r.stderr != "" {
			t.Errorf("what has ended waits for nothing: %q", r.stderr)
		}
	}
}

func TestWatchSaysWhyNothingMoves(t *testing.T) {
	t.Parallel()
	d := pausedDesk(t)
	w := startCommand(t, d.environ, "watch", "one")
	w.stderr.await(t, "one waits: no live worker works on it", w.ended)
	if r := w.stop(); strings.Count(r.stderr, "waits") != 1 {
		t.Errorf("it says %s", r.stderr)
	}
}

func TestStillWords(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 25, 1, 2, 3, 0, time.UTC)
	for want, r := range map[string]fleet.StillReason{
		"account default has a payment hold, since 2026-11-25 01:02:03Z: 402 no funds; the next probe is due at 2026-11-25 02:02:03Z": {
			Still: fleet.StillHeld, Hold: holds.View{Account: "default", Reason: holds.Payment, Since: at, Words: "no funds", Status: 402, NextProbeAt: at.Add(time.Hour)},
		},
		"account default has a paused hold, since 2026-11-25 01:02:03Z by ann; a person lifts it: `bulkreg resume default`": {
			Still: fleet.StillHeld, Hold: holds.View{Account: "default", Reason: holds.Paused, Since: at, PlacedBy: "ann"},
		},
		"account default has an outage hold, since 2026-11-25 01:02:03Z: 500 no luck; the next probe is due at 2026-11-25 02:02:03Z": {
			Still: fleet.StillHeld, Hold: holds.View{Account: "default", Reason: holds.Outage, Since: at, Words: "no luck", Status: 500, NextProbeAt: at.Add(time.Hour)},
		},
		"account default has a daily_limit hold, since 2026-11-25 01:02:03Z: used up; it goes on by itself at 2026-11-26 00:00:00Z": {
			Still: fleet.StillHeld, Hold: holds.View{Account: "default", Reason: holds.DailyLimit, Since: at, Words: "used up", EndsAt: at.Truncate(24 * time.Hour).Add(24 * time.Hour)},
		},
		"no live worker works on it: the last one was seen at 2026-11-25 01:02:03Z; 1 worker works on other kinds or accounts": {
			Still: fleet.StillNoWorker, Since: at, Others: 1,
		},
		"somebody paused the queues register, register-bulk in Redis, past bulkreg: it has to go on there, too": {
			Still: fleet.StillQueuePaused, Queues: []string{"register", "register-bulk"},
		},
		"worker vm/1 is in trouble: Redis is full": {Still: fleet.StillTrouble, Worker: "vm/1", Words: "Redis is full"},
	} {
		if got := stillWords(r); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// Whoever follows an order hears each reason once, and only while nothing changes.
func TestStillWatch(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var (
		told    []string
		asked   int
		reasons []fleet.StillReason
		failure error
	)
	w := stillWatch{
		clock: func() time.Time { return now },
		ask: func(context.Context, record.Summary) ([]fleet.StillReason, error) {
			asked++
			return reasons, failure
		},
		tell: func(text string) { told = append(told, text) },
	}
	succeeded := 0
	after := func(d time.Duration, want ...string) {
		t.Helper()
		now = now.Add(d)
		told = nil
		w.look(t.Context(), record.Summary{Order: record.Order{Total: 3}, Counts: map[record.State]int{record.Succeeded: succeeded, record.Queued: 3 - succeeded}})
		if diff := cmp.Diff(want, slices.Clone(told)); diff != "" {
			t.Errorf("after %v (-want +got):\n%s", d, diff)
		}
	}
	trouble := func(words string) fleet.StillReason {
		return fleet.StillReason{Still: fleet.StillTrouble, Worker: "a", Words: words}
	}
	reasons = []fleet.StillReason{trouble("x"), {Still: fleet.StillQueuePaused, Queues: []string{"q"}}}
	after(0)
	after(stillAfter - 1)
	after(1, "waits: worker a is in trouble: x", "waits: somebody paused the queue q in Redis, past bulkreg: it has to go on there, too")
	after(stillAgain)
	if asked != 2 {
		t.Errorf("asked %d times, want 2", asked)
	}
	succeeded = 1
	after(time.Hour) // something has moved
	reasons = []fleet.StillReason{{Still: fleet.StillQueuePaused, Queues: []string{"q", "r"}}}
	after(stillAfter, "waits: somebody paused the queues q, r in Redis, past bulkreg: it has to go on there, too")
	reasons, failure = nil, fmt.Errorf("ask: %w", pg.ErrUnavailable)
	after(stillAgain)
	failure = errors.New("broken")
	after(stillAgain, "waits: why cannot be told: broken")
	after(stillAgain)
	succeeded = 3
	asked = 0
	after(0)
	after(time.Hour)
	if asked != 0 {
		t.Error("a settled order was asked about")
	}
}
