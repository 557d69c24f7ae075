package export

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"

	"github.com/bulkreg/bulkreg/queue/intake/holder"
	"github.com/bulkreg/bulkreg/queue/intake/input"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"
	"github.com/bulkreg/bulkreg/store/seal"
)

// Failed writes the jobs of an order that failed in the form in which an order is given, each with what went wrong, to be fixed and
// ordered again. Details of holders and people that were purged are left out.
type Failed struct {
	Order record.Order
	Keys  seal.Keys // with which people are read; without them a token's line has no person
}

// field is one value of a line, under the name that an order has for it.
type field struct {
	name  string
	value any // a string, a number of months, a list of texts or a truth
}

// Write writes them as CSV, or as NDJSON.
func (f Failed) Write(w io.Writer, ndjson bool, jobs iter.Seq2[orders.FailedJob, error]) error {
	if !ndjson {
		if err := writeLine(w, strings.Join(f.columns(), ",")); err != nil {
			return err
		}
	}
	for j, err := range jobs {
		if err != nil {
			return err
		}
		fields, err := f.fields(j)
		if err != nil {
			return err
		}
		line, err := f.line(fields, ndjson)
		if err != nil {
			return err
		}
		if err := writeLine(w, line); err != nil {
			return err
		}
	}
	return nil
}

func writeLine(w io.Writer, line string) error {
	if _, err := io.WriteString(w, line+"\n"); err != nil {
		return fmt.Errorf("write failed jobs: %w", err)
	}
	return nil
}

// columns are those of an order of the kind, and error behind them.
func (f Failed) columns() []string {
	switch f.Order.Kind {
	case record.Register:
		return append(append([]string{"domain", "holder_id", "period", "nameservers", "allow_status"}, holder.Fields()...), "error")
	case record.Token:
		return []string{"email", "originator", "languageCode", "firstname", "lastname", "privacyConsent", "error"}
	}
	return []string{"domain", "error"}
}

// fields are those of columns, in their order.
func (f Failed) fields(j orders.FailedJob) ([]field, error) {
	failure := field{"error", strings.TrimSpace(string(j.Outcome) + ": " + j.LastError)}
	switch f.Order.Kind {
	case record.Register:
		details, err := detailsOf(j)
		if err != nil {
			return nil, err
		}
		id := j.HolderID
		if j.Details != nil {
			id = "" // it was found or made by them
		}
		fields := []field{{"domain", j.Domain}, {"holder_id", id}, {"period", j.PeriodMonths}, {"nameservers", j.Nameservers}, {"allow_status", j.AllowStatus}}
		return append(append(fields, details...), failure), nil
	case record.Token:
		person, err := f.personOf(j)
		return append(person, failure), err
	}
	return []field{{"domain", j.Domain}, failure}, nil
}

func detailsOf(j orders.FailedJob) ([]field, error) {
	var details holder.Details
	if j.Details != nil {
		if err := json.Unmarshal(j.Details, &details); err != nil {
			return nil, fmt.Errorf("read details of holder: not as they were written")
		}
	}
	var fields []field
	for i, value := range details.Values() {
		fields = append(fields, field{holder.Fields()[i], *value})
	}
	return fields, nil
}

func (f Failed) personOf(j orders.FailedJob) ([]field, error) {
	var p seal.Person
	if j.Person != nil && !f.Keys.Empty() {
		var err error
		if p, err = f.Keys.OpenPerson(j.Person, seal.Job{Source: f.Order.Source, Reference: f.Order.Reference, ID: j.ID}); err != nil {
			return nil, fmt.Errorf("read person of token: %w", err)
		}
	}
	consent := ""
	if j.PrivacyConsent != nil {
		consent = strconv.FormatBool(*j.PrivacyConsent)
	}
	return []field{
		{"email", p.Email}, {"originator", p.Originator}, {"languageCode", p.LanguageCode}, {"firstname", p.FirstName}, {"lastname", p.LastName},
		{"privacyConsent", consent},
	}, nil
}

// line is a job's line.
func (f Failed) line(fields []field, ndjson bool) (string, error) {
	cells := make([]string, 0, len(fields))
	members := make(map[string]any, len(fields))
	for _, v := range fields {
		text := ""
		switch value := v.value.(type) {
		case string:
			text = value
		case int:
			if value > 0 {
				text = strconv.Itoa(value)
			}
		case []string:
			text = strings.Join(value, " ")
		}
		cells = append(cells, quoted(input.Guard(text)))
		if text != "" {
			members[v.name] = v.value
		}
	}
	if !ndjson {
		return strings.Join(cells, ","), nil
	}
	line, err := json.Marshal(members)
	if err != nil {
		return "", fmt.Errorf("encode failed job: %w", err)
	}
	return string(line), nil
}
