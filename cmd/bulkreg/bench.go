package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/bench"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
)

// benchOptions say how much is measured, and where the figures go.
type benchOptions struct {
	bench.Options
	rows []string // to measure; none: all
	json string   // file for the figures; "" for none
}

func (a *app) benchCommand() *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure the throughput on this machine, against a simulated registrar: nothing is bought",
		Long: `Measure how fast this machine works, in about a minute. Nothing is bought, nothing needs to be configured, and no
setting of this environment plays a part: bench runs a Postgres of its own, whose commits survive a crash, a Redis of
its own, and from this program a sandbox that simulates the registrar and a worker. All of it is gone afterwards.

A row is one order, from before its input is read until its last domain or person is settled:

  whois-0ms      WHOIS checks while a call takes no time: what this machine can do
  whois-50ms     while a call takes 50 ms, with 100 domains in a call and 4 calls in flight
  whois-200ms    the same with 200 ms
  register-50ms  registrations, with 50 domains in a call and 2 calls in flight
  token-50ms     account tokens, with one person in a call, as there is no bulk call, and 8 calls in flight
  one-domain     orders of one domain each, one after another, while a large order is worked on
  api-orders     orders of one domain each, given over HTTP by 8 clients, accepted and durable, while a reader follows the log of
                 events, which is told of every one or the row fails; then one of 100,000 domains, and 1,000 open streams

LIMIT/S is what the calls allow: domains (or people) in a call, times calls in flight, by the time of a call. SHARE is how much of it
was reached. REDIS is what the order took of Redis at most, above what an idle worker takes. WORKER is the most
memory that the worker process ever had. TOLD is how many orders the reader was told of, and STREAMS by how much the API's memory grew. MACHINE tells what the figures were measured on.`,
		Example: `  bulkreg bench
  bulkreg bench --rows whois-0ms,one-domain --json figures.json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return a.bench(cmd.Context(), o)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&o.Domains, "domains", 200_000, "how many `domains` the row without latency has")
	flags.Float64Var(&o.Seconds, "seconds", 8, "how many `seconds` a row with latency takes at its limit")
	flags.StringSliceVar(&o.rows, "rows", nil, "measure only these `rows`")
	flags.StringVar(&o.json, "json", "", "also write the figures to `FILE`, in JSON")
	return cmd
}

// check refuses what could not be measured, or only found out after minutes.
func (o benchOptions) check() error {
	if o.Domains < 1 || o.Domains > bench.MostDomains {
		return usagef("--domains %d: give 1 to %s", o.Domains, term.Thousands(bench.MostDomains))
	}
	if !(o.Seconds > 0 && o.Seconds <= bench.MostSeconds) { // refuses NaN, too
		return usagef("--seconds %g: give more than 0 and at most %d", o.Seconds, bench.MostSeconds)
	}
	var known []string
	for _, row := range bench.Rows(o.Options) {
		known = append(known, row.Name)
	}
	for _, name := range o.rows {
		if !slices.Contains(known, name) {
			return usagef("--rows: there is no row %q: give some of %s", name, strings.Join(known, ", "))
		}
	}
	if o.json == "" {
		return nil
	}
	dir := filepath.Dir(o.json)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return usagef("--json %s: there is no folder %s", o.json, dir)
	}
	return nil
}

// bench measures row after row. What was measured before something went wrong is printed, too.
func (a *app) bench(ctx context.Context, o benchOptions) error {
	report, err := a.measure(ctx, o)
	if len(report.Rows) > 0 {
		err = errors.Join(err, report.Print(a.stdout))
	}
	switch {
	case ctx.Err() != nil:
		return errInterrupted
	case err != nil:
		return err
	case o.json == "":
		return nil
	}
	return report.Write(o.json)
}

func (a *app) measure(ctx context.Context, o benchOptions) (report bench.Report, err error) {
	fmt.Fprintln(a.stderr, "Starting a Postgres and a Redis ...")
	rig, err := bench.Start(ctx, a.environ, a.stderr)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, rig.Stop()) }()
	if report.Machine, err = rig.Machine(ctx); err != nil {
		return report, err
	}
	for _, row := range bench.Rows(o.Options) {
		if len(o.rows) > 0 && !slices.Contains(o.rows, row.Name) {
			continue
		}
		fmt.Fprintf(a.stderr, "%s: %s ...\n", row.Name, row.About())
		figures, err := rig.Measure(ctx, row)
		if err != nil {
			return report, fmt.Errorf("measure %s: %w", row.Name, err)
		}
		report.Rows = append(report.Rows, figures)
	}
	return report, nil
}
