package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/store/fleet"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/queue/api/view"
	"github.com/bulkreg/bulkreg/store"
)

// stillOf reads why an order may not move.
func stillOf(ctx context.Context, st *store.Store, sum record.Summary) ([]fleet.StillReason, error) {
	if sum.Settled() {
		return nil, nil
	}
	found, err := st.Fleet.Stillness(ctx, sum.Order)
	if err != nil {
		return nil, err
	}
	return view.NotTooSoon(view.WhyStill(sum, found), found.At.Sub(sum.CreatedAt)), nil
}

// stillWords says a reason in one line.
func stillWords(r fleet.StillReason) string {
	switch r.Still {
	case fleet.StillPaused:
		return fmt.Sprintf("the order is paused, %s; `bulkreg resume %s` lets it go on",
			placement{r.Pause.Since, r.Pause.PlacedBy, r.Pause.Words}, orderWord(r.Pause.Order))
	case fleet.StillHeld:
		next := "the next probe is due at " + timeCell(r.Hold.NextProbeAt)
		switch {
		case r.Hold.Reason.ByPerson():
			next = "a person lifts it: `bulkreg resume " + shellWord(r.Hold.Account) + "`"
		case !r.Hold.EndsAt.IsZero():
			next = "it goes on by itself at " + timeCell(r.Hold.EndsAt)
		}
		return fmt.Sprintf("account %s has %s hold, %s; %s", r.Hold.Account, withArticle(string(r.Hold.Reason)),
			placement{r.Hold.Since, r.Hold.PlacedBy, heldWords(r.Hold)}, next)
	case fleet.StillNoWorker:
		return noWorkerWords(r)
	case fleet.StillQueuePaused:
		return fmt.Sprintf("somebody paused %s %s in Redis, past bulkreg: it has to go on there, too",
			plural(len(r.Queues), "the queue", "the queues"), strings.Join(r.Queues, ", "))
	case fleet.StillTrouble:
		return fmt.Sprintf("worker %s is in trouble: %s", r.Worker, r.Words)
	case fleet.StillSlots:
		text := fmt.Sprintf("all call slots are in use (%s): %s for one", term.Thousands(r.Slots), term.Counted(r.Jobs, "job waits", "jobs wait"))
		if !r.Since.IsZero() {
			text += ", since " + timeCell(r.Since)
		}
		return text
	case fleet.StillRetry:
		return "the next retry is due at " + timeCell(r.Until)
	default:
		return string(r.Still)
	}
}

func noWorkerWords(r fleet.StillReason) string {
	text := "no live worker works on it: none that knows its kind and account has reported itself of late"
	if !r.Since.IsZero() {
		text = "no live worker works on it: the last one was seen at " + timeCell(r.Since)
	}
	if r.Others > 0 {
		text += fmt.Sprintf("; %s on other kinds or accounts", term.Counted(r.Others, "worker works", "workers work"))
	}
	return text
}

// withArticle puts a or an before a word.
func withArticle(word string) string {
	if strings.ContainsAny(word[:min(1, len(word))], "aeiou") {
		return "an " + word
	}
	return "a " + word
}

func plural(n int, one, several string) string {
	if n == 1 {
		return one
	}
	return several
}

// printStill says why something does not move. It is no part of the result.
func printStill(stderr io.Writer, what string, reasons []fleet.StillReason) {
	for _, r := range reasons {
		say(stderr, "%s waits: %s\n", what, cell(stillWords(r)))
	}
}

const (
	// stillAfter is for how long nothing has to change before somebody who follows an order is told why.
	stillAfter = 3 * time.Second
	// stillAgain is how long after one look at the reasons the next one comes.
	stillAgain = 5 * time.Second
)

// stillWatch tells somebody who follows an order why nothing moves, each reason once.
type stillWatch struct {
	clock func() time.Time
	ask   func(context.Context, record.Summary) ([]fleet.StillReason, error)
	tell  func(text string)

	seen    string    // how the order stood when it was looked at last
	since   time.Time // since when
	askedAt time.Time
	told    map[string]bool
}

// look takes in how the order stands now.
func (w *stillWatch) look(ctx context.Context, sum record.Summary) {
	now := w.clock()
	if stands := fmt.Sprint(sum.Total, sum.Counts, sum.Outcomes); stands != w.seen || w.since.IsZero() {
		w.seen, w.since = stands, now
		return
	}
	if sum.Settled() || now.Sub(w.since) < stillAfter || now.Sub(w.askedAt) < stillAgain {
		return
	}
	w.askedAt = now
	reasons, err := w.ask(ctx, sum)
	switch {
	case ctx.Err() != nil, errors.Is(err, pg.ErrUnavailable): // whoever follows the order says so
		return
	case err != nil:
		w.tellOnce("error", fmt.Sprintf("waits: why cannot be told: %v", err))
	}
	for _, r := range reasons {
		w.tellOnce(stillKey(r), "waits: "+cell(stillWords(r)))
	}
}

func (w *stillWatch) tellOnce(key, text string) {
	if w.told[key] {
		return
	}
	if w.told == nil {
		w.told = map[string]bool{}
	}
	w.told[key] = true
	w.tell(text)
}

// stillKey tells reasons apart. A slot wait and a retry are the same however often they come.
func stillKey(r fleet.StillReason) string {
	key := string(r.Still)
	switch r.Still {
	case fleet.StillSlots, fleet.StillRetry:
	case fleet.StillHeld:
		key += string(r.Hold.Reason) + r.Since.String()
	default:
		key += r.Since.String() + strings.Join(r.Queues, ",") + r.Worker
	}
	return key
}
