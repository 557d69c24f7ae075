package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/pruning"
	"github.com/bulkreg/bulkreg/store/record"
)

// pruningRun is the removal of jobs that ended long ago.
type pruningRun struct {
	*app
	kinds       []string
	olderThan   age
	dryRun, yes bool
	out         output
}

func (a *app) pruneCommand() *cobra.Command {
	p := &pruningRun{app: a}
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Remove the jobs of WHOIS and token orders that ended long ago",
		Long: `prune removes the jobs of orders of WHOIS checks and of tokens whose last job ended longer ago than --older-than says, or else
RETENTION_WHOIS and RETENTION_TOKEN, and the calls that were made for them. The order itself stays, with its counts, labels and events, and says since
when its jobs are gone; a repeat of it is still known as one. Registrations are kept for ever.

Where these settings are given, workers do the same by themselves, a little each minute. The plan is shown first, and it is asked for
on a terminal; elsewhere it needs --yes. What was begun and broken off is seen through by the next prune, or by a worker.`,
		Example: `  bulkreg prune --older-than 90d --dry-run
  bulkreg prune --kind whois --older-than 90d --yes`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.run(cmd.Context()) },
	}
	cmd.Flags().StringSliceVar(&p.kinds, "kind", []string{string(record.Whois), string(record.Token)}, "only orders of these `KINDS`: whois, token")
	cmd.Flags().Var(&p.olderThan, "older-than", "how long ago the last job must have ended: `AGE` such as 90d or 36h (default: as the settings say)")
	cmd.Flags().BoolVar(&p.dryRun, "dry-run", false, "show the plan and remove nothing")
	cmd.Flags().BoolVar(&p.yes, "yes", false, "do not ask")
	p.out.add(cmd)
	return cmd
}

// prunedJSON is what became of the orders of a kind. Its names are part of the interface.
type prunedJSON struct {
	Kind      record.Kind `json:"kind"`
	OlderThan string      `json:"older_than"`
	Orders    int         `json:"orders"` // due when it began
	Jobs      int         `json:"jobs"`
	DryRun    bool        `json:"dry_run"`
}

func (p *pruningRun) run(ctx context.Context) error {
	cfg, err := p.loadConfigFor(config.UseStore)
	if err != nil {
		return err
	}
	ages, err := p.ages(cfg)
	if err != nil {
		return err
	}
	return p.withStore(ctx, func(ctx context.Context, st *store.Store) error {
		planned := make([]prunedJSON, len(ages))
		orders, jobs := 0, 0
		for i, age := range ages {
			plan, err := st.Pruning.Plan(ctx, age)
			if err != nil {
				return unchanged(ctx, err)
			}
			planned[i] = prunedJSON{age.Kind, spelled(age.OlderThan), plan.Orders, plan.Jobs, p.dryRun}
			orders, jobs = orders+plan.Orders, jobs+plan.Jobs
		}
		p.tell(planned)
		if !p.dryRun {
			question := fmt.Sprintf("Remove %s of %s? They cannot be brought back.", term.Counted(jobs, "job", "jobs"), term.Counted(orders, "order", "orders"))
			if orders > 0 {
				if err := p.consent(ctx, p.yes, question); err != nil {
					return err
				}
			}
			if err := remove(ctx, st, ages); err != nil {
				return fmt.Errorf("%w; the same command goes on where it stopped", err)
			}
		}
		return p.print(planned)
	})
}

// ages are what is to go of each kind.
func (p *pruningRun) ages(cfg config.Config) ([]pruning.Age, error) {
	settings := map[record.Kind]time.Duration{record.Whois: cfg.RetentionWhois, record.Token: cfg.RetentionToken}
	var ages []pruning.Age
	for _, name := range p.kinds {
		setting, known := settings[record.Kind(name)]
		if !known {
			return nil, usagef("--kind %q cannot be pruned: whois and token can, and registrations are kept for ever", name)
		}
		if older := cmp.Or(time.Duration(p.olderThan), setting); older > 0 {
			ages = append(ages, pruning.Age{Kind: record.Kind(name), OlderThan: older})
		}
	}
	if len(ages) == 0 {
		return nil, usagef("say how long ago an order must have ended, with --older-than such as 90d: neither RETENTION_WHOIS nor RETENTION_TOKEN says so for --kind %s",
			strings.Join(p.kinds, ","))
	}
	return ages, nil
}

func (p *pruningRun) tell(planned []prunedJSON) {
	for _, k := range planned {
		say(p.stderr, "The plan: %s of %s, of kind %s, that ended more than %s ago.\n",
			term.Counted(k.Jobs, "job", "jobs"), term.Counted(k.Orders, "order", "orders"), k.Kind, k.OlderThan)
	}
	if p.dryRun {
		fmt.Fprintln(p.stderr, "This was a dry run: nothing was removed.")
	}
}

// Orders that are marked at once, and jobs that a step removes.
const (
	pruneOrders = 5000
	pruneJobs   = 10_000
)

// remove removes what is due, and whatever somebody began to remove before.
func remove(ctx context.Context, st *store.Store, ages []pruning.Age) error {
	for _, age := range ages {
		for marked := pruneOrders; marked == pruneOrders; {
			var err error
			if marked, err = st.Pruning.Begin(ctx, age, pruneOrders); err != nil {
				return err
			}
		}
	}
	for {
		removed, err := st.Pruning.Remove(ctx, pruneJobs)
		if err != nil || !removed.More {
			return err
		}
	}
}

func (p *pruningRun) print(planned []prunedJSON) error {
	if p.out.json() {
		return term.PrintJSON(p.stdout, planned)
	}
	t := newTable(p.stdout, "KIND", "OLDER THAN", "ORDERS", "JOBS")
	for _, k := range planned {
		t.row(string(k.Kind), k.OlderThan, term.Thousands(k.Orders), term.Thousands(k.Jobs))
	}
	return t.end()
}

// spelled is a time in days and hours where it is made of such.
func spelled(d time.Duration) string {
	if d%time.Hour != 0 {
		return d.String()
	}
	a := age(d)
	return a.String()
}
