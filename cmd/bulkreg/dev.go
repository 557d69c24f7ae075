package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/migrations"
	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

func (a *app) devCommand() *cobra.Command {
	var (
		addr       string
		demo, keep bool
	)
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run everything in one process, against a played registrar: nothing is bought",
		Long: `Run everything in one process: a throwaway Postgres, a Redis in memory, a sandbox that plays the registrar, and a
worker. Nothing is bought, nothing needs to be configured, and when it ends nothing is left.

It prints what to export in a second terminal, so that the other commands work on it. If DATABASE_URL or REDIS_URL are
set, it uses those instead, and leaves there what it wrote. It never uses the REGISTRAR_* settings.`,
		Example: `  bulkreg dev --demo
  bulkreg dev`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if keep && !demo {
				return usagef("--keep goes with --demo; without it, dev runs until Ctrl-C anyway")
			}
			return a.dev(cmd.Context(), addr, demo, keep)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&addr, "addr", "127.0.0.1:0", "`address` of the sandbox; port 0 is a free one")
	flags.BoolVar(&demo, "demo", false, "check 2,000 domains and register 500, say what happened, and end")
	flags.BoolVar(&keep, "keep", false, "with --demo: run on afterwards, until Ctrl-C")
	return cmd
}

// errInterrupted is how Ctrl-C ends what would have come to an end by itself.
var errInterrupted = &exitErr{exitInterrupted, errors.New("interrupted")}

func (a *app) dev(ctx context.Context, addr string, demo, keep bool) (err error) {
	var running embedded
	defer func() { err = errors.Join(err, running.stop()) }()
	if err := running.start(ctx, a, addr, demo); err != nil {
		if ctx.Err() != nil {
			return errInterrupted // and no failure of what was being started
		}
		return err
	}
	if demo {
		if err := a.demo(ctx, &running); err != nil || !keep {
			return err
		}
	}
	a.printDev(&running)
	return running.wait(ctx)
}

// printDev says how to use what runs. Only what can be pasted goes to stdout.
func (a *app) printDev(running *embedded) {
	fmt.Fprintln(a.stderr, "\nEverything runs. Paste this into a second terminal:")
	fmt.Fprintln(a.stderr)
	for _, entry := range running.exports {
		name, value, _ := strings.Cut(entry, "=")
		fmt.Fprintf(a.stdout, "export %s=%s\n", name, shellWord(value))
	}
	fmt.Fprintf(a.stderr, `
and then try

  bulkreg enqueue whois example.nl taken-example.nl --order first --wait
  echo example.nl | bulkreg enqueue register - --holder %s --order second --yes --wait
  bulkreg orders
  bulkreg whois example.nl

Nothing is bought: the registrar is a sandbox, and its ledger is at %s/sandbox/ledger. Ctrl-C ends it.
`, sandbox.DefaultHolder, running.sandbox.url)
}

// startWorker opens the database and starts a worker on it, with the settings that the other commands get, too.
func (e *embedded) startWorker(ctx context.Context, a *app) error {
	cfg, err := config.Load(e.environ)
	if err != nil {
		return usageError(err)
	}
	if e.store, err = openDev(ctx, cfg); err != nil {
		return err
	}
	e.push(func() error { e.store.Close(); return nil })
	if err := refuseForeign(ctx, e.store); err != nil {
		return err
	}
	log, err := a.newLogger(cfg)
	if err != nil {
		return err
	}
	accounts, opened, err := connectAccounts(cfg)
	if err != nil {
		return err
	}
	e.push(func() error { opened.close(); return nil })
	w, err := a.newWorker(cfg, e.store, accounts, []queue.Kind{queue.Whois, queue.Register}, log)
	if err != nil {
		return err
	}
	e.config = cfg
	e.goWorker(w)
	return nil
}

// openDev opens the database. An empty one gets the schema; one with an older schema is somebody's, who may not want it
// changed.
func openDev(ctx context.Context, cfg config.Config) (*store.Store, error) {
	st, err := openStore(ctx, cfg)
	var schema *store.SchemaError
	if !errors.As(err, &schema) || schema.Have != 0 {
		return st, err
	}
	url, err := cfg.Database()
	if err != nil {
		return nil, err
	}
	if _, err := migrations.Up(ctx, url); err != nil {
		return nil, err
	}
	return openStore(ctx, cfg)
}

// ordersLooked is how many of a database's newest orders refuseForeign looks at.
const ordersLooked = 500

// refuseForeign refuses a database in which registrations wait: a worker on the sandbox would call them registered, and
// nobody would have bought them.
func refuseForeign(ctx context.Context, st *store.Store) error {
	orders, err := st.ListOrders(ctx, "", ordersLooked)
	if err != nil {
		return err
	}
	for _, o := range orders {
		if o.Kind == store.Register && !o.Done() {
			return usagef("the database at DATABASE_URL holds order %q, whose registrations are not done: against the sandbox they "+
				"would be called registered without being bought; cancel the order, or use another database, or none", o.Reference)
		}
	}
	return nil
}
