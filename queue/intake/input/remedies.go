package input

import "strings"

// Remedies are what can be done about a fault besides changing the file, in the words of whoever hands the file over: flags of a
// command, say, or fields of a request. Where one is empty, its fault offers nothing but to change the file.
type Remedies struct {
	IgnoreColumns string // passes columns over; %s stands for their names, with commas, or for AllColumns
	DefaultHolder string // gives a holder to all lines without one
	AllowPeriod   string // allows a period that is no whole number of years
	FindHolder    string // finds the id of the holder with an e-mail address
}

// ignoring is what leaves these columns out, after what else can be done.
func (r Remedies) ignoring(columns, them string) string {
	if r.IgnoreColumns == "" {
		return ""
	}
	return ", or leave " + them + " out with " + strings.ReplaceAll(r.IgnoreColumns, "%s", columns)
}

// or is a remedy after others that always help.
func or(remedy, what string) string {
	if remedy == "" {
		return ""
	}
	return ", or " + remedy + what
}

// OptionError says that an option cannot be used, and why.
type OptionError struct {
	Option Option
	Reason string
}

func (e *OptionError) Error() string { return "read input: " + string(e.Option) + " " + e.Reason }

// Option is one that may be given in a way that cannot be used.
type Option string

// The options that an OptionError is about.
const (
	OptionIgnoreColumns Option = "columns to pass over:"
	OptionAllowStatus   Option = "an allowed status"
	OptionNameservers   Option = "default name servers"
)
