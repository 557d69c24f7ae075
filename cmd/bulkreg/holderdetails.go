package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/queue/intake/holder"
	"github.com/bulkreg/bulkreg/worker/registrar"
)

// holderJSON is a holder as programs read and write it. Its names are the registrar's.
type holderJSON struct {
	ID string `json:"id,omitempty"`
	holder.Details
}

// detailFlags are one flag for each detail.
type detailFlags struct {
	details holder.Details
	changed func() bool // whether one was given
}

func (d *detailFlags) add(cmd *cobra.Command) {
	usage := map[string]string{
		"email":   "e-mail `ADDRESS`",
		"phone":   "`NUMBER` in international form, as in +31612345678",
		"country": "two letters, as in `NL`",
	}
	for i, value := range d.details.Values() {
		field := holder.Fields()[i]
		text := usage[field]
		if text == "" {
			text = "the holder's " + field
		}
		cmd.Flags().StringVar(value, field, "", text)
	}
	d.changed = func() bool {
		for _, field := range holder.Fields() {
			if cmd.Flags().Changed(field) {
				return true
			}
		}
		return false
	}
}

// read gives the details of the flags or, if there are none, of the JSON object on standard input.
func (d *detailFlags) read(ctx context.Context, a *app) (holderJSON, error) {
	if d.changed() {
		return holderJSON{Details: d.details}, nil
	}
	if isTerminal(a.stdin) {
		fmt.Fprintln(a.stderr, `Reading the holder's details as JSON, as in {"city":"Dorp"}, from the terminal; end with Ctrl-D.`)
	}
	typed, stop := interruptible(ctx, a.stdin)
	defer stop()
	const most = 64 << 10
	text, err := io.ReadAll(io.LimitReader(typed, most+1))
	switch {
	case ctx.Err() != nil:
		return holderJSON{}, unchanged(ctx, ctx.Err())
	case err != nil:
		return holderJSON{}, fmt.Errorf("read details: %w", err)
	case len(bytes.TrimSpace(text)) == 0:
		return holderJSON{}, usagef("there are no details: give them by flags, such as --city NAME, or as a JSON object on standard input")
	case len(text) > most:
		return holderJSON{}, usagef("the details are longer than %d bytes", most)
	}
	return parseDetails(text)
}

// parseDetails reads one JSON object. Its errors name fields and never their values.
func parseDetails(text []byte) (holderJSON, error) {
	var given holderJSON
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&given)
	var (
		syntax *json.SyntaxError
		shape  *json.UnmarshalTypeError
	)
	switch {
	case errors.As(err, &syntax):
		return holderJSON{}, usagef("the details are no JSON: at byte %d: %w", syntax.Offset, syntax)
	case errors.As(err, &shape) && shape.Field == "":
		return holderJSON{}, usagef("the details are no JSON object")
	case errors.As(err, &shape):
		return holderJSON{}, usagef("%s is no text: put it in quotes", shape.Field)
	case err != nil:
		return holderJSON{}, usagef("read details: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return holderJSON{}, usagef("something follows the details: give one JSON object")
	}
	return given, nil
}

func upstreamHolder(id string, d holder.Details) registrar.Holder {
	return registrar.Holder{
		ID: id, Company: d.Company, FirstName: d.FirstName, LastName: d.LastName, Email: d.Email, Phone: d.Phone,
		Street: d.Street, HouseNumber: d.HouseNumber, PostalCode: d.PostalCode, City: d.City, Country: d.Country,
	}
}

// print prints a holder as a result. It is what was asked for: here, and nowhere else, details are shown.
func (h *holding) print(found registrar.Holder) error {
	details := holder.Details{
		Company: found.Company, FirstName: found.FirstName, LastName: found.LastName, Email: found.Email, Phone: found.Phone,
		Street: found.Street, HouseNumber: found.HouseNumber, PostalCode: found.PostalCode, City: found.City, Country: found.Country,
	}
	if h.out.json() {
		return term.PrintJSON(h.stdout, holderJSON{ID: found.ID, Details: details})
	}
	t := newTable(h.stdout)
	t.row("id", found.ID)
	for i, value := range details.Values() {
		t.row(holder.Fields()[i], *value)
	}
	return t.end()
}
