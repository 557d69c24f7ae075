package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/store"
)

func (a *app) exportCommand() *cobra.Command {
	var (
		source        string
		format, state choice
	)
	cmd := &cobra.Command{
		Use:   "export REF",
		Short: "Write all jobs of an order as CSV or NDJSON",
		Long: `export writes all jobs of an order to standard output as they come, in the order in which they were given.

CSV has a header; its columns begin with job_id, domain, kind, state, outcome, attempts, error. A cell that a
spreadsheet would take for a formula, because it begins with = + - @ or a tab, gets an apostrophe before
it: the error is the registrar's text, and no text of others should be able to run there. NDJSON is one object
a line, with the same names and every text as it is.`,
		Example: `  bulkreg export order-1042 > order-1042.csv
  bulkreg export order-1042 --state failed --format ndjson`,
		Args:              oneArg(anOrder),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withOrder(cmd.Context(), source, args[0], func(ctx context.Context, st *store.Store, o store.Order) error {
				w := bufio.NewWriterSize(a.stdout, 1<<16)
				export := exportCSV
				if format.value == "ndjson" {
					export = exportNDJSON
				}
				// What was written before an error is of use, and the error says that it is not all.
				return errors.Join(export(ctx, w, st, o, store.JobFilter{State: store.State(state.value)}), w.Flush())
			})
		},
	}
	addSource(cmd, &source)
	addState(cmd, &state)
	addChoice(cmd, &format, "format", "", "write in this `FORMAT`: csv or ndjson", "csv", "csv", "ndjson")
	return cmd
}

func exportNDJSON(ctx context.Context, w io.Writer, st *store.Store, o store.Order, f store.JobFilter) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	for j, err := range st.Jobs(ctx, o.ID, f) {
		if err != nil {
			return err
		}
		if err := encoder.Encode(jobOut(j)); err != nil {
			return fmt.Errorf("write export: %w", err)
		}
	}
	return nil
}

// exportColumns are part of the interface: new ones go to the end.
func exportColumns() []string {
	return []string{
		"job_id", "domain", "kind", "state", "outcome", "attempts", "error",
		"domain_unicode", "holder_id", "period_months", "nameservers", "created_at", "finished_at",
		"whois_status", "allow_status",
	}
}

func exportCSV(ctx context.Context, w io.Writer, st *store.Store, o store.Order, f store.JobFilter) error {
	encoder := csv.NewWriter(w)
	if err := encoder.Write(exportColumns()); err != nil {
		return fmt.Errorf("write export: %w", err)
	}
	for j, err := range st.Jobs(ctx, o.ID, f) {
		if err != nil {
			encoder.Flush()
			return err
		}
		if err := encoder.Write(exportRow(j)); err != nil {
			return fmt.Errorf("write export: %w", err)
		}
	}
	encoder.Flush()
	if err := encoder.Error(); err != nil {
		return fmt.Errorf("write export: %w", err)
	}
	return nil
}

func exportRow(j store.Job) []string {
	period := ""
	if j.PeriodMonths > 0 {
		period = strconv.Itoa(j.PeriodMonths)
	}
	return []string{
		j.ID.String(), j.Domain, string(j.Kind), string(j.State), string(j.Outcome), strconv.Itoa(j.Attempts), harmless(j.LastError),
		harmless(j.DomainUnicode), harmless(j.HolderID), period, strings.Join(j.Nameservers, " "), exportTime(j.CreatedAt), exportTime(j.FinishedAt),
		harmless(j.WhoisStatus), harmless(strings.Join(j.AllowStatus, ",")),
	}
}

// harmless keeps a spreadsheet from taking text for a formula.
func harmless(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}

func exportTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
