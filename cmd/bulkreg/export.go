package main

import (
	"bufio"
	"context"
	"errors"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/queue/api/export"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"
	"github.com/bulkreg/bulkreg/store/seal"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/store"
)

func (a *app) exportCommand() *cobra.Command {
	var (
		source string
		format choice
		state  choices
	)
	cmd := &cobra.Command{
		Use:   "export REF",
		Short: "Write all jobs of an order as CSV or NDJSON",
		Long: `export writes all jobs of an order to standard output as they come, in the order in which they were given.

CSV has a header; its columns begin with job_id, domain, kind, state, outcome, attempts, error. Texts are in quotes. Where
a spreadsheet would take one for a formula, because it begins with = + - @ or one of their full-width twins, or because
such a sign follows a semicolon or a tab, an apostrophe stands before the sign: the error is the registrar's text, and no
text of others should be able to run there. NDJSON is one object a line, with the same names and every text as it is.

Of an order of tokens it also writes, while they are good, the token, redirect_url and account_url, and when they expire: these
are keys to people's accounts, and this is the only way to get them. It needs TOKEN_ENCRYPTION_KEY for that. Expired ones are
gone: ` + "`bulkreg retry`" + ` asks for new ones.`,
		Example: `  bulkreg export order-1042 > order-1042.csv
  bulkreg export order-1042 --state failed --format ndjson`,
		Args:              oneArg(anOrder),
		ValidArgsFunction: a.complete(1, orderNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withOrder(cmd.Context(), source, args[0], func(ctx context.Context, st *store.Store, o record.Order) error {
				if err := o.Kept(); err != nil {
					return err
				}
				w := bufio.NewWriterSize(a.stdout, 1<<16)
				write := export.CSV
				if format.value == "ndjson" {
					write = export.NDJSON
				}
				tokens, err := export.ReadTokens(ctx, st, o, a.sealKeys)
				if err != nil {
					return err
				}
				// What was written before an error is of use, and the error says that it is not all.
				err = errors.Join(write(w, tokens, st.Orders.Jobs(ctx, o.ID, orders.JobFilter{States: state.states()})), w.Flush())
				if unknown := (*seal.UnknownKeyError)(nil); errors.As(err, &unknown) {
					return usageError(err)
				}
				return err
			})
		},
	}
	addWhose(cmd, &source)
	addState(cmd, &state)
	addChoice(cmd, &format, "format", "", "write in this `FORMAT`: csv or ndjson", "csv", "csv", "ndjson")
	return cmd
}

// sealKeys are the keys with which tokens are kept.
func (a *app) sealKeys() (seal.Keys, error) {
	cfg, err := a.loadConfigFor(config.UseStore)
	if err != nil {
		return seal.Keys{}, err
	}
	keys, err := cfg.SealKeys()
	if err != nil {
		return seal.Keys{}, usageError(err)
	}
	return keys, nil
}
