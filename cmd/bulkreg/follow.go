package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/bulkreg/bulkreg/queue/api/view"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/store/fleet"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/store"
)

// How often a followed order is looked at: soon at first, then less often, and never so often that counting its jobs
// would keep the database busy for more than a tenth of the time.
const (
	firstLook = 50 * time.Millisecond
	lastLook  = 500 * time.Millisecond
	lookShare = 10
)

// patience is how long following goes on while the database is not reachable.
const patience = time.Minute

// summarizer counts an order's jobs.
type summarizer interface {
	Summarize(ctx context.Context, o record.Order) (record.Summary, error)
}

var _ summarizer = (*orders.Orders)(nil)

// follow shows on stderr how an order comes along, until each of its jobs is final or waits for a person, and returns
// how it stands then. When ctx ends before, the order goes on, and the error says so.
func (a *app) follow(ctx context.Context, st *store.Store, o record.Order) (record.Summary, error) {
	return a.followWithin(ctx, st, o, waitLimits{})
}

// followWithin follows an order within limits. An error of exitNotFinished comes with how the order stands.
func (a *app) followWithin(ctx context.Context, st *store.Store, o record.Order, limits waitLimits) (record.Summary, error) {
	within, end := limits.limited(ctx)
	defer end(nil)
	sum, err := a.followTo(within, st, o, func(sum record.Summary) {
		if !limits.failOnHold {
			return
		}
		// An error comes again with the next look at the order, which tells of it.
		if stands, err := stopped(within, st, sum); err == nil && stands {
			end(errStopped)
		}
	})
	if cause := context.Cause(within); err != nil && (cause == errTimePassed || cause == errStopped) {
		return lookOnce(ctx, st, sum, cause, limits.timeout)
	}
	return sum, err
}

// followTo shows how an order comes along, and has each look at it judged.
func (a *app) followTo(ctx context.Context, st *store.Store, o record.Order, judge func(record.Summary)) (record.Summary, error) {
	p := a.newProgress(o.Reference)
	defer p.end()
	tell := func(text string) { p.note(o.Reference + " " + text) }
	watch := stillWatch{clock: time.Now, tell: tell, ask: func(ctx context.Context, sum record.Summary) ([]fleet.StillReason, error) {
		found, err := st.Fleet.Stillness(ctx, sum.Order)
		return view.WhyStill(sum, found), err
	}}
	return followOrder(ctx, st.Orders, o, func(sum record.Summary) {
		p.show(sum)
		watch.look(ctx, sum)
		judge(sum)
	}, p)
}

// followOrder looks at an order again and again, shows what it sees, and ends when it is settled.
func followOrder(ctx context.Context, st summarizer, o record.Order, show func(record.Summary), notes io.Writer) (record.Summary, error) {
	seen := record.Summary{Order: o}
	var away time.Time // since when the database is
	for interval := firstLook; ; interval = min(interval*3/2, lastLook) {
		began := time.Now()
		sum, err := st.Summarize(ctx, o)
		wait := interval
		switch {
		case ctx.Err() != nil:
			return seen, leftAlone(o)
		case errors.Is(err, pg.ErrUnavailable) && (away.IsZero() || time.Since(away) < patience):
			if away.IsZero() {
				away = began
				say(notes, "%v; the order goes on, and so does the watch once it is back\n", err)
			}
		case err != nil:
			return seen, err
		default:
			away, seen = time.Time{}, sum
			wait = max(interval, lookShare*time.Since(began))
			show(sum)
			if sum.Settled() {
				return sum, nil
			}
		}
		select {
		case <-ctx.Done():
			return seen, leftAlone(o)
		case <-time.After(wait):
		}
	}
}

// leftAlone is how an interrupted watch ends.
func leftAlone(o record.Order) error {
	return &exitErr{exitInterrupted, fmt.Errorf("interrupted: the order goes on; `bulkreg watch %s` looks again", named(o))}
}

// named is an order as a command takes it, so that it can be pasted.
func named(o record.Order) string {
	if o.Source == cliSource && !o.Shared {
		return shellWord(o.Reference)
	}
	return shellWord(o.Reference) + " --source " + shellWord(o.Source)
}

// verdict tells by its exit status how a settled order went; nil when every job succeeded.
func verdict(s record.Summary) error {
	failed, lost := s.Counts[record.Failed], s.Counts[record.Failed]+s.Counts[record.Canceled]
	switch unconfirmed := s.Counts[record.Unconfirmed]; {
	case unconfirmed > 0:
		return &exitErr{exitUnconfirmed, fmt.Errorf("order %s: %s of %s may have been paid for: "+
			"ask the registrar about each, then settle it with `bulkreg confirm`; `bulkreg jobs %s --state unconfirmed` lists what to ask about",
			s.Reference, term.Thousands(unconfirmed), term.Counted(s.Total, "job", "jobs"), named(s.Order))}
	case lost > 0:
		state := record.Canceled
		if failed > 0 {
			state = record.Failed
		}
		return &exitErr{exitNotAll, fmt.Errorf("order %s: %s of %s did not succeed; `bulkreg jobs %s --state %s` tells why",
			s.Reference, term.Thousands(lost), term.Counted(s.Total, "job", "jobs"), named(s.Order), state)}
	}
	return nil
}
