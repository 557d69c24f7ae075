// Command peers measures bulkreg beside other ways to work off many jobs, in one run and in turn: River, Asynq as it is, Asynq's
// GroupAggregator, and a queue in Postgres that takes its jobs one by one. It is a module of its own, so that nothing of what it needs is the
// program's.
//
// It must never use servers that it did not start, leave anything behind, or count what was not worked off: a job that is lost fails the run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// options say how much is measured.
type options struct {
	jobs    int
	grouped int // jobs for the GroupAggregator, which hands over 100 a second
	rounds  int
	bulkreg string // the program
	only    []string
}

func parse(arguments []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&o.jobs, "jobs", 50_000, "how many jobs each peer works off")
	flags.IntVar(&o.grouped, "grouped", 1000, "how many of them Asynq's GroupAggregator works off, which takes a second for 100")
	flags.IntVar(&o.rounds, "rounds", 3, "how many times each peer is measured")
	flags.StringVar(&o.bulkreg, "bulkreg", "../../bin/bulkreg", "the bulkreg `FILE` that is measured")
	only := flags.String("only", "", "measure only these peers, with commas between them")
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	const most = 1_000_000 // of one order
	if o.jobs < 1 || o.jobs > most || o.grouped < 1 || o.grouped > most || o.rounds < 1 || flags.NArg() > 0 {
		return o, fmt.Errorf("give 1 to %d jobs, 1 round or more, and no other arguments", most)
	}
	for _, name := range o.only {
		if !slices.ContainsFunc(peers(o), func(p peer) bool { return p.name == name }) {
			return o, fmt.Errorf("there is no peer %q", name)
		}
	}
	return o, nil
}

// run measures round by round, so that what else the machine does meets all peers alike.
func run(ctx context.Context, arguments []string, stdout, stderr io.Writer) error {
	o, err := parse(arguments, stderr)
	if err != nil {
		return err
	}
	r := &report{peers: peers(o)}
	if len(o.only) > 0 {
		r.peers = slices.DeleteFunc(r.peers, func(p peer) bool { return !slices.Contains(o.only, p.name) })
	}
	for round := range o.rounds {
		for i := range r.peers {
			p := &r.peers[i]
			fmt.Fprintf(stderr, "round %d of %d: %s ...\n", round+1, o.rounds, p.name)
			m, err := p.measured(ctx)
			if ctx.Err() != nil {
				return errors.Join(errors.New("interrupted"), err)
			}
			if err != nil {
				return fmt.Errorf("measure %s: %w", p.name, err)
			}
			if err := r.add(i, m); err != nil {
				return fmt.Errorf("measure %s: %w", p.name, err)
			}
		}
	}
	return r.print(stdout)
}
