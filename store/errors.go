package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrNotFound says that there is no such order or job.
var ErrNotFound = errors.New("not found")

// ErrUnavailable says that the database could not be reached, or went away: the same may work later.
var ErrUnavailable = errors.New("the database is not reachable")

// Error is a refusal by the database itself. It carries no row data: Postgres puts that into the detail
// of its messages, which is left out.
type Error struct {
	Action     string // what was tried, as "verb noun"
	Code       string // SQLSTATE, see https://www.postgresql.org/docs/current/errcodes-appendix.html
	Constraint string // the constraint that refused it, if one did
	Message    string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s (SQLSTATE %s)", e.Action, e.Message, e.Code)
}

// ReferenceConflictError says that an order of that reference exists and asks for something else.
type ReferenceConflictError struct {
	Source, Reference string
	Existing          Order
}

func (e *ReferenceConflictError) Error() string {
	return fmt.Sprintf("order %q of source %q exists with other content (%d %s jobs, since %s): give the new order a reference of its own",
		e.Reference, e.Source, e.Existing.Total, e.Existing.Kind, e.Existing.CreatedAt.Format("2006-01-02 15:04:05"))
}

// failure turns what the driver says into what the rest of bulkreg may see. Errors that are not the
// driver's pass through, with the action before them where they have none of their own.
func failure(action string, err error) error {
	if err == nil {
		return nil
	}
	var (
		ours     *Error
		conflict *ReferenceConflictError
		callback *callbackError
		pg       *pgconn.PgError
		connect  *pgconn.ConnectError
	)
	switch {
	case errors.As(err, &ours), errors.As(err, &conflict), errors.Is(err, ErrUnavailable), errors.Is(err, ErrNotFound):
		return err
	case errors.As(err, &callback):
		return callback.error
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("%s: %w", action, ErrNotFound)
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: %w", action, context.Canceled)
	case strings.Contains(err.Error(), "unable to encode"):
		// The driver has no type for this. Trying again would not help.
		return &Error{Action: action, Code: "22003", Message: "a value is out of the range of its column"}
	case errors.As(err, &pg):
		if isAbsence(pg.Code) {
			return fmt.Errorf("%s: %w: %s", action, ErrUnavailable, pg.Message)
		}
		return &Error{Action: action, Code: pg.Code, Constraint: pg.ConstraintName, Message: pg.Message}
	case errors.As(err, &connect):
		return fmt.Errorf("%s: %w: %s", action, ErrUnavailable, err.Error())
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", action, context.DeadlineExceeded)
	default:
		return fmt.Errorf("%s: %w: %s", action, ErrUnavailable, err.Error())
	}
}

// isAbsence knows the SQLSTATE classes that say "not now": connection exceptions, shutdown and start-up,
// too many connections, and the failures that a repeat may cure.
func isAbsence(code string) bool {
	if len(code) != 5 {
		return false
	}
	switch code[:2] {
	case "08", "53", "57":
		return true
	}
	return code == "40001" || code == "40P01"
}

// callbackError carries an error of the caller's own (a bad line of input, say) out of a transaction
// untouched.
type callbackError struct{ error }
