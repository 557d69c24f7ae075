package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/store"
)

// findOrder finds the order that a person names: by its reference, of whatever source, or as source/reference. Where a source
// is given, only that source's orders are meant. A name that several orders have is refused with the list.
func findOrder(ctx context.Context, st *store.Store, source, name string) (record.Order, error) {
	orders, err := st.Orders.Named(ctx, name)
	if err != nil {
		return record.Order{}, err
	}
	of := ofSource(orders, source, name)
	switch {
	case len(of) == 0:
		return record.Order{}, &noOrderError{source, name, orders}
	case len(of) > 1:
		return record.Order{}, ambiguous(name, of)
	}
	return of[0], nil
}

// ofSource are those of the orders that a name may mean which are of a source, or ("") all. A source and its order's very
// reference leave no doubt.
func ofSource(orders []record.Order, source, name string) []record.Order {
	if source == "" {
		return orders
	}
	var of []record.Order
	for _, o := range orders {
		switch {
		case o.Source != source:
		case o.Reference == name:
			return []record.Order{o}
		default:
			of = append(of, o)
		}
	}
	return of
}

// noOrderError says that there is no such order, and whose there is of that name.
type noOrderError struct {
	source, name string
	others       []record.Order
}

func (e *noOrderError) Error() string {
	switch {
	case e.source == "":
		return fmt.Sprintf("there is no order %q: `bulkreg orders` lists what there is", e.name)
	case len(e.others) > 0:
		return fmt.Sprintf("there is no order %q of source %q, but there is %s", e.name, e.source, listed(e.others))
	}
	return fmt.Sprintf("there is no order %q of source %q, nor of another: `bulkreg orders` lists what there is", e.name, e.source)
}

// ambiguous refuses a name that several orders have.
func ambiguous(name string, orders []record.Order) error {
	return usagef("%q names several orders: %s; give one of them as it stands here, or its reference with --source NAME",
		name, listed(orders))
}

func listed(orders []record.Order) string {
	list := make([]string, len(orders))
	for i, o := range orders {
		list[i] = o.Source + "/" + o.Reference
	}
	return strings.Join(list, ", ")
}

// target is what a hold is about: an account or an order.
type target struct {
	account string        // "" for an order
	order   *record.Order // nil for an account
}

// What a name may be said to be.
const (
	asAccount = "account"
	asOrder   = "order"
)

// targetFlags say what a name means that may mean several things.
type targetFlags struct {
	source string
	as     choice
}

func (f *targetFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.source, "source", "", "whose order is meant: `NAME` of an order system, or cli")
	addChoice(cmd, &f.as, "as", "", "`WHAT` the argument names: account or order; needed where there are both", "", asAccount, asOrder)
}

// find finds the account or the order that a name means. A name that means both is refused, unless the flags say which.
func (f *targetFlags) find(ctx context.Context, a *app, st *store.Store, name string) (target, error) {
	as := f.as.value
	if f.source != "" && as == "" {
		as = asOrder
	}
	if as == asOrder {
		o, err := findOrder(ctx, st, f.source, name)
		return target{order: &o}, err
	}
	notKnown, err := a.refuseAccount(ctx, st, name)
	if err != nil {
		return target{}, err
	}
	if as == asAccount {
		return target{account: name}, notKnown
	}
	orders, err := st.Orders.Named(ctx, name)
	switch {
	case err != nil:
		return target{}, err
	case notKnown == nil && len(orders) > 0:
		return target{}, usagef("%q is an account, and the order %s/%s, too: say which is meant with --as account or --as order",
			name, orders[0].Source, orders[0].Reference)
	case notKnown == nil:
		return target{account: name}, nil
	case len(orders) > 1:
		return target{}, ambiguous(name, orders)
	case len(orders) == 1:
		return target{order: &orders[0]}, nil
	}
	return target{}, fmt.Errorf("there is no order %q, and %w", name, notKnown)
}

// refuseAccount says why a name is not that of an account, if it is not. One that is on hold is known by that.
func (a *app) refuseAccount(ctx context.Context, st *store.Store, name string) (notKnown, err error) {
	stopped, err := st.Holds.Stopped(ctx)
	if err != nil {
		return nil, err
	}
	if _, onHold := stopped[name]; onHold {
		return nil, nil
	}
	cfg, err := a.loadConfigFor(config.UseStore)
	if err != nil {
		return nil, err
	}
	known, err := knownAccounts(ctx, cfg, st)
	if err != nil || slices.Contains(known, name) {
		return nil, err
	}
	return noAccount(name, known), nil
}
