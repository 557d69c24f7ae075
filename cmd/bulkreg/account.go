package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/store"
)

// checkAccount refuses an account that nobody could carry an order out with. Known are those of the settings here, and those
// that a worker has ever started with: whoever gives orders needs no credentials. Where there is neither, the
// default account is taken to be on its way.
func checkAccount(ctx context.Context, cfg config.Config, st *store.Store, name string) error {
	known, err := knownAccounts(ctx, cfg, st)
	if err != nil || slices.Contains(known, name) {
		return err
	}
	return noAccount(name, known)
}

func knownAccounts(ctx context.Context, cfg config.Config, st *store.Store) ([]string, error) {
	known, err := st.Fleet.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	configured, err := configuredAccounts(cfg)
	if err != nil {
		return nil, err
	}
	known = append(known, configured...)
	if len(known) == 0 {
		known = []string{config.DefaultAccount}
	}
	slices.Sort(known)
	return slices.Compact(known), nil
}

// configuredAccounts are the names of the accounts in the settings, none where these have none.
func configuredAccounts(cfg config.Config) ([]string, error) {
	configured, err := cfg.Accounts()
	var missing *config.MissingError
	if err != nil && !errors.As(err, &missing) {
		return nil, usageError(err)
	}
	names := make([]string, len(configured))
	for i, a := range configured {
		names[i] = a.Name
	}
	return names, nil
}

func noAccount(name string, known []string) error {
	return usagef("there is no account %q, neither in the settings here nor with a worker; known: %s", name, strings.Join(known, ", "))
}
