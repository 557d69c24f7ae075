package main

import (
	"context"
	"strings"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/store/fleet"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/queue/api/view"
	"github.com/bulkreg/bulkreg/store"
)

// cliSource is the source of orders that are typed here.
const cliSource = "cli"

func (a *app) orderCommand() *cobra.Command {
	var (
		source string
		out    output
	)
	cmd := &cobra.Command{
		Use:   "order REF",
		Short: "Show one order and how far it has come",
		Long: `REF is a reference, of whatever source, or source/reference. order shows what was asked for under a reference, how many of its jobs stand where, and how those ended
that have ended. Where something keeps its jobs from moving, it says what: a hold, a pause, no worker, no free call
slot, or a retry that is still to come.`,
		Example: `  bulkreg order order-1042
  bulkreg order order-1042 -o json | jq .counts
  bulkreg order shop/2026-000123`,
		Args:              oneArg(anOrder),
		ValidArgsFunction: a.complete(1, orderNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withOrder(cmd.Context(), source, args[0], func(ctx context.Context, st *store.Store, o record.Order) error {
				sum, err := st.Orders.Summarize(ctx, o)
				if err != nil {
					return err
				}
				still, err := stillOf(ctx, st, sum)
				if err != nil {
					return err
				}
				return a.printOrder(out, sum, still...)
			})
		},
	}
	addWhose(cmd, &source)
	out.add(cmd)
	return cmd
}

// addSource is for a command that makes orders.
func addSource(cmd *cobra.Command, source *string) {
	cmd.Flags().StringVar(source, "source", cliSource, "who gave the order: `NAME` of an order system, or cli")
}

// addWhose is for a command that finds orders.
func addWhose(cmd *cobra.Command, source *string) {
	cmd.Flags().StringVar(source, "source", "", "only orders of this source: `NAME` of an order system, or cli (default: of all)")
}

// withStore runs fn on the database that the settings name.
func (a *app) withStore(ctx context.Context, fn func(context.Context, *store.Store) error) error {
	return a.withOpened(ctx, openStore, fn)
}

// withReader is withStore for a command that only looks.
func (a *app) withReader(ctx context.Context, fn func(context.Context, *store.Store) error) error {
	return a.withOpened(ctx, openReader, fn)
}

func (a *app) withOpened(ctx context.Context, open func(context.Context, config.Config) (*store.Store, error), fn func(context.Context, *store.Store) error) error {
	cfg, err := a.loadConfigFor(config.UseStore)
	if err != nil {
		return err
	}
	st, err := open(ctx, cfg)
	if err != nil {
		return err
	}
	defer st.Close()
	return fn(ctx, st)
}

// withOrder runs fn on the order that a name means, of that source or ("") of any.
func (a *app) withOrder(ctx context.Context, source, name string, fn func(context.Context, *store.Store, record.Order) error) error {
	return a.withReader(ctx, func(ctx context.Context, st *store.Store) error {
		o, err := findOrder(ctx, st, source, name)
		if err != nil {
			return err
		}
		return fn(ctx, st, o)
	})
}

// orderJSON is an order as programs read it. Its names are part of the interface.
type orderJSON struct {
	view.Order

	// Repeat says of an order that the command gave whether it was there already; left out by commands that give none.
	Repeat *bool `json:"repeat,omitempty"`
	// NeedsPerson is left out when nobody has to do anything.
	NeedsPerson *needsPersonJSON `json:"needs_person,omitempty"`
	// WaitsFor is why nothing moves, what weighs most first; left out when nothing is known to be in the way.
	WaitsFor []view.Still `json:"waits_for,omitempty"`
}

func orderOut(s record.Summary) orderJSON {
	return orderJSON{Order: view.OrderOf(s), NeedsPerson: needsPersonOut(s)}
}

// printOrder prints one order as a result, and says what keeps it from moving.
func (a *app) printOrder(out output, s record.Summary, still ...fleet.StillReason) error {
	if out.json() {
		order := orderOut(s)
		order.WaitsFor = view.StillOf(still, stillWords)
		if out.given != "" {
			repeat := out.given == givenAgain
			order.Repeat = &repeat
		}
		return term.PrintJSON(a.stdout, order)
	}
	finished := timeCell(s.FinishedAt)
	if finished == "" {
		finished = "not yet"
	}
	t := newTable(a.stdout)
	t.row("Order", s.Reference)
	if out.given != "" {
		t.row("Given", string(out.given))
	}
	t.row("Source", s.Source)
	t.row("Kind", string(s.Kind))
	t.row("Account", s.Account)
	t.row("Jobs", term.Thousands(s.Total))
	t.row("States", stateCounts(s))
	t.row("Outcomes", outcomeCounts(s))
	t.row("Calls", term.Thousands(s.Calls))
	t.row("Created", timeCell(s.CreatedAt))
	t.row("Finished", finished)
	if s.PrunedAt != nil {
		t.row("Jobs removed", timeCell(*s.PrunedAt))
	}
	if err := t.end(); err != nil {
		return err
	}
	printStill(a.stderr, s.Reference, still)
	return a.printNeedsPerson(s)
}

// stateCounts lists how many jobs are in which state.
func stateCounts(s record.Summary) string {
	return counts(s.Counts, record.States())
}

// outcomeCounts lists how the final jobs ended, but for the canceled ones, which have no outcome.
func outcomeCounts(s record.Summary) string {
	return counts(s.Outcomes, record.Outcomes())
}

// standing lists every job once: the final ones by outcome, the others by state.
func standing(s record.Summary) string {
	parts := []string{outcomeCounts(s), counts(s.Counts, []record.State{
		record.Canceled, record.Unconfirmed, record.Held, record.Retrying, record.Running, record.Queued,
	})}
	return strings.Trim(strings.Join(parts, ", "), ", ")
}

func counts[T ~string](of map[T]int, order []T) string {
	var parts []string
	for _, word := range order {
		if n := of[word]; n > 0 {
			parts = append(parts, string(word)+" "+term.Thousands(n))
		}
	}
	return strings.Join(parts, ", ")
}
