// Package input reads orders from files: many domains, one a line, in CSV or in NDJSON, or many people, in CSV or in NDJSON.
//
// A Reader sniffs the form, then gives one Record at a time in bounded memory. A line that cannot be used is a
// *RejectError, which says where and what to do, and reading goes on; RejectsWriter writes such lines back in their
// own form, to be mended and sent again. A file that cannot be used at all is a *FileError. Domains and people that stand in
// the file twice count once.
//
// The package must never guess at an order, never drop a line without counting it, and never put a person's data into an
// error. It knows nothing of what is already ordered or registered: that is for its caller.
package input

import (
	"fmt"
	"strings"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake/domainname"
	"github.com/bulkreg/bulkreg/queue/intake/holder"
	"github.com/bulkreg/bulkreg/queue/job"
)

// Format is the form of a file.
type Format string

// The forms of a file. The zero Format is the same as FormatAuto.
const (
	FormatAuto   Format = "auto"   // by the first line that is neither empty nor a comment
	FormatLines  Format = "lines"  // one domain a line
	FormatCSV    Format = "csv"    // with a header; comma, semicolon or tab
	FormatNDJSON Format = "ndjson" // one JSON object a line
)

// Options says what to read and what to assume. All but Kind have defaults.
type Options struct {
	Kind                string   // "whois", "register" or "token"
	Format              Format   // FormatAuto
	MaxLineBytes        int      // longest line, and longest CSV record, in bytes: 64 KiB
	MaxRecords          int      // most domains or people in one file: 1,000,000
	DefaultHolderID     string   // for lines that name no holder; without it they are rejected
	DefaultPeriodMonths int      // for lines that name no period: 12
	DefaultNameservers  []string // for lines that name none

	// WholeYears refuses periods that are no whole number of years: most of these were meant to count years.
	WholeYears bool
	// Suffixes are those under which domains can be registered besides the public ones.
	Suffixes domainname.Suffixes
	// Languages are those of tokens; none are those that GetToken documents.
	Languages []string

	// DefaultAllowStatus are the words of a WHOIS status that lines without such words of their own allow.
	DefaultAllowStatus []string

	// IgnoreColumns are columns or fields of registrations and tokens to pass over although they mean nothing here; AllColumns is all
	// of them. Any other makes the file unusable. In WHOIS orders, which cost nothing, all are passed over anyway.
	IgnoreColumns []string

	Remedies Remedies

	// Progress is told now and then how many records were read so far; nil tells nobody.
	Progress func(records int)
}

const (
	defaultMaxLineBytes = 64 << 10
	defaultMaxRecords   = 1_000_000
	defaultPeriodMonths = 12
	maxPeriodMonths     = job.MaxPeriodMonths
	maxNameservers      = job.MaxNameservers
)

func (o Options) withDefaults() (Options, error) {
	l, err := layoutOf(o.Kind)
	if err != nil {
		return o, err
	}
	switch o.Format {
	case "":
		o.Format = FormatAuto
	case FormatAuto, FormatLines, FormatCSV, FormatNDJSON:
	default:
		return o, fmt.Errorf("read input: unknown format %q: want auto, lines, csv or ndjson", o.Format)
	}
	if o.MaxLineBytes < 0 || o.MaxRecords < 0 || o.DefaultPeriodMonths < 0 || o.DefaultPeriodMonths > maxPeriodMonths {
		return o, fmt.Errorf("read input: a limit is negative, or the default period is over %d months", maxPeriodMonths)
	}
	if o.MaxLineBytes == 0 {
		o.MaxLineBytes = defaultMaxLineBytes
	}
	if o.MaxRecords == 0 {
		o.MaxRecords = defaultMaxRecords
	}
	if o.DefaultPeriodMonths == 0 {
		o.DefaultPeriodMonths = defaultPeriodMonths
	}
	if o.DefaultHolderID = strings.TrimSpace(o.DefaultHolderID); o.DefaultHolderID != "" {
		if bad := holderIDFault(o.DefaultHolderID, o.Remedies); bad != nil {
			return o, fmt.Errorf("read input: the default holder %s", bad.reason)
		}
	}
	if o.DefaultNameservers, err = job.Nameservers(o.DefaultNameservers); err != nil {
		return o, &OptionError{OptionNameservers, err.Error()}
	}
	if o.DefaultAllowStatus, err = queue.AllowStatus(o.DefaultAllowStatus); err != nil {
		return o, &OptionError{OptionAllowStatus, err.Error()}
	}
	return o, checkIgnored(l.columns, o)
}

// Record is one job of an order.
type Record struct {
	Line   int             // where it begins: the number of its line or argument, from 1
	Domain domainname.Name // zero in token orders
	Person job.Person      // of token orders

	// The rest is for registrations and zero otherwise.
	HolderID     string          // "" where the line carries the holder's details
	Holder       *holder.Details // nil where it names an id
	PeriodMonths int             // 1 to 120, never 0: the default is filled in
	Nameservers  []string        // none, or 2 to 13 distinct ASCII host names
	AllowStatus  []string        // in their normal form; none allows no word that bars
}

// Stats says what was read so far.
type Stats struct {
	Format     Format
	Lines      int // lines of the file, comments and empty ones included
	Records    int // what Next gave
	Rejects    int
	Duplicates int // repeats of a Record that say nothing new; Next passes over them
	Allowing   int // Records that allow a word of a WHOIS status

	FirstDuplicates []Duplicate // at most 10
	IgnoredColumns  []string    // columns or fields that mean nothing here and were passed over, at most 32
}

// subject is what the record is about.
func (r Record) subject() string {
	if r.Person.Email != "" {
		return queue.Subject(r.Person.Email)
	}
	return r.Domain.ASCII
}

// Duplicate is a repeated domain, or person.
type Duplicate struct {
	Line   int    // of the repeat
	Domain string // or a person's queue.Subject
}
