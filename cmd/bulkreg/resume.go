package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/store"
)

// resumeAction lifts holds. It shows first what it would lift.
type resumeAction struct {
	*app
	targetFlags
	by  string
	yes bool
	out output
}

func (a *app) resumeCommand() *cobra.Command {
	r := &resumeAction{app: a}
	cmd := &cobra.Command{
		Use:   "resume [ACCOUNT|REF]",
		Short: "Lift the holds of an account, of an order, or all, and go on at once",
		Long: `resume lifts every hold of an account, the pause of an order, or all holds and pauses that there are, without waiting for
the next probe: when the account has been topped up, the credentials or the paths have been corrected. What waited
goes on gradually. If the reason is still there, the first call brings the hold back.

It shows first what it lifts: since when, how many jobs wait, and what the registrar said. Of a restored hold it says
what bulkreg believes. To lift a daily_limit hold is to let its day begin anew: as many registrations as the limit has may
be paid for once more before midnight (UTC), and the next day has its own. On a terminal it asks before it lifts
everything, a restored or a daily_limit hold, or a pause of somebody else's. Elsewhere it needs --yes to lift
everything, or a restored or a daily_limit hold.`,
		Example: `  bulkreg resume
  bulkreg resume mijndomeinpartner
  bulkreg resume order-1042`,
		Args:              oneAtMost,
		ValidArgsFunction: a.complete(1, a.accountNames, orderNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withStore(cmd.Context(), func(ctx context.Context, st *store.Store) error {
				if len(args) == 0 {
					return r.resume(ctx, st, "")
				}
				t, err := r.find(ctx, a, st, args[0])
				switch {
				case err != nil:
					return err
				case t.order != nil:
					return r.resumeOrder(ctx, st, *t.order)
				}
				return r.resume(ctx, st, t.account)
			})
		},
	}
	r.add(cmd)
	f := cmd.Flags()
	f.StringVar(&r.by, "by", a.whoami(), "your `NAME`: a pause of your own is lifted without asking")
	f.BoolVar(&r.yes, "yes", false, "do not ask")
	r.out.add(cmd)
	return cmd
}

// resume lifts the holds of an account, or ("") everything.
func (r *resumeAction) resume(ctx context.Context, st *store.Store, account string) error {
	plan, err := st.Holds.ResumePlan(ctx, account)
	if err != nil {
		return unchanged(ctx, err)
	}
	if plan.Empty() {
		fmt.Fprintln(r.stderr, "There was no hold to lift.")
		return r.printLifted(plan)
	}
	r.printPlan(plan)
	if err := r.agree(ctx, plan, account == ""); err != nil {
		return err
	}
	lifted, err := st.Holds.CarryOutResume(ctx, account, plan)
	if err != nil {
		return maybeChanged(ctx, err)
	}
	for _, h := range lifted.Holds {
		say(r.stderr, "Lifted the %s hold of account %s, since %s: %s.\n",
			h.Reason, h.Account, timeCell(h.Since), goOn(h.Jobs))
	}
	for _, h := range lifted.Orders {
		r.sayResumed(h)
	}
	if gone := len(plan.Holds) + len(plan.Orders) - len(lifted.Holds) - len(lifted.Orders); gone > 0 {
		say(r.stderr, "%s lifted meanwhile, or placed anew: `bulkreg holds` shows what there is now.\n",
			term.Counted(gone, "other was", "others were"))
	}
	return r.printLifted(lifted)
}

// resumeOrder ends the pause of an order. A hold of its account stays.
func (r *resumeAction) resumeOrder(ctx context.Context, st *store.Store, o record.Order) error {
	h, paused, err := st.Holds.OrderHold(ctx, o)
	if err != nil {
		return unchanged(ctx, err)
	}
	if !paused {
		say(r.stderr, "The %s is not paused: there was nothing to lift.\n", orderText(o))
		return r.afterOrder(ctx, st, o, nil)
	}
	plan := holds.Resumption{Orders: []holds.OrderHold{h}}
	r.printPlan(plan)
	if err := r.agree(ctx, plan, false); err != nil {
		return err
	}
	h, resumed, err := st.Holds.ResumeOrder(ctx, o)
	switch {
	case err != nil:
		return maybeChanged(ctx, err)
	case !resumed:
		say(r.stderr, "The %s was resumed meanwhile: nothing was changed.\n", orderText(o))
		return r.afterOrder(ctx, st, o, nil)
	}
	r.sayResumed(h)
	return r.afterOrder(ctx, st, o, []holds.OrderHold{h})
}

