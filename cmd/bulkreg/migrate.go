package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/bulkreg/bulkreg/store/pg"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/migrations"
	"github.com/bulkreg/bulkreg/store"
)

func (a *app) migrateCommand() *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database up to the schema of this program",
		Long: `Bring the database at DATABASE_URL up to the schema of this program.

Run it before a new version starts. It may run any number of times, and on several machines at once.

--wait changes nothing: it waits until Postgres is there and somebody else has brought it up to the schema, for as long as that takes. What
starts beside a migration begins with it.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if wait {
				return a.awaitMigration(cmd.Context())
			}
			return a.migrate(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "change nothing: wait until somebody else has done it")
	return cmd
}

// awaitMigration waits as a worker does at its start, and fails where waiting would not help.
func (a *app) awaitMigration(ctx context.Context) error {
	cfg, err := a.loadConfig()
	if err != nil {
		return err
	}
	if _, err := cfg.Database(); err != nil {
		return usageError(err)
	}
	log, err := a.newLogger(cfg)
	if err != nil {
		return err
	}
	err = await(ctx, log, "Postgres", mendsPostgres, func(ctx context.Context) error {
		return a.withReader(ctx, func(context.Context, *store.Store) error { return nil })
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.stdout, "the database is up to date")
	return err
}

func (a *app) migrate(ctx context.Context) error {
	cfg, err := a.loadConfig()
	if err != nil {
		return err
	}
	url, err := cfg.Database()
	if err != nil {
		return usageError(err)
	}
	// It says of a database that cannot be used what every command says.
	var schema *pg.SchemaError
	if err := a.withReader(ctx, func(context.Context, *store.Store) error { return nil }); err != nil && !errors.As(err, &schema) {
		return err
	}
	applied, err := migrations.Up(ctx, url)
	if err != nil {
		return err
	}
	for _, m := range applied {
		fmt.Fprintln(a.stdout, "applied", m.Name)
	}
	st, err := openStore(ctx, cfg) // knows whether the schema is newer than this program
	if err != nil {
		return err
	}
	st.Close()
	if len(applied) == 0 {
		fmt.Fprintln(a.stdout, "the database is up to date")
	}
	return nil
}
