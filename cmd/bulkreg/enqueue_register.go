package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/queue"
)

// registering is a registration order on its way in.
type registering struct {
	enqueuing
	holder string
	yes    bool
	dryRun bool
	report string // the file for what a dry run finds of each domain, "" for standard output

	maxDomains  int // 0: as many as there are
	allowPeriod bool

	accountSettings config.Account // of a dry run
}

func (a *app) enqueueRegisterCommand() *cobra.Command {
	r := &registering{enqueuing: enqueuing{app: a}}
	r.order.Kind = queue.Register
	cmd := &cobra.Command{
		Use:   "register [FILE|-] --order REF",
		Short: "Order registrations, which cost money: CSV with a header, or NDJSON",
		Long: `register orders the registration of every domain in a file or on standard input: CSV with a header, or NDJSON.
The columns are domain, holder_id, period (months, 12 unless given) and nameservers (none, or two to thirteen,
separated by spaces). --holder is for lines that name no holder; with it, one domain a line will do. A column or field
of another name may be a slip, and what it was meant for would be paid for without it: such an order is refused, unless
--ignore-columns names the column.

Instead of a holder_id, a line may carry the holder's details: company, firstname, lastname, email, phone, street,
housenumber, postalcode, city and country, in NDJSON also as one object named holder. That holder is found at the
registrar by e-mail address, or created once, however many domains there are. Details are kept in the database alone,
and ` + "`bulkreg purge`" + ` removes them.

A domain that WHOIS calls available, but also premium, reserved or the like, or names a price for, is not registered: its
job ends as rejected with these words. --allow-status WORD allows a word for every line that has no column allow_status of
its own. To allow premium allows its price, whatever that is.

A registration costs money and cannot be undone. So the plan is shown first, and it is asked for on a terminal;
elsewhere it needs --yes. A domain that another order has registered, or is about to, is not sent again: that job
ends as a duplicate. --max-domains refuses an order of more domains, and a period that is no whole number of years needs
--allow-period. --dry-run also checks by WHOIS what would be sent, looks each holder up, prints what was said of each domain
(--out writes that to a file) and how many are available, taken and unknown, and stores nothing. It exits with 1 when some are
unknown.

` + aboutLines,
		Example: `  bulkreg enqueue register domains.csv --order order-1042 --dry-run
  bulkreg enqueue register domains.csv --order order-1042 --dry-run --out found.csv
  bulkreg enqueue register domains.csv --order order-1042 --yes --wait --max-domains 100
  bulkreg enqueue register domains.csv --order order-1042 --ignore-columns note,price
  bulkreg enqueue register domains.csv --order order-1042 --allow-status premium,reserved
  echo example.nl | bulkreg enqueue register - --order order-1043 --holder H-1 --yes`,
		RunE: func(cmd *cobra.Command, args []string) error { return r.register(cmd.Context(), args) },
	}
	r.flags(cmd)
	cmd.Flags().StringVar(&r.holder, "holder", "", "the holder's `ID` for lines that name none")
	cmd.Flags().StringSliceVar(&r.ignore, "ignore-columns", nil, "pass over columns or fields that mean nothing: `NAME,...`, or all")
	cmd.Flags().StringSliceVar(&r.allow, "allow-status", nil, "register domains of which WHOIS also says this `WORD`, such as premium, for lines that name none")
	cmd.Flags().BoolVar(&r.yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&r.dryRun, "dry-run", false, "check the plan by WHOIS and store nothing")
	cmd.Flags().StringVar(&r.report, "out", "", "of a dry run: write what WHOIS says of each domain to a new `FILE`, as NDJSON where its name ends in .json or .ndjson, else as CSV")
	cmd.Flags().IntVar(&r.maxDomains, "max-domains", 0, "refuse an order of more than `N` domains")
	cmd.Flags().BoolVar(&r.allowPeriod, "allow-period", false, "allow periods that are no whole number of years")
	return cmd
}

func (r *registering) register(ctx context.Context, args []string) error {
	path, err := onlyFile(args)
	if err != nil {
		return err
	}
	if r.dryRun && r.wait {
		return usagef("--dry-run stores nothing, so that there is nothing to --wait for: leave one of them out")
	}
	switch {
	case r.report != "" && !r.dryRun:
		return usagef("--out is for what a --dry-run finds: add --dry-run, or leave it out")
	case r.maxDomains < 0:
		return usagef("--max-domains %d: give a whole number, such as 100", r.maxDomains)
	}
	r.asksRegistrar = r.dryRun
	if err := r.check(); err != nil {
		return err
	}
	if r.dryRun {
		if r.accountSettings, err = r.cfg.Account(r.order.Account); err != nil {
			return usageError(err)
		}
	}
	options := r.inputOptions(r.holder)
	options.WholeYears = !r.allowPeriod
	open := func() (*orderInput, error) { return r.openInput(ctx, path, options) }
	return r.take(ctx, open, func(ctx context.Context, in incoming) (bool, error) { return r.approve(ctx, in, path) })
}

// approve shows the plan and, unless it is a dry run, asks whether to go on.
func (r *registering) approve(ctx context.Context, in incoming, path string) (bool, error) {
	if n := in.spool.Len(); r.maxDomains > 0 && n > r.maxDomains {
		return false, usagef("the order has %s, and --max-domains allows %s: look at the file, or raise the number; nothing was stored",
			term.Counted(n, "domain", "domains"), term.Thousands(r.maxDomains))
	}
	if in.found && !r.dryRun {
		return true, nil // it changes nothing
	}
	p, err := r.plan(ctx, in)
	if err != nil {
		return false, refused(ctx, err)
	}
	p.print(r.stderr)
	switch {
	case r.dryRun:
		return false, r.rehearse(ctx, in, p)
	case r.yes:
		return true, nil
	case path == standardInput:
		return false, usagef("standard input is the order itself, so that nobody can be asked: " +
			"add --yes to go on, or --dry-run to try; nothing was stored")
	case !r.canAsk():
		return false, usagef("there is no terminal to ask on: add --yes to go on, or --dry-run to try; nothing was stored")
	}
	yes, err := r.ask(ctx, p.question())
	switch {
	case ctx.Err() != nil:
		return false, nothingStored()
	case err != nil:
		return false, err
	case !yes:
		return false, usagef("nothing was stored")
	}
	return true, nil
}
