package sandbox

import "strings"

// Label is one scripted label: domains whose first label is Name, or begins with Name and a hyphen, behave so.
type Label struct {
	Name     string `json:"name"`
	Whois    string `json:"whois"`    // what WHOIS says of such a domain
	Register string `json:"register"` // what becomes of its registration
}

const (
	labelTaken       = "taken"
	labelRefused     = "refused"
	labelPoison      = "poison"
	labelBadRequest  = "badreq"
	labelWhoisPoison = "whoispoison"
	labelUnknown     = "unknown"
	labelLag         = "lag"
	labelFlaky       = "flaky"
	labelPremium     = "premium"
	labelReserved    = "reserved"
	labelQuarantine  = "quarantine"
	labelPriced      = "priced"
	labelPending     = "pending"
	labelPendingOnly = "pendingonly"
	labelQuoting     = "quoting"

	// These are of e-mail addresses alone.
	labelBadEmail     = "bademail"
	labelBadExtension = "badextension"
	labelBadLanguage  = "badlanguage"
	labelBadPortal    = "badportal"
)

// Labels is the table of scripted labels, for people to read.
func Labels() []Label {
	return []Label{
		{labelTaken, "taken", "item fails with 422"},
		{labelRefused, "available", "item fails alone with 422"},
		{labelPoison, "available", "whole call fails with 422, nothing paid"},
		{labelBadRequest, "available", "whole call fails with 400, nothing paid"},
		{labelWhoisPoison, "whole call fails with 422", "registered"},
		{labelUnknown, "item carries an error", "registered"},
		{labelLag, "available for a while after registration", "registered"},
		{labelFlaky, "available", "item fails alone with 500 once, then registered"},
		{labelPremium, "available, premium, 1200.00 EUR", "registered"},
		{labelReserved, "available, reserved", "registered"},
		{labelQuarantine, "available, quarantine", "registered"},
		{labelPriced, "available, 49.00 EUR", "registered"},
		{labelPending, "available", "item is pending, and registered a while later"},
		{labelPendingOnly, "available", "item is pending, and nothing comes of it"},
		{labelQuoting, "available", "item fails alone with 422, quoting its holder in one of many spellings, by its number"},
	}
}

// scripted is the label that decides over a domain or an e-mail address, "" for none.
func scripted(name string) string {
	first := name
	if i := strings.IndexAny(name, ".@"); i >= 0 {
		first = name[:i]
	}
	first, _, _ = strings.Cut(first, "-")
	switch first {
	case labelTaken, labelRefused, labelPoison, labelBadRequest, labelWhoisPoison, labelUnknown, labelLag, labelFlaky,
		labelPremium, labelReserved, labelQuarantine, labelPriced, labelPending, labelPendingOnly, labelQuoting,
		labelBadEmail, labelBadExtension, labelBadLanguage, labelBadPortal:
		return first
	}
	return ""
}

func (o Options) label(name string) string {
	if o.NoLabels {
		return ""
	}
	return scripted(name)
}
