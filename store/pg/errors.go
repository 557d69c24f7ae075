package pg

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bulkreg/bulkreg/store/session"
)

// ErrNotFound says that there is no such order or job.
var ErrNotFound = errors.New("not found")

// ErrUnavailable says that the database could not be reached, went away, or cannot do this now: the same may work later. An
// *UnavailableError is one, too.
var ErrUnavailable = errors.New("the database is not reachable")

// UnavailableError is what a database says that is there and cannot do this now: it takes no writes, its disk is full, it is
// being migrated, somebody holds a lock. Only a refusal of the data themselves is final, see Error: everything else is somebody's
// to set right, and what was to be written is kept until then.
type UnavailableError struct {
	Action  string // what was tried, as "verb noun"
	Code    string // SQLSTATE
	Message string
}

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("%s: %s (SQLSTATE %s)", e.Action, e.Message, e.Code)
}

// Is makes it an ErrUnavailable.
func (e *UnavailableError) Is(target error) bool { return target == ErrUnavailable }

// Error is a refusal by the database that no repeat cures: of what was to be written (classes 22 and 23), or, when a Store is
// opened, of who connects. It carries no row data: Postgres puts that into the detail of its messages, which is left out.
type Error struct {
	Action     string // what was tried, as "verb noun"
	Code       string // SQLSTATE, see https://www.postgresql.org/docs/current/errcodes-appendix.html
	Constraint string // the constraint that refused it, if one did
	Message    string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s (SQLSTATE %s)", e.Action, e.Message, e.Code)
}

// JobTakenError says that a job on its way in has the id of another one: of another order, or of another domain. Ids are derived
// from source, order, kind and domain, so that only rows which others have made can be in the way. Nothing of what was
// to be written with it was written.
type JobTakenError struct {
	Action string    // what was tried, as "verb noun"
	ID     uuid.UUID // zero where Postgres did not tell it
}

func (e *JobTakenError) Error() string {
	text := e.Action + ": " + jobTaken
	if e.ID != uuid.Nil {
		text += " (job " + e.ID.String() + ")"
	}
	return text
}

// Unwrap makes it an *Error, with its SQLSTATE.
func (e *JobTakenError) Unwrap() error {
	return &Error{Action: e.Action, Code: pgerrcode.UniqueViolation, Constraint: jobsKey, Message: jobTaken}
}

const (
	// jobsKey is the constraint that refuses the id of another job.
	jobsKey  = "jobs_pkey"
	jobTaken = "a job of the order has the id of another job, which is not the same: give the order another reference"
)

// idIn finds the id in what Postgres says of a key that is taken, in whatever language. uuid.Nil: there is none.
func idIn(detail string) uuid.UUID {
	_, rest, _ := strings.Cut(detail, ")=(")
	text, _, _ := strings.Cut(rest, ")")
	id, err := uuid.Parse(text)
	if err != nil {
		return uuid.Nil
	}
	return id
}

// Failure turns what the driver says into what the rest of bulkreg may see. Errors that are not the
// driver's pass through, with the action before them where they have none of their own.
func Failure(action string, err error) error {
	if err == nil {
		return nil
	}
	var (
		ours     *Error
		conflict *record.ReferenceConflictError
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
	case errors.As(err, &pg) && pg.Code == pgerrcode.UniqueViolation && pg.ConstraintName == jobsKey:
		return &JobTakenError{Action: action, ID: idIn(pg.Detail)}
	case errors.As(err, &pg):
		if isFinal(pg.Code) {
			return &Error{Action: action, Code: pg.Code, Constraint: pg.ConstraintName, Message: pg.Message}
		}
		return &UnavailableError{Action: action, Code: pg.Code, Message: pg.Message}
	case errors.As(err, &connect):
		return fmt.Errorf("%s: %w: %s", action, ErrUnavailable, err.Error())
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w", action, context.DeadlineExceeded)
	default:
		return fmt.Errorf("%s: %w: %s", action, ErrUnavailable, err.Error())
	}
}

// isFinal knows the SQLSTATE classes that blame what was to be written: data exceptions and violations of a constraint.
func isFinal(code string) bool {
	return pgerrcode.IsDataException(code) || pgerrcode.IsIntegrityConstraintViolation(code)
}

// startFailure is Failure at the start of a process, where refusals of who connects, or how, are final as well: they come from
// the settings, which a process reads once.
func startFailure(action string, err error) error {
	if refused := session.Refusal(err); refused != nil {
		return refused
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return Failure(action, err)
	}
	refused := &Error{Action: action, Code: pg.Code, Message: pg.Message}
	switch {
	case pgerrcode.IsInvalidAuthorizationSpecification(pg.Code):
		refused.Message += ": correct the user and the password"
	case pg.Code == pgerrcode.InvalidCatalogName:
		refused.Message += ": create it, or correct the name"
	case pg.Code == pgerrcode.InsufficientPrivilege:
		refused.Message += ": grant it to the user"
	default:
		return Failure(action, err)
	}
	return refused
}

// callbackError carries an error of the caller's own out of a transaction untouched.
type callbackError struct{ error }

// Untouched makes Failure give back err as it is: it is the caller's own, a bad line of input, say, and not the database's.
func Untouched(err error) error { return &callbackError{err} }
