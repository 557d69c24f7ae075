package main

import (
	"context"
	"time"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/store"
)

// pauseAction lets an account or an order stand still until somebody resumes it.
type pauseAction struct {
	*app
	targetFlags
	pause holds.Pause
	out   output
}

func (a *app) pauseCommand() *cobra.Command {
	p := &pauseAction{app: a}
	cmd := &cobra.Command{
		Use:   "pause ACCOUNT|REF",
		Short: "Let an account or an order stand still until it is resumed",
		Long: `pause lets all work of an account wait, or that of one order. No new call begins; calls under way are seen through. It
lasts until somebody types ` + "`bulkreg resume`" + `: bulkreg does not try by itself. What waits uses up no attempt and no
time. Pausing what is paused already changes nothing.

REF is an order's reference, or source/reference.`,
		Example: `  bulkreg pause mijndomeinpartner --reason "maintenance until 6:00"
  bulkreg pause order-1042 --reason "customer asks to wait"
  bulkreg pause shop/2026-000123`,
		Args:              oneArg(anAccountOrOrder),
		ValidArgsFunction: a.complete(1, a.accountNames, orderNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.settleBy(cmd.Context(), cmd, &p.pause.By); err != nil {
				return err
			}
			if err := p.pause.Check(); err != nil {
				return usageError(err)
			}
			return a.withStore(cmd.Context(), func(ctx context.Context, st *store.Store) error {
				return p.run(ctx, st, args[0])
			})
		},
	}
	p.add(cmd)
	a.addBy(cmd, &p.pause.By)
	cmd.Flags().StringVar(&p.pause.Words, "reason", "", "why, for the record: `TEXT`")
	p.out.add(cmd)
	return cmd
}

func (p *pauseAction) run(ctx context.Context, st *store.Store, name string) error {
	t, err := p.find(ctx, p.app, st, name)
	if err != nil {
		return err
	}
	if t.order == nil {
		h, placed, err := st.Holds.PauseAccount(ctx, t.account, p.pause)
		if err != nil {
			return err
		}
		return p.report("account "+h.Account, "bulkreg resume "+shellWord(h.Account), placed, placement{h.Since, h.PlacedBy, h.Words}, holdOut(h))
	}
	h, placed, err := st.Holds.PauseOrder(ctx, *t.order, p.pause)
	if err != nil {
		return err
	}
	return p.report(orderText(h.Order), "bulkreg resume "+orderWord(h.Order), placed, placement{h.Since, h.PlacedBy, h.Words}, orderHoldOut(h))
}

func (p *pauseAction) report(what, resume string, placed bool, by placement, out any) error {
	if placed {
		say(p.stderr, "Paused %s: no new call begins until `%s`; calls under way are seen through.\n", what, resume)
	} else {
		say(p.stderr, "The %s is paused already, %s: nothing was changed.\n", what, by)
	}
	if p.out.json() {
		return term.PrintJSON(p.stdout, out)
	}
	return nil
}

// placement is who placed a hold, when and why.
type placement struct {
	since time.Time
	by    string // "": bulkreg itself
	words string
}

func (p placement) String() string {
	text := "since " + timeCell(p.since)
	if p.by != "" {
		text += " by " + p.by
	}
	if p.words != "" {
		text += ": " + p.words
	}
	return text
}

// orderText is an order in a sentence.
func orderText(o record.Order) string { return "order " + o.Source + "/" + o.Reference }

// orderWord is an order as an argument of a command that looks for references in every source.
func orderWord(o record.Order) string { return shellWord(o.Source + "/" + o.Reference) }
