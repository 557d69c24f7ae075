package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/queue/intake/input"
)

// The kinds of errors, for programs. They are part of the interface.
const (
	kindUsage        = "usage"    // of the command line
	kindSettings     = "settings" // wrong or missing
	kindInput        = "input"    // a file, or a line of one
	kindConflict     = "conflict" // another order has the reference
	kindNotFound     = "not_found"
	kindUnavailable  = "unavailable"   // the database
	kindNotSucceeded = "not_succeeded" // exit status 3
	kindUnconfirmed  = "unconfirmed"   // exit status 4
	kindNotFinished  = "not_finished"  // exit status 5
	kindInterrupted  = "interrupted"
	kindOther        = "error"
)

// errorJSON is an error as programs read it, one a line on standard error. Its names are part of the interface.
type errorJSON struct {
	Kind    string     `json:"kind"`
	Message string     `json:"message"` // all of it, as people get it
	Where   *whereJSON `json:"where,omitempty"`
	Hint    string     `json:"hint,omitempty"` // the part of the message that says what to do
}

// whereJSON is what an error is about. What does not apply is left out.
type whereJSON struct {
	File  string `json:"file,omitempty"`  // as it was named, or "standard input", or "arguments"
	Line  int    `json:"line,omitempty"`  // from 1; of arguments, which one
	Field string `json:"field,omitempty"` // a column, or a variable of a setting
}

// inJSON is an error that is told in JSON.
type inJSON struct{ err error }

func (e *inJSON) Error() string { return e.err.Error() }
func (e *inJSON) Unwrap() error { return e.err }

// asAsked is err as the command line wants it told.
func asAsked(err error, cmd *cobra.Command, args []string) error {
	if err == nil || !asksForJSON(cmd, args) {
		return err
	}
	return &inJSON{err}
}

// asksForJSON reports whether results are wanted in JSON. The flags may not have been read to the end.
func asksForJSON(cmd *cobra.Command, args []string) bool {
	if f := cmd.Flags().Lookup("output"); f != nil && f.Value.String() == "json" {
		return true
	}
	for i, arg := range args {
		switch {
		case arg == "--":
			return false
		case slices.Contains([]string{"-o=json", "-ojson", "--output=json"}, arg),
			(arg == "-o" || arg == "--output") && i+1 < len(args) && args[i+1] == "json":
			return true
		}
	}
	return false
}

// located is an error about a file, as that is called here.
type located struct {
	file string
	err  error
}

func (e *located) Error() string { return e.err.Error() }
func (e *located) Unwrap() error { return e.err }

// notFound marks an error about something that there is not.
type notFound struct{ err error }

func (e *notFound) Error() string { return e.err.Error() }
func (e *notFound) Unwrap() error { return e.err }

// reportJSON prints an error for programs: one line, or one for each setting that is wrong.
func reportJSON(w io.Writer, err error, status int) {
	var wrong *config.Error
	if errors.As(err, &wrong) {
		for _, problem := range wrong.Problems {
			printErrorJSON(w, errorJSON{Kind: kindSettings, Message: problem, Where: &whereJSON{Field: config.VariableOf(problem)}, Hint: hintIn(problem)})
		}
		return
	}
	printErrorJSON(w, errorJSON{Kind: kindOf(err, status), Message: err.Error(), Where: whereOf(err), Hint: hintOf(err)})
}

func printErrorJSON(w io.Writer, e errorJSON) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(e) != nil { // never: a struct of texts can be encoded
		return
	}
	w.Write(term.EscapeJSON(text.Bytes())) //nolint:errcheck // stderr is gone, and with it whoever could be told
}

func kindOf(err error, status int) string {
	var (
		missing  *config.MissingError
		file     *input.FileError
		place    *located
		conflict *record.ReferenceConflictError
		none     *notFound
		noOrder  *noOrderError
	)
	switch {
	case errors.As(err, &missing):
		return kindSettings
	case errors.As(err, &conflict):
		return kindConflict
	case status == exitInterrupted:
		return kindInterrupted
	case status == exitNotFinished: // whatever else could not be told
		return kindNotFinished
	case errors.As(err, &none), errors.As(err, &noOrder), errors.Is(err, pg.ErrNotFound):
		return kindNotFound
	case errors.As(err, &file), errors.As(err, &place), errors.Is(err, intake.ErrEmpty):
		return kindInput
	case errors.Is(err, pg.ErrUnavailable):
		return kindUnavailable
	}
	kinds := map[int]string{exitUsage: kindUsage, exitNotAll: kindNotSucceeded, exitUnconfirmed: kindUnconfirmed}
	if kind, known := kinds[status]; known {
		return kind
	}
	return kindOther
}

func whereOf(err error) *whereJSON {
	var (
		where   whereJSON
		missing *config.MissingError
		file    *input.FileError
		place   *located
		path    *fs.PathError
	)
	if errors.As(err, &path) {
		where.File = path.Path
	}
	if errors.As(err, &place) {
		where.File = place.file
	}
	if errors.As(err, &file) {
		where.Line = file.Line
	}
	if errors.As(err, &missing) {
		where.Field = missing.Variables[0]
	}
	if where == (whereJSON{}) {
		return nil
	}
	return &where
}

// hintOf is what to do about an error. It is known of errors of our own words: those of others have no such part.
func hintOf(err error) string {
	var (
		missing *config.MissingError
		file    *input.FileError
		usage   *exitErr
	)
	switch {
	case errors.As(err, &missing):
		return missing.Hint
	case errors.As(err, &file):
		return hintIn(file.Reason)
	}
	if errors.As(err, &usage) {
		if usage.status != exitUsage {
			return "" // it says how an order went
		}
		err = usage.err
	}
	var (
		place *located
		none  *notFound
	)
	if errors.As(err, &place) {
		err = place.err
	} else if errors.As(err, &none) {
		err = none.err
	}
	if errors.Unwrap(err) != nil {
		return ""
	}
	return hintIn(err.Error())
}

// hintIn is what follows the colon in "what is wrong: what to do". One within quotes is not it; where the first one stands behind
// a single word, such as the name of a setting, there is none.
func hintIn(text string) string {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quoted:
			i++
		case text[i] == '"':
			quoted = !quoted
		case !quoted && strings.HasPrefix(text[i:], ": "):
			if !strings.Contains(text[:i], " ") {
				return ""
			}
			return strings.TrimSpace(text[i+len(": "):])
		}
	}
	return ""
}

// rejectedJSON prints each fault of a line that cannot be used.
func rejectedJSON(w io.Writer, file string, bad *input.RejectError) {
	for _, fault := range bad.Faults() {
		printErrorJSON(w, errorJSON{
			Kind: kindInput, Message: fmt.Sprintf("%s %d: %s", bad.Origin, bad.Line, fault),
			Where: &whereJSON{File: file, Line: bad.Line, Field: fault.Field}, Hint: hintIn("it " + fault.Reason),
		})
	}
}
