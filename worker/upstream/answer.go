package upstream

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Op names an operation of an upstream, as a label for metrics, logs and errors.
type Op string

// Answer says what one request brought, whether it succeeded or not. It is filled also when the error is not nil.
type Answer struct {
	// Status is the HTTP status, 0 when no status line arrived.
	Status int
	// Documented says that an error answer carried the documented body {statusCode, message}.
	Documented bool
	// StatusCode is the statusCode of that body, which may contradict Status.
	StatusCode int
	// Message is the upstream's words, safe to store and show: at most MaxMessage bytes of printable UTF-8.
	Message string
	// RetryAfter is what the header of that name asks for, from 0 to MaxRetryAfter.
	RetryAfter time.Duration
	// Sent is false only if it is certain that no byte of the request left, or ever will.
	Sent bool
	// Complete says that the reply was read whole and, on a success status, decoded.
	Complete bool
	// TokenGeneration is the token used, for a client's Invalidate; 0 when none could be got.
	TokenGeneration uint64
	// Started is when the method was called.
	Started time.Time
	// Duration is that of the whole method call, waiting for a token included.
	Duration time.Duration
}

// Errors that an Error or AuthError may wrap.
var (
	ErrTooLarge = errors.New("reply is larger than allowed")
	ErrClosed   = errors.New("client is closed")
	ErrInput    = errors.New("request is not valid")
)

// Error says that an operation did not succeed; Answer says what is known of it. Errors of the standard library
// under it, such as context.DeadlineExceeded or syscall.ECONNREFUSED, are found with errors.Is.
//
// Mind an Error with a 2xx status: the reply could not be read, or the status is not one the contract
// knows. The operation may have taken effect. So may any with Answer.Sent.
type Error struct {
	Op     Op
	Answer Answer
	cause  error
}

// Error gives operation, status and the upstream's words.
func (e *Error) Error() string { return Describe(e.Op, e.Answer, e.cause) }

// Unwrap returns the cause, nil when the status says it all.
func (e *Error) Unwrap() error { return e.cause }

// NewError says that an operation did not succeed. The cause must be safe to show, see Cause; nil: the status says it all.
func NewError(op Op, answer Answer, cause error) *Error {
	return &Error{Op: op, Answer: answer, cause: cause}
}

// Describe words an operation that did not succeed.
func Describe(op Op, a Answer, cause error) string {
	var b strings.Builder
	b.WriteString(string(op))
	if a.Status != 0 {
		fmt.Fprintf(&b, ": HTTP %d", a.Status)
		switch {
		case a.Documented && a.StatusCode != a.Status && a.StatusCode != 0:
			fmt.Fprintf(&b, " (the body says %d)", a.StatusCode)
		case a.Status/100 == 3:
			b.WriteString(" (a redirect, which is not followed)")
		case !a.Documented && a.Status >= http.StatusBadRequest:
			b.WriteString(" (without the documented error body)")
		}
	}
	if cause != nil {
		b.WriteString(": " + cause.Error())
	}
	if a.Message != "" {
		b.WriteString(": " + a.Message)
	}
	return b.String()
}
