package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/queue/api/view"

	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/queue/intake/input"
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
				w := bufio.NewWriterSize(a.stdout, 1<<16)
				export := exportCSV
				if format.value == "ndjson" {
					export = exportNDJSON
				}
				// What was written before an error is of use, and the error says that it is not all.
				tokens, err := a.tokensOf(ctx, st, o)
				if err != nil {
					return err
				}
				return errors.Join(export(ctx, w, st, tokens, orders.JobFilter{States: state.states()}), w.Flush())
			})
		},
	}
	addWhose(cmd, &source)
	addState(cmd, &state)
	addChoice(cmd, &format, "format", "", "write in this `FORMAT`: csv or ndjson", "csv", "csv", "ndjson")
	return cmd
}

func exportNDJSON(ctx context.Context, w io.Writer, st *store.Store, tokens *exportedTokens, f orders.JobFilter) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	for j, err := range st.Orders.Jobs(ctx, tokens.order.ID, f) {
		if err != nil {
			return err
		}
		token, err := tokens.of(j)
		if err != nil {
			return err
		}
		if err := encoder.Encode(exportedJobJSON{view.JobOf(j), token}); err != nil {
			return fmt.Errorf("write export: %w", err)
		}
	}
	return nil
}

// exportedJobJSON is a job of an export, with its token while that is good.
type exportedJobJSON struct {
	view.Job
	tokenOut
}

// exportColumns are part of the interface: new ones go to the end.
func exportColumns() []string {
	return []string{
		"job_id", "domain", "kind", "state", "outcome", "attempts", "error",
		"domain_unicode", "holder_id", "period_months", "nameservers", "created_at", "finished_at",
		"whois_status", "allow_status",
	}
}

func exportCSV(ctx context.Context, w io.Writer, st *store.Store, tokens *exportedTokens, f orders.JobFilter) error {
	write := func(cells []string) error {
		if _, err := io.WriteString(w, strings.Join(cells, ",")+"\n"); err != nil {
			return fmt.Errorf("write export: %w", err)
		}
		return nil
	}
	columns, withTokens := exportColumns(), tokens.order.Kind == record.Token
	if withTokens {
		columns = append(columns, tokenColumns()...)
	}
	if err := write(columns); err != nil {
		return err
	}
	for j, err := range st.Orders.Jobs(ctx, tokens.order.ID, f) {
		if err != nil {
			return err
		}
		row := exportRow(j)
		if withTokens {
			token, err := tokens.of(j)
			if err != nil {
				return err
			}
			row = append(row, token.cells(j)...)
		}
		if err := write(row); err != nil {
			return err
		}
	}
	return nil
}

// exportRow is a job's cells. Those without quotes are numbers, times, and words of ours.
func exportRow(j record.Job) []string {
	period := ""
	if j.PeriodMonths > 0 {
		period = strconv.Itoa(j.PeriodMonths)
	}
	return []string{
		j.ID.String(), textCell(j.Domain), string(j.Kind), string(j.State), string(j.Outcome), strconv.Itoa(j.Attempts), textCell(j.LastError),
		textCell(j.DomainUnicode), textCell(j.HolderID), period, textCell(strings.Join(j.Nameservers, " ")), exportTime(j.CreatedAt), exportTime(j.FinishedAt),
		textCell(j.WhoisStatus), textCell(strings.Join(j.AllowStatus, ",")),
	}
}

// textCell is text as a cell that is quoted whatever is in it, so that no reader parts it at another sign than the comma.
func textCell(text string) string {
	return `"` + strings.ReplaceAll(harmless(text), `"`, `""`) + `"`
}

// harmless keeps a spreadsheet from taking text for a formula, also one that parts cells at semicolons or tabs and does not
// heed quotes.
func harmless(text string) string { return input.Disarm(text, ";\t\r\n") }

func exportTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
