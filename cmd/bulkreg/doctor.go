package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/doctor"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/queue/intake/domainname"
)

// doctorTime bounds the examination of a server, so that what hangs shows as such.
const doctorTime = 15 * time.Second

// examination looks at everything that bulkreg needs. Nothing that it does costs money.
type examination struct {
	*app
	doctor.Report
	domain domainname.Name // that the registrar is asked about
}

func (a *app) doctorCommand() *cobra.Command {
	var (
		domain string
		out    output
	)
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look at everything that bulkreg needs, and say what is wrong and what to do",
		Long: `doctor looks, a line each:

  settings   whether all that are set can be used
  postgres   whether it answers and is new enough; its encoding and schema; whether it takes writes and keeps what it commits (fsync,
             full_page_writes, synchronous_commit); standbys and replication slots; whether it is the one on record, or was promoted or
             restored; autovacuum, dead rows, and transactions that stay open
  redis      whether it answers, is new enough, takes writes, never evicts (noeviction) and keeps an append-only file
  clocks     whether those of Postgres, Redis and this machine agree
  registrar  for each account: whether it gives a token and answers a WHOIS check of one domain, and whether both replies have the fields
             of the contract: which are missing, of another kind, or known to nobody
  gettoken   whether somebody answers at PMG_TOKEN_URL
  webhooks   which are disabled, fail, or have a backlog
  workers    work that no live worker is there for, what workers complain of, and queues that somebody paused
  holds      accounts and orders that stand still
  jobs       those that are overdue, and those that a person must decide on

A line is ok, warn (it works, and seldom so on purpose, or waits for a person), fail, or skip (it could not be looked at), and says what to do.

Nothing that it does costs money: it makes one WHOIS check an account, and asks GetToken for nothing. It changes nothing but a key in Redis that
goes by itself. It exits with 0 where nothing fails, and else with 1; a warning fails nothing.`,
		Example: `  bulkreg doctor
  bulkreg doctor --domain example.be
  bulkreg doctor -o json | jq '.[] | select(.health != "ok")'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			name, err := a.extraSuffixes().Parse(domain)
			if err != nil {
				return usagef("--domain: %w", err)
			}
			d := &examination{app: a, domain: name}
			if err := d.examine(cmd.Context()); err != nil {
				return err
			}
			return d.report(out)
		},
	}
	cmd.Flags().StringVar(&domain, "domain", "example.nl", "the `DOMAIN` that the registrar is asked about")
	out.addList(cmd)
	return cmd
}

// examine looks at one thing after the other. What is wrong with one keeps it from no other.
func (d *examination) examine(ctx context.Context) error {
	d.settings()
	for _, look := range []func(context.Context){d.postgres, d.redis} {
		looking, cancel := context.WithTimeout(ctx, doctorTime)
		look(looking)
		cancel()
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	d.registrar(ctx)
	d.gettoken(ctx)
	d.Sort()
	return ctx.Err()
}

// settings are read as a worker reads them. The examinations go on with what there is.
func (d *examination) settings() {
	cfg, err := config.LoadFor(d.environ, config.UseAll)
	var wrong *config.Error
	switch {
	case errors.As(err, &wrong):
		for _, problem := range wrong.Problems {
			d.Say(doctor.Settings, doctor.Fail, "correct it in the environment; `bulkreg config` lists every setting", "%s", problem)
		}
	case err != nil:
		d.Say(doctor.Settings, doctor.Fail, "", "%v", err)
	default:
		d.Say(doctor.Settings, doctor.OK, "", "all that are set can be used")
		for _, warning := range cfg.Warnings() {
			d.Say(doctor.Settings, doctor.Warn, "", "%s", warning)
		}
	}
}

func (d *examination) report(out output) error {
	if err := d.print(out); err != nil {
		return err
	}
	if failed := d.Count(doctor.Fail); failed > 0 {
		return &exitErr{exitError, fmt.Errorf("%s", term.Counted(failed, "thing is wrong", "things are wrong"))}
	}
	return nil
}

func (d *examination) print(out output) error {
	if out.json() {
		array := newJSONArray(d.stdout)
		for _, f := range d.Found {
			if err := array.add(f); err != nil {
				return err
			}
		}
		return array.end()
	}
	if out.tsv() {
		t := out.newTable(d.stdout, "ABOUT", "IS", "WHAT", "DO")
		for _, f := range d.Found {
			t.row(f.About, string(f.Health), f.Words, f.Do)
		}
		return t.end()
	}
	// What to do stands behind what is wrong: in a column of its own it would be far to the right.
	t := newTable(d.stdout, "ABOUT", "IS", "WHAT")
	for _, f := range d.Found {
		what := f.Words
		if f.Do != "" {
			what += ". To do: " + f.Do
		}
		t.row(f.About, string(f.Health), what)
	}
	return t.end()
}
