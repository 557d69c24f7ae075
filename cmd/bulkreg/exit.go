package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
)

// The exit statuses. They are part of the interface: scripts decide on them.
const (
	exitDone        = 0
	exitError       = 1
	exitUsage       = 2 // usage or refused input: nothing was changed
	exitNotAll      = 3 // waited to the end, and some job did not succeed
	exitUnconfirmed = 4 // waited to the end, and a person must decide
	exitNotFinished = 5 // the time for waiting has passed, or the order cannot go on until a person does something
	exitInterrupted = 130
)

// exitErr is an error that ends the process with a status of its own.
type exitErr struct {
	status int
	err    error
}

func (e *exitErr) Error() string { return e.err.Error() }
func (e *exitErr) Unwrap() error { return e.err }

// usageError marks an error as the caller's: wrong usage or refused input.
func usageError(err error) error { return &exitErr{exitUsage, err} }

func usagef(format string, args ...any) error { return usageError(fmt.Errorf(format, args...)) }

// linesError is an error that takes several lines, as they are.
type linesError struct{ error }

func (e *linesError) Unwrap() error { return e.error }

// usageLines is usagef for an error of several lines. Texts from outside have to be quoted or clean.
func usageLines(format string, args ...any) error {
	return usageError(&linesError{fmt.Errorf(format, args...)})
}

// report prints an error for people, or for programs where JSON was asked for, and returns the exit status that goes with it.
func report(stderr io.Writer, err error) int {
	if err == nil {
		return exitDone
	}
	status := exitError
	var e *exitErr
	switch {
	case errors.As(err, &e):
		status = e.status
	case errors.Is(err, context.Canceled):
		status = exitInterrupted
	}
	if programs := (*inJSON)(nil); errors.As(err, &programs) {
		reportJSON(stderr, programs.err, status)
	} else {
		say(stderr, "bulkreg: %s\n", errorLines(err))
	}
	return status
}

// errorLines is an error for people. Only several errors, and those that are meant to, take several lines: what a name or a reply
// has of its own breaks none.
func errorLines(err error) term.Lines {
	switch e := err.(type) { //nolint:errorlint // what it wraps comes below
	case *config.Error, *linesError:
		return term.Lines(term.CleanLines(err.Error()))
	case interface{ Unwrap() []error }:
		if lines, joined := joinedLines(err, e.Unwrap()); joined {
			return lines
		}
	}
	if inner := errors.Unwrap(err); inner != nil && inner.Error() == err.Error() {
		return errorLines(inner)
	}
	return term.Lines(term.Clean(err.Error()))
}

// joinedLines are the errors that errors.Join has joined, each for itself.
func joinedLines(err error, all []error) (_ term.Lines, joined bool) {
	said, lines := make([]string, len(all)), make([]string, len(all))
	for i, one := range all {
		said[i], lines[i] = one.Error(), string(errorLines(one))
	}
	return term.Lines(strings.Join(lines, "\n")), strings.Join(said, "\n") == err.Error()
}
