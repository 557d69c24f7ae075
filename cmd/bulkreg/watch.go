package main

import (
	"context"
	"errors"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/store"
)

func (a *app) watchCommand() *cobra.Command {
	var (
		source string
		limits waitLimits
		out    output
	)
	cmd := &cobra.Command{
		Use:   "watch REF",
		Short: "Follow an order until every job has ended or needs a person",
		Long: `watch shows how an order comes along, a bar on a terminal and lines elsewhere, until every job is final or
waits for a person, and then prints the order. Ctrl-C ends watching only: the order goes on.

It exits with 0 when every job succeeded, 3 when some did not, and 4 when some are unconfirmed. With --timeout it exits
with 5 when the order has not ended by then, and with --fail-on-hold as soon as the order stands still until a person lifts
a hold or a pause; an outage, which ends by itself, is waited for. The order is printed then as it stands, and goes on.`,
		Example: `  bulkreg watch order-1042
  bulkreg watch order-1042 --timeout 2h --fail-on-hold
  bulkreg watch order-1042 -o json 2>/dev/null | jq .outcomes`,
		Args:              oneArg(anOrder),
		ValidArgsFunction: a.complete(1, orderNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := limits.check(true); err != nil {
				return err
			}
			return a.withOrder(cmd.Context(), source, args[0], func(ctx context.Context, st *store.Store, o record.Order) error {
				return a.waitFor(ctx, st, o, limits, out)
			})
		},
	}
	addWhose(cmd, &source)
	limits.add(cmd)
	out.add(cmd)
	return cmd
}

// waitFor follows an order to its end, prints it, and fails with the exit status that tells how it went.
func (a *app) waitFor(ctx context.Context, st *store.Store, o record.Order, limits waitLimits, out output) error {
	sum, err := a.followWithin(ctx, st, o, limits)
	var early *unfinished
	switch {
	case errors.As(err, &early):
		if printed := a.printUnfinished(out, sum, early.still); printed != nil {
			return printed
		}
		return err
	case err != nil:
		return err
	}
	if err := a.printOrder(out, sum); err != nil {
		return err
	}
	return verdict(sum)
}
