package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/store"
)

func (a *app) watchCommand() *cobra.Command {
	var (
		source string
		out    output
	)
	cmd := &cobra.Command{
		Use:   "watch REF",
		Short: "Follow an order until every job has ended or needs a person",
		Long: `watch shows how an order comes along, a bar on a terminal and lines elsewhere, until every job is final or
waits for a person, and then prints the order. Ctrl-C ends watching only: the order goes on.

It exits with 0 when every job succeeded, 3 when some did not, and 4 when some are unconfirmed.`,
		Example: `  bulkreg watch order-1042
  bulkreg watch order-1042 -o json 2>/dev/null | jq .outcomes`,
		Args:              oneArg(anOrder),
		ValidArgsFunction: a.complete(1, orderNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withOrder(cmd.Context(), source, args[0], func(ctx context.Context, st *store.Store, o store.Order) error {
				return a.waitFor(ctx, st, o, out)
			})
		},
	}
	addWhose(cmd, &source)
	out.add(cmd)
	return cmd
}

// waitFor follows an order to its end, prints it, and fails with the exit status that tells how it went.
func (a *app) waitFor(ctx context.Context, st *store.Store, o store.Order, out output) error {
	sum, err := a.follow(ctx, st, o)
	if err != nil {
		return err
	}
	if err := a.printOrder(out, sum); err != nil {
		return err
	}
	return verdict(sum)
}
