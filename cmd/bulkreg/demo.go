package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/devenv"
	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/queue/intake/input"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// demoTime is how long the demo may take. It needs a tenth of that.
const demoTime = 2 * time.Minute

// demo checks domains and registers some of them as a customer would, shows how that comes along, and compares what
// bulkreg says with the sandbox's ledger. Any difference is an error.
func (a *app) demo(ctx context.Context, running *embedded) error {
	limited, cancel := context.WithTimeout(ctx, demoTime)
	defer cancel()
	err := a.runDemo(limited, running)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return errInterrupted
	case limited.Err() != nil:
		return fmt.Errorf("the demo was not done within %s, which it should have been", demoTime)
	}
	return fmt.Errorf("the demo failed: %w", err)
}

func (a *app) runDemo(ctx context.Context, running *embedded) error {
	run, err := nextRun(ctx, running.store)
	if err != nil {
		return err
	}
	plan := devenv.NewPlan(run)

	say(a.stderr, "\nAn order of %s WHOIS checks:\n", term.Thousands(len(plan.Whois)))
	checked, err := a.demoOrder(ctx, running, queue.Whois, demoReference(queue.Whois, run), plan.Whois)
	if err != nil {
		return err
	}
	before := running.sandbox.Ledger()

	say(a.stderr, "\nAn order of %s registrations, from a list that is a little out of date:\n", term.Thousands(len(plan.Register)))
	registered, err := a.demoOrder(ctx, running, queue.Register, demoReference(queue.Register, run), plan.Register)
	if err != nil {
		return err
	}
	after := running.sandbox.Ledger()

	if err := errors.Join(
		devenv.CompareOrder(ctx, running.store, checked, plan.Whois),
		devenv.CompareOrder(ctx, running.store, registered, plan.Register),
		devenv.CompareLedger(after, plan.Register),
	); err != nil {
		return err
	}
	words, err := refusalOf(ctx, running.store, registered.Order)
	if err != nil {
		return err
	}
	a.printDemo(checked, registered, before, after, words)
	return nil
}

// refusalOf is what the registrar said of a job that it refused.
func refusalOf(ctx context.Context, st *store.Store, o record.Order) (string, error) {
	for job, err := range st.Orders.Jobs(ctx, o.ID, orders.JobFilter{State: record.Failed}) {
		if err != nil {
			return "", err
		}
		if job.Outcome == record.Rejected && job.LastError != "" {
			return job.LastError, nil
		}
	}
	return "", errors.New("no rejected job has the registrar's words")
}

// nextRun finds a number under which no demo was run on this database before.
func nextRun(ctx context.Context, st *store.Store) (int, error) {
	for run := 1; ; run++ {
		for _, kind := range []queue.Kind{queue.Whois, queue.Register} {
			_, err := st.Orders.Find(ctx, cliSource, demoReference(kind, run))
			if err == nil {
				break
			}
			if !errors.Is(err, pg.ErrNotFound) {
				return 0, err
			}
			if kind == queue.Register {
				return run, nil
			}
		}
	}
}

func demoReference(kind queue.Kind, run int) string {
	reference := "demo-" + string(kind)
	if run > 1 {
		reference += "-" + strconv.Itoa(run)
	}
	return reference
}

// demoOrder takes an order in as `bulkreg enqueue` does and follows it to its end.
func (a *app) demoOrder(ctx context.Context, running *embedded, kind queue.Kind, reference string, jobs []devenv.Job) (_ record.Summary, err error) {
	var lines strings.Builder
	for _, job := range jobs {
		lines.WriteString(job.Domain + "\n")
	}
	reader, err := input.NewReader(strings.NewReader(lines.String()), input.Options{
		Kind: string(kind), Format: input.FormatLines, DefaultHolderID: sandbox.DefaultHolder,
	})
	if err != nil {
		return record.Summary{}, err
	}
	spool, err := intake.ReadSpool(reader, func(bad *input.RejectError) error { return bad })
	if err != nil {
		return record.Summary{}, err
	}
	defer func() { err = errors.Join(err, spool.Close()) }()
	in, err := intake.New(running.store.Orders, intake.Chunks{
		Whois: running.config.WhoisBatchSize, Register: running.config.RegisterBatchSize,
	})
	if err != nil {
		return record.Summary{}, err
	}
	order := intake.Order{Source: cliSource, Reference: reference, Kind: kind, Account: config.DefaultAccount}
	submitted, err := in.Submit(ctx, order, spool)
	if err != nil {
		return record.Summary{}, err
	}
	return a.follow(ctx, running.store, submitted.Order)
}

// printDemo tells a newcomer what happened.
func (a *app) printDemo(checked, registered record.Summary, before, after *sandbox.Ledger, refusal string) {
	checks := before.Counts[sandbox.OpWhois]
	fresh := after.Counts[sandbox.OpWhois] - checks
	paid := len(after.PaidDomains())
	fmt.Fprintf(a.stdout, `
%s domains were checked in %s to the registrar (%s):
  %5s  available
  %5s  taken

%s domains were ordered, in %s: %d fresh WHOIS checks and %d registrations (%s):
  %5s  registered
  %5s  taken     WHOIS said so just before, so they were never sent
  %5s  rejected  by the registrar, each with its words: "%s"

The registrar's own ledger says that %s registrations were paid, each once. They are the ones that bulkreg calls
registered.
`,
		term.Thousands(checked.Total), term.Counted(checks, "call", "calls"), took(checked),
		term.Thousands(checked.Outcomes[record.Available]), term.Thousands(checked.Outcomes[record.Taken]),
		term.Thousands(registered.Total), term.Counted(fresh+after.Counts[sandbox.OpRegister], "call", "calls"),
		fresh, after.Counts[sandbox.OpRegister], took(registered),
		term.Thousands(registered.Outcomes[record.Registered]), term.Thousands(registered.Outcomes[record.Taken]),
		term.Thousands(registered.Outcomes[record.Rejected]), refusal,
		term.Thousands(paid))
	fmt.Fprintf(a.stdout, `
Where to look next, when `+"`make build`"+` has made bin/bulkreg:
  bin/bulkreg dev --demo --keep   the same, and then it runs on and prints lines with export: paste them into a second
                                  terminal, in this folder, and ask there
      bin/bulkreg order %s
      bin/bulkreg jobs %s --state failed
  bin/bulkreg dev                 everything running and empty, for orders of your own
  bin/bulkreg --help              every command
  README.md                       how to run it for real
`, registered.Reference, registered.Reference)
}

// took is how long an order took.
func took(s record.Summary) string {
	return fmt.Sprintf("%.1f s", s.FinishedAt.Sub(s.CreatedAt).Seconds())
}
