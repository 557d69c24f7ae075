// Package export writes all jobs of an order for programs and spreadsheets: as CSV, or one JSON object a line. The columns are part of
// the interface. It streams: a million jobs pass through in the memory of a few.
//
// It must never write what a spreadsheet would run, and no token that is not good any more.
package export

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/queue/api/view"
	"github.com/bulkreg/bulkreg/queue/intake/input"
	"github.com/bulkreg/bulkreg/store/record"
)

// NDJSON writes an order's jobs, one object a line.
func NDJSON(w io.Writer, tokens *Tokens, jobs iter.Seq2[record.Job, error]) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	for j, err := range jobs {
		if err != nil {
			return err
		}
		token, err := tokens.of(j)
		if err != nil {
			return err
		}
		if err := encoder.Encode(exportedJob{view.JobOf(j), token}); err != nil {
			return fmt.Errorf("write export: %w", err)
		}
	}
	return nil
}

// exportedJob is a job of an export, with its token while that is good.
type exportedJob struct {
	view.Job
	tokenOut
}

// columns are part of the interface: new ones go to the end.
func columns() []string {
	return []string{
		"job_id", "domain", "kind", "state", "outcome", "attempts", "error",
		"domain_unicode", "holder_id", "period_months", "nameservers", "created_at", "finished_at",
		"whois_status", "allow_status",
	}
}

// CSV writes an order's jobs with a header.
func CSV(w io.Writer, tokens *Tokens, jobs iter.Seq2[record.Job, error]) error {
	write := func(cells []string) error {
		if _, err := io.WriteString(w, strings.Join(cells, ",")+"\n"); err != nil {
			return fmt.Errorf("write export: %w", err)
		}
		return nil
	}
	names, withTokens := columns(), tokens.order.Kind == record.Token
	if withTokens {
		names = append(names, tokenColumns()...)
	}
	if err := write(names); err != nil {
		return err
	}
	for j, err := range jobs {
		if err != nil {
			return err
		}
		cells := row(j)
		if withTokens {
			token, err := tokens.of(j)
			if err != nil {
				return err
			}
			cells = append(cells, token.cells(j)...)
		}
		if err := write(cells); err != nil {
			return err
		}
	}
	return nil
}

// row is a job's cells. Those without quotes are numbers, times, and words of ours.
func row(j record.Job) []string {
	period := ""
	if j.PeriodMonths > 0 {
		period = strconv.Itoa(j.PeriodMonths)
	}
	return []string{
		j.ID.String(), TextCell(j.Domain), string(j.Kind), string(j.State), string(j.Outcome), strconv.Itoa(j.Attempts), TextCell(j.LastError),
		TextCell(j.DomainUnicode), TextCell(j.HolderID), period, TextCell(strings.Join(j.Nameservers, " ")), timeCell(j.CreatedAt), timeCell(j.FinishedAt),
		TextCell(j.WhoisStatus), TextCell(strings.Join(j.AllowStatus, ",")),
	}
}

// TextCell is text as a cell that is quoted whatever is in it, so that no reader parts it at another sign than the comma.
func TextCell(text string) string { return quoted(Harmless(text)) }

func quoted(text string) string { return `"` + strings.ReplaceAll(text, `"`, `""`) + `"` }

// Harmless keeps a spreadsheet from taking text for a formula, also one that parts cells at semicolons or tabs and does not
// heed quotes.
func Harmless(text string) string { return input.Disarm(text, ";\t\r\n") }

func timeCell(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
