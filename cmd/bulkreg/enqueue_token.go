package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store"
)

// tokenEnqueuing is an order of tokens on its way in.
type tokenEnqueuing struct {
	enqueuing
	dryRun bool
}

func (a *app) enqueueTokenCommand() *cobra.Command {
	e := &tokenEnqueuing{enqueuing: enqueuing{app: a}}
	e.order.Kind = queue.Token
	cmd := &cobra.Command{
		Use:   "token [FILE|-] --order REF",
		Short: "Order tokens for people's accounts: CSV with a header, or NDJSON",
		Long: `token orders a token of PMG's GetToken for every person in a file or on standard input: CSV with the header
email,originator,languageCode,firstname,lastname,privacyConsent, or NDJSON with these fields. The e-mail address, the
originator, which is the code of the portal that asks, and privacyConsent, true or false, have to be there; with false,
just that is sent. One address that stands there twice counts once.

A token is a key to somebody's account, and good for ten minutes from its call on. It and the URLs that come with it are
kept encrypted, and ` + "`bulkreg export`" + ` gives them out while they are good; then they are erased, and the job says expired.
` + "`bulkreg retry`" + ` asks for new ones. People are kept encrypted too, and ` + "`bulkreg purge`" + ` removes them: lists show a subject
such as person-evbhpobvk3xqp64m in the place of a name, and ` + "`bulkreg jobs --subject ADDRESS`" + ` finds it.

TOKEN_ENCRYPTION_KEY has to be the same here and with the workers. --dry-run says what would be ordered, and stores nothing.

` + aboutPeople,
		Example: `  bulkreg enqueue token people.csv --order order-1042 --wait && bulkreg export order-1042
  bulkreg enqueue token people.csv --order order-1042 --dry-run
  echo '{"email":"jan@example.nl","originator":"shop","privacyConsent":true}' | bulkreg enqueue token - --order order-1043`,
		RunE: func(cmd *cobra.Command, args []string) error { return e.tokens(cmd.Context(), args) },
	}
	e.flags(cmd)
	e.order.Account = queue.TokenAccount
	hide(cmd, "account")
	cmd.Flags().StringSliceVar(&e.ignore, "ignore-columns", nil, "pass over columns or fields that mean nothing: `NAME,...`, or all")
	cmd.Flags().BoolVar(&e.dryRun, "dry-run", false, "say what would be ordered, and store nothing")
	return cmd
}

// hide takes a flag out of the help: there is nothing to choose.
func hide(cmd *cobra.Command, flag string) {
	if err := cmd.Flags().MarkHidden(flag); err != nil { // it fails only for a flag that was not defined, and this one was
		panic(err)
	}
}

// aboutPeople is aboutLines for orders of people.
const aboutPeople = `An order with a line that cannot be used is refused as a whole, and all that is wrong with a line is said at once.
--skip-invalid leaves such lines out instead, and --rejects writes them to a new file in the form of the input, each with
what is wrong, to be fixed and sent again under another reference. That file is made when there is such a line, and
overwrites none.`

func (e *tokenEnqueuing) tokens(ctx context.Context, args []string) error {
	path, err := onlyFile(args)
	if err != nil {
		return err
	}
	if e.dryRun && e.wait {
		return usagef("--dry-run stores nothing, so that there is nothing to --wait for: leave one of them out")
	}
	e.order.Account = queue.Token.Account(e.order.Account)
	if err := e.check(); err != nil {
		return err
	}
	if _, err := e.cfg.SealKeys(); err != nil {
		return usageError(fmt.Errorf("tokens cannot be ordered: %w", err))
	}
	options := e.inputOptions("")
	if options.Languages, err = e.cfg.Languages(); err != nil {
		return usageError(err)
	}
	open := func() (*orderInput, error) { return e.openInput(ctx, path, options) }
	return e.take(ctx, open, func(_ context.Context, in incoming) (bool, error) { return e.approve(in) })
}

// approve says what is ordered. It costs nothing, so that nobody is asked.
func (e *tokenEnqueuing) approve(in incoming) (bool, error) {
	people, err := in.spool.People()
	if err != nil {
		return false, err
	}
	say(e.stderr, "The plan: tokens for %s, %s of whom agreed to the privacy terms.\n", term.Counted(people.Total, "person", "people"), term.Thousands(people.Agreed))
	if e.dryRun {
		say(e.stderr, "This was a dry run: nothing was stored.\n")
		if e.out.json() {
			return false, term.PrintJSON(e.stdout, people)
		}
	}
	return !e.dryRun, nil
}

// checkTokens refuses tokens that nobody could ask for: neither a worker that ever ran, nor the settings here have credentials.
func checkTokens(ctx context.Context, cfg config.Config, st *store.Store) error {
	if cfg.Tokens() {
		return nil
	}
	known, err := st.Fleet.Accounts(ctx)
	if err != nil || slices.Contains(known, queue.TokenAccount) {
		return err
	}
	return usagef("no worker asks for tokens yet, and PMG_ACCESS_TOKEN is not set here: start one with PMG_ACCESS_TOKEN and TOKEN_ENCRYPTION_KEY")
}
