package main

import (
	"context"
	"errors"
	"fmt"
	"io"
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
		fmt.Fprintln(stderr, "bulkreg:", err)
	}
	return status
}