func (r *resumeAction) sayResumed(h holds.OrderHold) {
	say(r.stderr, "Resumed %s, paused since %s: %s.\n", orderText(h.Order), timeCell(h.Since), goOn(h.Jobs))
}

func goOn(jobs int) string { return term.Counted(jobs, "job goes on", "jobs go on") }

// afterOrder says what else keeps an order that is not paused any more, and prints what was lifted.
func (r *resumeAction) afterOrder(ctx context.Context, st *store.Store, o record.Order, lifted []holds.OrderHold) error {
	stopped, err := st.Holds.Stopped(ctx)
	if err != nil {
		return err
	}
	if stopped[o.Account].Stops(o.Kind) {
		say(r.stderr, "Its account %s is on hold all the same: `bulkreg holds` says why.\n", o.Account)
	}
	return r.printLifted(holds.Resumption{Orders: lifted})
}

// printPlan shows what would be lifted.
func (r *resumeAction) printPlan(plan holds.Resumption) {
	fmt.Fprintln(r.stderr, "The plan:")
	t := newTable(r.stderr)
	for _, h := range plan.Holds {
		words := heldWords(h)
		switch h.Reason {
		case holds.Restored:
			words = "see below"
		case holds.DailyLimit:
			words += "; as many may be paid for once more until " + timeCell(h.EndsAt)
		}
		t.row("lift the "+string(h.Reason)+" hold of account "+h.Account, placement{since: h.Since, by: h.PlacedBy}.String(), goOn(h.Jobs), words)
	}
	for _, h := range plan.Orders {
		t.row("resume "+orderText(h.Order), placement{since: h.Since, by: h.PlacedBy}.String(), goOn(h.Jobs), h.Words)
	}
	if t.end() != nil {
		return // stderr is gone, and with it whoever could be told
	}
	for _, h := range plan.Holds {
		if h.Reason == holds.Restored {
			say(r.stderr, "What bulkreg believes of account %s, since %s:\n  %s\n", h.Account, timeCell(h.Since), cell(h.Words))
		}
	}
}

// agree asks, where asking is due.
func (r *resumeAction) agree(ctx context.Context, plan holds.Resumption, everything bool) error {
	spends := slices.ContainsFunc(plan.Holds, func(h holds.View) bool { return h.Reason == holds.Restored || h.Reason == holds.DailyLimit })
	anothers := slices.ContainsFunc(plan.Holds, func(h holds.View) bool { return h.PlacedBy != "" && h.PlacedBy != r.by }) ||
		slices.ContainsFunc(plan.Orders, func(h holds.OrderHold) bool { return h.PlacedBy != r.by })
	if needsYes := everything || spends; !needsYes && !(anothers && r.canAsk()) {
		return nil
	}
	jobs := 0
	for _, h := range plan.Holds {
		jobs += h.Jobs
	}
	for _, h := range plan.Orders {
		jobs += h.Jobs
	}
	holds, orders := term.Counted(len(plan.Holds), "hold", "holds"), term.Counted(len(plan.Orders), "paused order", "paused orders")
	question := "Lift " + holds + " and resume " + orders
	switch {
	case len(plan.Orders) == 0:
		question = "Lift " + holds
	case len(plan.Holds) == 0:
		question = "Resume " + orders
	}
	return r.consent(ctx, r.yes, question+", so that "+goOn(jobs)+"?")
}

// printLifted prints what was lifted to programs.
func (r *resumeAction) printLifted(lifted holds.Resumption) error {
	if !r.out.json() {
		return nil
	}
	return r.printHolds(r.out, lifted)
}

// maybeChanged is an error of a change that was made as a whole, or not at all.
func maybeChanged(ctx context.Context, err error) error {
	const so = "either all of it was lifted, or nothing: the same command again is safe"
	if ctx.Err() != nil {
		return &exitErr{exitInterrupted, fmt.Errorf("interrupted: %s", so)}
	}
	return fmt.Errorf("%w; %s", err, so)
}
