package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
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
		Short: "Run everything in one process, against a simulated registrar: nothing is bought",
		Long: `Run everything in one process: a throwaway Postgres, a Redis in memory, a sandbox that simulates the registrar,
a worker and the HTTP API, with a key for it. Nothing is bought, nothing needs to be configured, and when it ends nothing is left.

It prints what to export in a second terminal, so that the other commands work on it. If DATABASE_URL or REDIS_URL are
set, it uses those instead, and leaves there what it wrote: a database that is empty or that dev made, and a Redis that
nobody else uses. It never uses the REGISTRAR_* and PMG_* settings, and makes an encryption key unless there is one.`,
		Example: `  bulkreg dev --demo
  bulkreg dev`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if keep && !demo {
				return usagef("--keep goes with --demo; without it, dev runs until Ctrl-C anyway")
			}
			return a.dev(cmd.Context(), addr, demo, keep)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&addr, "addr", "127.0.0.1:0", "`HOST:PORT` of the sandbox; port 0 is a free one")
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
	if !demo || keep {
		if err := running.startAPI(ctx, a); err != nil {
			return err
		}
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
	say(a.stderr, `
and then try

  bulkreg enqueue whois example.nl taken-example.nl --order first --wait
  echo example.nl | bulkreg enqueue register - --holder %s --order second --yes --wait
  echo '{"email":"jan@example.nl","originator":"shop","privacyConsent":true}' | bulkreg enqueue token - --order third --wait
  bulkreg orders
  bulkreg whois example.nl
  curl -H "Authorization: Bearer $BULKREG_KEY" $BULKREG_API/v1/orders

Nothing is bought: the registrar is a sandbox, and its ledger is at %s/sandbox/ledger. The HTTP API is explained at %s/docs.
Ctrl-C ends it.
`, sandbox.DefaultHolder, running.sandbox.url, running.api)
}

// startWorker opens the database and starts a worker on it, with the settings that the other commands get, too.
func (e *embedded) startWorker(ctx context.Context, a *app) error {
	cfg, err := config.Load(e.environ)
	if err != nil {
		return usageError(err)
	}
	var isNew bool
	log, err := a.newLogger(cfg)
	if err != nil {
		return err
	}
	e.traces = sendTraces(ctx, cfg, "bulkreg-dev", log)
	e.push(func() error { e.traces.Close(); return nil })
	if e.store, isNew, err = openDev(ctx, cfg, store.Options{Traces: e.traces.Provider()}); err != nil {
		return err
	}
	e.push(func() error { e.store.Close(); return nil })
	if e.redisGiven {
		if err := refuseBusyRedis(ctx, e.redis, isNew); err != nil {
			return err
		}
	}
	accounts, opened, err := connectAccounts(cfg, queue.Kinds(), e.metrics.calls)
	if err != nil {
		return err
	}
	e.push(func() error { opened.close(); return nil })
	w, err := a.newWorker(cfg, e.store, accounts, queue.Kinds(), watchers{e.health, e.metrics, e.traces}, log)
	if err != nil {
		return err
	}
	e.config = cfg
	e.goWorker(w)
	return nil
}
