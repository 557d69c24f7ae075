package api

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake"
)

// orderFields are what is said of an order beside its jobs: by parameters, or by members of a JSON body.
type orderFields struct {
	order        intake.Order
	HolderID     string
	PeriodMonths int
	Nameservers  []string
	AllowStatus  []string
	AllowPeriod  bool
	ignore       []string // columns that may mean nothing
	skipInvalid  bool
	dryRun       bool

	isJSON bool
	given  map[string]bool // the names of what was said already
	faults *Problem
}

// setters take what is said by its name, as one text or several.
func (f *orderFields) setters() map[string]func(texts []string) string {
	one := func(set func(string) string) func([]string) string {
		return func(texts []string) string {
			if len(texts) != 1 {
				return "is given more than once: keep one"
			}
			return set(texts[0])
		}
	}
	text := func(into *string) func([]string) string {
		return one(func(s string) string { *into = s; return "" })
	}
	truth := func(into *bool) func([]string) string {
		return one(func(s string) (wrong string) {
			var err error
			if *into, err = strconv.ParseBool(s); err != nil {
				return "is true or false"
			}
			return ""
		})
	}
	list := func(into *[]string) func([]string) string {
		return func(texts []string) string { *into = split(texts); return "" }
	}
	return map[string]func([]string) string{
		"reference": text(&f.order.Reference), "account": text(&f.order.Account), "holder_id": text(&f.HolderID),
		"kind":        one(func(s string) string { f.order.Kind = queue.Kind(s); return "" }),
		"nameservers": list(&f.Nameservers), "allow_status": list(&f.AllowStatus), "ignore_columns": list(&f.ignore),
		"allow_period": truth(&f.AllowPeriod), "dry_run": truth(&f.dryRun),
		"period": one(func(s string) string {
			var err error
			if f.PeriodMonths, err = strconv.Atoi(s); err != nil || f.PeriodMonths < 1 {
				return "is a number of months, such as 12"
			}
			return ""
		}),
		"on_invalid": one(func(s string) string {
			f.skipInvalid = s == "skip"
			if s != "skip" && s != "reject" {
				return "is reject or skip"
			}
			return ""
		}),
		"label": func(texts []string) string {
			labels, err := labelsOf(texts, "", ":")
			if err != nil {
				return "is no label: write its name, a colon and its text"
			}
			f.order.Labels = labels
			return ""
		},
	}
}

// split parts lists that are written with commas or spaces.
func split(texts []string) []string {
	var parts []string
	for _, text := range texts {
		parts = append(parts, strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })...)
	}
	return parts
}

// unreadable reports whether a text is not what was sent: JSON puts a sign of its own in the place of what is no character.
func unreadable(text string) bool { return strings.ContainsRune(text, utf8.RuneError) }

// set takes one thing that is said.
func (f *orderFields) set(location, name string, texts []string) {
	setter, known := f.setters()[name]
	switch {
	case !known:
		f.wrong(location, "is not known here: /docs lists what there is")
	case f.given[name]:
		f.wrong(location, "is given twice: keep one")
	case slices.ContainsFunc(texts, unreadable):
		f.wrong(location, "is not UTF-8")
	default:
		f.given[name] = true
		if wrong := setter(texts); wrong != "" {
			f.wrong(location, wrong)
		}
	}
}

func (f *orderFields) wrong(location, message string) {
	if f.faults == nil {
		f.faults = kindInvalid.problem("The order cannot be used as it is. Nothing was stored.")
	}
	f.faults.add(Fault{Location: location, Message: message})
}

// fieldsOf are what the parameters of a request say.
func fieldsOf(r *http.Request) (orderFields, error) {
	f := orderFields{given: map[string]bool{}}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return f, kindBadRequest.problem("The parameters are no query: %s.", "percent-encode what is none of its signs")
	}
	for name, texts := range query {
		f.set("query."+shown(name), name, texts)
	}
	if f.faults != nil {
		return f, f.faults
	}
	return f, nil
}

// complete fills in what was not said, and checks what was.
func (f *orderFields) complete(r *http.Request) error {
	f.order.Source = callerOf(r.Context()).Source
	if !f.given["reference"] {
		f.order.Reference = r.Header.Get("Idempotency-Key")
	}
	if f.order.Account == "" {
		f.order.Account = defaultAccount
	}
	if f.order.Kind.OfPeople() && f.order.Account == defaultAccount {
		f.order.Account = queue.TokenAccount
	}
	switch {
	case f.order.Reference == "":
		f.wrong("reference", "is missing: give the order a reference of your own, which also makes it safe to repeat, or send the header Idempotency-Key")
	case f.order.Kind == "":
		f.wrong("kind", "is missing: whois, register or token")
	default:
		if err := f.order.Check(); err != nil {
			f.wrong("", err.Error())
		}
	}
	if f.order.Kind != queue.Register {
		for _, name := range []string{"holder_id", "period", "nameservers", "allow_status", "allow_period"} {
			if f.given[name] {
				f.wrong(name, "is for registrations alone")
			}
		}
	}
	if f.faults != nil {
		return f.faults
	}
	return nil
}
