package input

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// Reader reads the records of one file or one list of arguments. It is for one goroutine.
type Reader struct {
	opts    Options
	layout  layout
	source  source
	origin  Origin
	form    form
	seen    *seen
	skipped *ignored
	stats   Stats
	err     error // the final one
}

// form is what RejectsWriter needs to write lines as the file had them.
type form struct {
	format Format
	csv    *csvSource // of FormatCSV
	crlf   bool
	bom    bool
}

// NewReader sniffs the form of r and, for CSV, reads its header. UTF-8 and UTF-16 are read, the latter with a byte order
// mark. It gives a *FileError when the file cannot be used, other errors for bad options and failing reads.
func NewReader(r io.Reader, opts Options) (*Reader, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	text, hadBOM, err := decoded(r)
	if err != nil {
		return nil, err
	}
	reader, err := begin(OriginLine, opts)
	if err != nil {
		return nil, err
	}
	scanner := newLineScanner(text, opts.MaxLineBytes)
	found, err := sniff(scanner, reader.layout.columns, opts)
	if err != nil {
		return nil, err
	}
	reader.form = form{format: found.format, crlf: found.crlf, bom: hadBOM}
	return reader, reader.open(scanner, found.empty)
}

func begin(origin Origin, opts Options) (*Reader, error) {
	l, err := layoutOf(opts.Kind)
	if err != nil {
		return nil, err
	}
	return &Reader{opts: opts, layout: l, origin: origin, seen: newSeen(), skipped: newIgnored(l, opts)}, nil
}

func (r *Reader) open(scanner *lineScanner, empty bool) error {
	cols := r.layout.columns
	namesHolders := empty
	switch {
	case r.form.format == FormatNDJSON:
		r.source = newNDJSONSource(scanner, r.layout, r.skipped)
		namesHolders = true
	case r.form.format == FormatCSV && !empty:
		table, err := newCSVSource(scanner, r.layout, r.skipped)
		if err != nil {
			return err
		}
		r.source, r.form.csv = table, table
		namesHolders = cols.holds(roleHolder, table.fields) || cols.holds(roleDetail, table.fields)
	case !r.layout.bare && !empty:
		return &FileError{Reason: "has no header: begin with one, the columns that count are " + cols.String() + ", or write one JSON object a line"}
	default:
		r.source = &linesSource{scanner: scanner, cells: make([]cell, len(cols))}
	}
	return r.wantHolders(namesHolders)
}

// wantHolders refuses at once what would only be rejected line by line.
func (r *Reader) wantHolders(named bool) error {
	if !r.layout.holders || named || r.opts.DefaultHolderID != "" {
		return nil
	}
	return &FileError{Reason: "names no holder for any domain: give CSV with the columns domain and holder_id, or domain and the holder's details" +
		or(r.opts.Remedies.DefaultHolder, " for all domains")}
}

// FromArgs reads each argument as a line of its own. Record.Line and Reject.Line count arguments from 1.
func FromArgs(arguments []string, opts Options) (*Reader, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	reader, err := begin(OriginArgument, opts)
	if err != nil {
		return nil, err
	}
	if !reader.layout.bare && len(arguments) > 0 {
		return nil, fmt.Errorf("read input: %s are read from a file alone", reader.layout.many)
	}
	reader.form.format = FormatLines
	reader.source = &argumentsSource{arguments: arguments, cells: make([]cell, len(reader.layout.columns)), max: opts.MaxLineBytes}
	if reader.layout.holders && len(arguments) > 0 && opts.DefaultHolderID == "" {
		return nil, errors.New("read input: no holder for the domains" + or(opts.Remedies.DefaultHolder, ""))
	}
	return reader, nil
}

// Next gives the next record, and io.EOF after the last one. A *RejectError is about one line only: go on. Any other
// error is final, and Next gives it again and again; a *FileError says what to mend in the file.
func (r *Reader) Next() (Record, error) {
	if r.err != nil {
		return Record{}, r.err
	}
	for {
		found, err := r.source.next()
		var bad *fault
		if err != nil && !errors.As(err, &bad) {
			r.err = err
			return Record{}, err
		}
		var record Record
		if bad == nil {
			record, bad = r.layout.record(found, r.opts)
		}
		repeat := false
		if bad == nil {
			repeat, bad = r.repeats(record)
		}
		switch {
		case bad != nil:
			return Record{}, r.reject(found, bad)
		case repeat:
			continue
		case r.stats.Records == r.opts.MaxRecords:
			r.err = &FileError{Line: found.line, Reason: fmt.Sprintf("has more than %s %s: split it", thousands(r.opts.MaxRecords), r.layout.many)}
			return Record{}, r.err
		}
		r.stats.Records++
		if r.opts.Progress != nil && r.stats.Records%toldEvery == 0 {
			r.opts.Progress(r.stats.Records)
		}
		if len(record.AllowStatus) > 0 {
			r.stats.Allowing++
		}
		return record, nil
	}
}

const maxFirstDuplicates = 10

// toldEvery is how many records are read between two tellings of progress: some hundredths of a second.
const toldEvery = 5000

func (r *Reader) repeats(record Record) (bool, *fault) {
	before, now, repeat := r.seen.add(record)
	if !repeat {
		return false, nil
	}
	if differs := r.layout.differs(before, now); differs != "" {
		return true, &fault{field: r.layout.columns[columnSubject].name, raw: record.Domain.ASCII, reason: fmt.Sprintf("is already given by an earlier %s with %s: keep the right one", r.origin, differs)}
	}
	r.stats.Duplicates++
	if len(r.stats.FirstDuplicates) < maxFirstDuplicates {
		r.stats.FirstDuplicates = append(r.stats.FirstDuplicates, Duplicate{Line: record.Line, Domain: record.subject()})
	}
	return true, nil
}

func (r *Reader) reject(found row, bad *fault) *RejectError {
	r.stats.Rejects++
	rejected := Reject{
		Line: found.line, Origin: r.origin, Field: bad.field, Raw: bad.raw, Reason: bad.reason,
		original: string(found.text), cause: bad.cause,
	}
	for _, other := range bad.more {
		rejected.More = append(rejected.More, Fault{Field: other.field, Raw: other.raw, Reason: other.reason})
	}
	return &RejectError{rejected}
}

// Stats says what was read so far.
func (r *Reader) Stats() Stats {
	stats := r.stats
	stats.Format = r.form.format
	stats.Lines = r.source.lines()
	stats.FirstDuplicates = slices.Clone(stats.FirstDuplicates)
	stats.IgnoredColumns = slices.Clone(r.skipped.names)
	return stats
}
