package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/keys"
	"github.com/bulkreg/bulkreg/store/record"
)

func (a *app) keysRevokeCommand() *cobra.Command {
	var (
		by  string
		yes bool
	)
	cmd := &cobra.Command{
		Use:   "revoke NAME|KEY",
		Short: "End all keys of a source, or one by its id, for good",
		Long: `revoke ends keys: the API refuses them from then on, within seconds. NAME is a source, all of whose keys end; KEY is the id of one,
as list shows it. The keys are shown first, and it is asked for on a terminal; elsewhere it needs --yes. A key of the source that is made
meanwhile is shown and asked for as well. What is revoked already stays as it is.`,
		Example: `  bulkreg keys revoke shop --yes
  bulkreg keys revoke 3kq7wz2abc`,
		Args:              oneArg("a source, or the id of a key: `bulkreg keys list` lists them"),
		ValidArgsFunction: a.complete(1, keySources, keyIDs),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.settleBy(cmd.Context(), cmd, &by); err != nil {
				return err
			}
			if err := record.CheckRecord(by, ""); err != nil {
				return usageError(err)
			}
			return a.revokeKeys(cmd.Context(), args[0], by, yes)
		},
	}
	a.addBy(cmd, &by)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func (a *app) revokeKeys(ctx context.Context, name, by string, yes bool) error {
	return a.withStore(ctx, func(ctx context.Context, st *store.Store) error {
		all, good, err := keysNamed(ctx, st, name)
		switch {
		case err != nil:
			return err
		case all == 0:
			return &notFound{fmt.Errorf("there is no key %q, and no source of that name with one: `bulkreg keys list` lists them", name)}
		case len(good) == 0:
			say(a.stderr, "All keys of %s are revoked already: nothing was changed.\n", name)
			return nil
		}
		// A key that is made meanwhile is shown and asked for as well: it would outlive the others without a word.
		for len(good) > 0 {
			if err := a.revokeShown(ctx, st, good, by, yes); err != nil {
				return err
			}
			if _, good, err = keysNamed(ctx, st, name); err != nil {
				return fmt.Errorf("look whether a key was made meanwhile: %w; the same command again does the rest", err)
			}
			if len(good) > 0 {
				say(a.stderr, "%s made meanwhile:\n", term.Counted(len(good), "key was", "keys were"))
			}
		}
		return nil
	})
}

// keysNamed are the keys that are not revoked of a source, or with an id, and how many there are with those that are.
func keysNamed(ctx context.Context, st *store.Store, name string) (all int, good []keys.Key, err error) {
	list, err := st.Keys.List(ctx, "")
	for _, k := range list {
		if k.Source != name && k.ID != name {
			continue
		}
		all++
		if k.RevokedAt.IsZero() {
			good = append(good, k)
		}
	}
	return all, good, err
}

// revokeShown shows keys and revokes them, once that is asked for.
func (a *app) revokeShown(ctx context.Context, st *store.Store, list []keys.Key, by string, yes bool) error {
	shown := *a
	shown.stdout = a.stderr
	if err := shown.printKeys(output{}, list); err != nil {
		return err
	}
	question := fmt.Sprintf("Revoke %s? Whoever uses them gets no answer any more.", term.Counted(len(list), "key", "keys"))
	if err := a.consent(ctx, yes, question); err != nil {
		return err
	}
	ids := make([]string, len(list))
	for i, k := range list {
		ids[i] = k.ID
	}
	ended, err := st.Keys.Revoke(ctx, ids, by)
	if err != nil {
		return unchanged(ctx, err)
	}
	say(a.stderr, "%s revoked\n", term.Counted(len(ended), "key", "keys"))
	if n := len(ids) - len(ended); n > 0 {
		say(a.stderr, "%s revoked by somebody else meanwhile\n", term.Counted(n, "key was", "keys were"))
	}
	return nil
}
