package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/queue/api/view"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/store/fleet"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/bulkreg/bulkreg/store"
)

// waitLimits say when following an order ends although the order has not.
type waitLimits struct {
	timeout    time.Duration // 0: never
	failOnHold bool

	flags *pflag.FlagSet // that set them
}

// Why following ended early. They are causes of its context.
var (
	errTimePassed = errors.New("the time for waiting has passed")
	errStopped    = errors.New("the order cannot go on by itself")
)

// lastLookWithin is how long the look at the order may take that comes after the time for waiting.
const lastLookWithin = 5 * time.Second

func (l *waitLimits) add(cmd *cobra.Command) {
	f := cmd.Flags()
	l.flags = f
	f.DurationVar(&l.timeout, "timeout", 0, "wait for the order for this `TIME` at most, such as 30m, and then exit with 5")
	f.BoolVar(&l.failOnHold, "fail-on-hold", false, "exit with 5 as soon as the order cannot go on until a person lifts a hold or a pause")
}

// check refuses limits that mean nothing; waits reports whether the command waits at all.
func (l *waitLimits) check(waits bool) error {
	given := l.flags.Changed("timeout")
	switch {
	case given && l.timeout <= 0:
		return usagef("--timeout %s: give a time above 0, such as 30m", l.timeout)
	case given && !waits:
		return usagef("--timeout is for --wait: add --wait, or leave it out")
	case l.failOnHold && !waits:
		return usagef("--fail-on-hold is for --wait: add --wait, or leave it out")
	}
	return nil
}

// limited makes the context that following within the limits has.
func (l waitLimits) limited(ctx context.Context) (_ context.Context, end context.CancelCauseFunc) {
	cancelTimer := func() {}
	if l.timeout > 0 {
		ctx, cancelTimer = context.WithTimeoutCause(ctx, l.timeout, errTimePassed)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, func(cause error) {
		cancel(cause)
		cancelTimer()
	}
}

// needingPerson are the reasons of which no probe and no time will make an end: holds that somebody has to do something about, and
// a pause.
func needingPerson(reasons []fleet.StillReason) []fleet.StillReason {
	return slices.DeleteFunc(reasons, func(r fleet.StillReason) bool {
		return r.Still != fleet.StillPaused && (r.Still != fleet.StillHeld || !r.Hold.Reason.NeedsPerson())
	})
}

// stopped reports whether an order stands still until a person does something. What is being called for may end all the same.
func stopped(ctx context.Context, st *store.Store, sum record.Summary) (bool, error) {
	if sum.Counts[record.Queued]+sum.Counts[record.Retrying]+sum.Counts[record.Held] == 0 {
		return false, nil
	}
	found, err := st.Fleet.Stillness(ctx, sum.Order)
	return err == nil && len(needingPerson(view.WhyStill(sum, found))) > 0, err
}

// unfinished is an order that was not waited for to its end, as it stood then.
type unfinished struct {
	sum   record.Summary
	still []fleet.StillReason
	cause error // errTimePassed or errStopped
	after time.Duration
}

// lookOnce is how an order stands when it is not waited for any more. It may have ended at the last moment; err is nil then.
// Without the database it is as it was seen last.
func lookOnce(ctx context.Context, st *store.Store, seen record.Summary, cause error, after time.Duration) (record.Summary, error) {
	short, cancel := context.WithTimeout(ctx, lastLookWithin)
	defer cancel()
	u := &unfinished{sum: seen, cause: cause, after: after}
	sum, err := st.Orders.Summarize(short, seen.Order)
	switch {
	case ctx.Err() != nil:
		return seen, leftAlone(seen.Order)
	case err != nil:
		return seen, &exitErr{exitNotFinished, fmt.Errorf("%v; how it stands cannot be told: %w", u, err)}
	case sum.Settled():
		return sum, nil
	}
	u.sum = sum
	if u.still, err = stillOf(short, st, sum); err != nil {
		return sum, &exitErr{exitNotFinished, fmt.Errorf("%v; why cannot be told: %w", u, err)}
	}
	if cause == errStopped {
		u.still = needingPerson(u.still)
	}
	return sum, &exitErr{exitNotFinished, u}
}

// printUnfinished prints an order as it stands. What it waits for is in the error, for people.
func (a *app) printUnfinished(out output, sum record.Summary, still []fleet.StillReason) error {
	if out.json() {
		return a.printOrder(out, sum, still...)
	}
	return a.printOrder(out, sum)
}

// Error says what the order waits for, and that it goes on.
func (u *unfinished) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "order %s", u.sum.Reference)
	if u.cause == errTimePassed {
		fmt.Fprintf(&text, " has not ended within %s", u.after)
	} else {
		text.WriteString(" cannot go on by itself")
	}
	if all := standing(u.sum); all != "" {
		fmt.Fprintf(&text, ": %s of %s ended, %s", term.Thousands(settledJobs(u.sum)), term.Counted(u.sum.Total, "job has", "jobs have"), all)
	}
	for _, r := range u.still {
		text.WriteString("; it waits: " + cell(stillWords(r)))
	}
	fmt.Fprintf(&text, "; nothing was canceled, and `bulkreg watch %s` looks again", named(u.sum.Order))
	return text.String()
}
