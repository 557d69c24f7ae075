package main

import (
	"context"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/store"
)

// maxOrders bounds a list of orders: each is counted anew.
const maxOrders = 1000

func (a *app) ordersCommand() *cobra.Command {
	var (
		source string
		limit  int
		needs  bool
		out    output
	)
	cmd := &cobra.Command{
		Use:   "orders",
		Short: "List the newest orders",
		Long: `orders lists the newest orders, newest first, and how far each has come. --needs-person lists those alone that wait for
somebody: with unconfirmed jobs, paused, or standing still for a hold that does not go by itself. ` + "`bulkreg status`" + ` says
what to do.`,
		Example: `  bulkreg orders
  bulkreg orders --source shop --limit 5
  bulkreg orders --needs-person
  bulkreg orders -o json | jq -r '.[] | select(.done | not) | .reference'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 || limit > maxOrders {
				return usagef("--limit %d: give a number from 1 to %d", limit, maxOrders)
			}
			return a.withReader(cmd.Context(), func(ctx context.Context, st *store.Store) error {
				list := st.Orders.List
				if needs {
					list = st.Orders.NeedingPerson
				}
				orders, err := list(ctx, source, limit)
				if err != nil {
					return err
				}
				return a.printOrders(out, orders)
			})
		},
	}
	cmd.Flags().StringVar(&source, "source", "", "only orders of this `NAME` (default: of all)")
	cmd.Flags().IntVar(&limit, "limit", 20, "at most `N` orders")
	cmd.Flags().BoolVar(&needs, "needs-person", false, "only orders that wait for a person")
	out.addList(cmd)
	return cmd
}

func (a *app) printOrders(out output, orders []record.Summary) error {
	if out.json() {
		array := newJSONArray(a.stdout)
		for _, o := range orders {
			if err := array.add(orderOut(o)); err != nil {
				return err
			}
		}
		return array.end()
	}
	t := out.newTable(a.stdout, "REFERENCE", "SOURCE", "KIND", "ACCOUNT", "JOBS", "CREATED", "STANDING")
	for _, o := range orders {
		t.row(o.Name(), o.Source, string(o.Kind), o.Account, term.Thousands(o.Total), timeCell(o.CreatedAt), standing(o))
	}
	return t.end()
}
