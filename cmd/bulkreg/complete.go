package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/store"
)

const (
	// completionTime is how long somebody who presses Tab waits at most.
	completionTime = time.Second
	// completions is how many names are offered at most, the newest orders first.
	completions = 100
)

// complete offers the names that some look-ups find for what was typed. It is quick, and silent where there is no database: nothing
// is offered then. most is how many arguments may be given; 0 is without limit.
func (a *app) complete(most int, looks ...func(context.Context, *store.Store, string) ([]string, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		const nothingElse = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
		if most > 0 && len(args) >= most {
			return nil, nothingElse
		}
		parent := cmd.Context()
		if parent == nil {
			parent = context.Background()
		}
		ctx, cancel := context.WithTimeout(parent, a.tabTime)
		defer cancel()
		var found []string
		err := a.withReader(ctx, func(ctx context.Context, st *store.Store) error {
			for _, look := range looks {
				names, err := look(ctx, st, begun)
				if err != nil {
					return err
				}
				found = append(found, names...)
			}
			return nil
		})
		if err != nil {
			return nil, nothingElse
		}
		return slices.DeleteFunc(found, func(name string) bool { return slices.Contains(args, name) }), nothingElse
	}
}

// orderNames are the newest orders whose names begin so: the reference, or source/reference.
func orderNames(ctx context.Context, st *store.Store, begun string) ([]string, error) {
	orders, err := st.Orders.Beginning(ctx, begun, completions)
	names := make([]string, len(orders))
	for i, o := range orders {
		if names[i] = o.Name(); !strings.HasPrefix(names[i], begun) {
			names[i] = o.Source + "/" + o.Reference
		}
	}
	return names, err
}

// accountNames are the accounts that the settings or workers know.
func (a *app) accountNames(ctx context.Context, st *store.Store, begun string) ([]string, error) {
	cfg, err := a.loadConfigFor(config.UseStore)
	if err != nil {
		return nil, err
	}
	known, err := knownAccounts(ctx, cfg, st)
	return slices.DeleteFunc(known, func(name string) bool { return !strings.HasPrefix(name, begun) }), err
}

// addAccount gives a command a flag for the account to use.
func (a *app) addAccount(cmd *cobra.Command, account *string, usage string) {
	cmd.Flags().StringVar(account, "account", config.DefaultAccount, usage)
	// It fails only for a flag that was not defined, and this one was.
	if err := cmd.RegisterFlagCompletionFunc("account", a.complete(0, a.accountNames)); err != nil {
		panic(err)
	}
}
