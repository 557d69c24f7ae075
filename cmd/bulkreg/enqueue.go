package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/queue/intake/domainname"
	"github.com/bulkreg/bulkreg/queue/intake/input"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"
	"github.com/bulkreg/bulkreg/worker"
)

func (a *app) enqueueCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "enqueue",
		Short: "Give an order of WHOIS checks, registrations or tokens",
		Long: `enqueue accepts an order, whole or not at all. It is known by its reference: the same order under the same
reference again changes nothing, so that it is safe to repeat whenever in doubt, and another order under that
reference is refused.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.enqueueRegisterCommand())
	cmd.AddCommand(a.enqueueTokenCommand())
	cmd.AddCommand(a.enqueueWhoisCommand())
	return cmd
}

// aboutLines is said of every order that is read from lines.
const aboutLines = `Domains are brought into their ASCII form; one that stands there twice counts once. An order with a line that
cannot be used is refused as a whole. --skip-invalid leaves such lines out instead, and --rejects writes them
to a new file in the form of the input, each with what is wrong, to be fixed and sent again under another reference.
That file is made when there is such a line, and overwrites none.`

// enqueuing is one order on its way in from the command line.
type enqueuing struct {
	*app
	order       intake.Order
	skipInvalid bool
	rejects     string   // the file for invalid lines, "" for none
	ignore      []string // columns that may mean nothing
	allow       []string // words of a WHOIS status that bar no registration
	wait        bool
	limits      waitLimits

	asksRegistrar bool // reads its settings, too
	suffixes      domainname.Suffixes

	out     output
	cfg     config.Config
	reading *counting // how far the input is read
}

// flags adds what all orders share.
func (e *enqueuing) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&e.order.Reference, "order", "", "your own `REF` for the order (required)")
	e.addAccount(cmd, &e.order.Account, "`NAME` of the registrar's account to use")
	addSource(cmd, &e.order.Source)
	f.BoolVar(&e.skipInvalid, "skip-invalid", false, "leave lines out that cannot be used, instead of refusing the order")
	f.StringVar(&e.rejects, "rejects", "", "write the lines that cannot be used to a new `FILE`, for you alone to read, or with - to standard output")
	f.BoolVar(&e.wait, "wait", false, "follow the order to its end; Ctrl-C leaves it alone")
	e.limits.add(cmd)
	e.out.add(cmd)
}

// check refuses what needs no reading to be refused, and loads the settings.
func (e *enqueuing) check() error {
	if e.rejects == standardOutput && e.out.json() {
		return usagef("--rejects - and -o json both want standard output: give --rejects a file")
	}
	if strings.HasPrefix(e.order.Reference, "-") {
		return usagef("--order %s: a reference cannot begin with a hyphen, as flags do: give --order a value, such as order-1042, and then the other flags",
			shellWord(e.order.Reference))
	}
	if err := e.limits.check(e.wait); err != nil {
		return err
	}
	if e.order.Reference == "" {
		return usagef("--order is missing: give the order a reference of your own, which also makes it safe to repeat")
	}
	if err := e.order.Check(); err != nil {
		return usageError(err)
	}
	use := config.UseStore | config.UseOrders
	if e.asksRegistrar {
		use |= config.UseRegistrar
	}
	var err error
	if e.cfg, err = e.loadConfigFor(use); err != nil {
		return err
	}
	if e.suffixes, err = e.cfg.Suffixes(); err != nil {
		return usageError(err)
	}
	return nil
}

// take reads an order and takes it in, if approve agrees. A database that is not there is found before somebody has
// typed a long order.
func (e *enqueuing) take(ctx context.Context, open func() (*orderInput, error), approve approval) (err error) {
	st, err := openForOrders(ctx, e.cfg, nil, func(warning string) { say(e.stderr, "warning: %v\n", warning) })
	if err != nil {
		return err
	}
	defer st.Close()
	if e.order.Kind == queue.Token {
		err = checkTokens(ctx, e.cfg, st)
	} else {
		err = checkAccount(ctx, e.cfg, st, e.order.Account)
	}
	if err != nil {
		return err
	}
	in, err := open()
	if err != nil {
		return err
	}
	spool, err := e.read(ctx, in)
	if err := errors.Join(err, in.close()); err != nil {
		return errors.Join(err, closeSpool(spool))
	}
	defer func() { err = errors.Join(err, spool.Close()) }()
	return e.takeSpool(ctx, st, spool, in.reader.Stats(), approve)
}

func (e *enqueuing) takeSpool(ctx context.Context, st *store.Store, spool *intake.Spool, stats input.Stats, approve approval) error {
	taker, err := intake.New(st.Orders, intake.Chunks{Whois: e.cfg.WhoisBatchSize, Register: e.cfg.RegisterBatchSize, Token: worker.TokenTuning(e.cfg.TokenConcurrency).BatchSize})
	if err != nil {
		return err
	}
	if e.order.Kind == queue.Token {
		keys, err := e.cfg.SealKeys()
		if err != nil {
			return usageError(err)
		}
		taker = taker.SealingWith(keys)
	}
	o, found, err := taker.Find(ctx, e.order, spool)
	if err != nil {
		return refused(ctx, err)
	}
	proceed, err := approve(ctx, incoming{store: st, intake: taker, spool: spool, stats: stats, found: found})
	if err != nil || !proceed {
		return err
	}
	e.out.given = givenAgain
	if found {
		e.reportRepeat()
	} else if o, err = e.submit(ctx, taker, spool); err != nil {
		return err
	}
	if e.wait {
		return e.results().waitFor(ctx, st, o, e.limits, e.out)
	}
	sum, err := st.Orders.Summarize(ctx, o)
	if err != nil {
		return err
	}
	still, err := stillOf(ctx, st, sum)
	if err != nil {
		return err
	}
	return e.results().printOrder(e.out, sum, still...)
}

// results is the app that prints results: to standard error where the rejects have standard output.
func (e *enqueuing) results() *app {
	if e.rejects != standardOutput {
		return e.app
	}
	a := *e.app
	a.stdout = e.stderr
	return &a
}

// incoming is an order that was read, and not yet stored.
type incoming struct {
	store  *store.Store
	intake *intake.Intake
	spool  *intake.Spool
	stats  input.Stats
	found  bool // the same order is there already
}

// approval decides whether an order is stored.
type approval func(ctx context.Context, in incoming) (bool, error)

// stepSubmitted is when an order is stored and nobody has been told.
const stepSubmitted worker.Step = "submitted"

func (e *enqueuing) submit(ctx context.Context, taker *intake.Intake, spool *intake.Spool) (record.Order, error) {
	shown := e.startCounting("storing", spool.Len())
	res, err := taker.Telling(shown.show).Submit(ctx, e.order, spool)
	shown.end()
	if e.reached != nil {
		e.reached(stepSubmitted)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return res.Order, &exitErr{exitInterrupted, fmt.Errorf("interrupted while the order was being stored: "+
			"`bulkreg order %s` tells whether it is there, and to repeat the same command is safe", shellWord(e.order.Source+"/"+e.order.Reference))}
	case errors.Is(err, pg.ErrUnavailable):
		return res.Order, fmt.Errorf("%w; the order may be there all the same, and to repeat the same command is safe", err)
	case err != nil:
		return res.Order, refused(ctx, err)
	case !res.Created: // somebody else was quicker since we looked
		e.reportRepeat()
	default:
		e.out.given = givenNew
		say(e.stderr, "order %s accepted: %s\n", res.Order.Reference, term.Counted(res.Order.Total, "job", "jobs"))
	}
	if res.Duplicates > 0 {
		say(e.stderr, "%s: another order has the domain\n",
			term.Counted(res.Duplicates, "job ended at once as a duplicate", "jobs ended at once as duplicates"))
	}
	return res.Order, nil
}

func (e *enqueuing) reportRepeat() {
	say(e.stderr, "order %s is there already, with the same content: nothing was changed\n", e.order.Reference)
}

// refused is an order that the store does not take.
func refused(ctx context.Context, err error) error {
	var (
		conflict *record.ReferenceConflictError
		taken    *pg.JobTakenError
	)
	switch {
	case ctx.Err() != nil:
		return nothingStored()
	case errors.As(err, &taken) && taken.ID != uuid.Nil:
		return usageError(fmt.Errorf("nothing was stored: %w; `bulkreg job %s` shows the other one", err, taken.ID))
	case errors.As(err, &conflict), errors.Is(err, intake.ErrEmpty):
		return usageError(err)
	}
	return err
}

func nothingStored() error {
	return &exitErr{exitInterrupted, errors.New("interrupted: nothing was stored")}
}

// inputOptions say how the lines of an order are read.
func (e *enqueuing) inputOptions(holder string) input.Options {
	e.reading = e.startReading("lines")
	return input.Options{
		Kind: string(e.order.Kind), DefaultHolderID: holder, IgnoreColumns: e.ignore, DefaultAllowStatus: e.allow, Suffixes: e.suffixes,
		Progress: e.reading.show,
		Remedies: input.Remedies{
			IgnoreColumns: "--ignore-columns %s", DefaultHolder: "--holder ID", AllowPeriod: "--allow-period", FindHolder: "`bulkreg holder get`",
		},
	}
}
