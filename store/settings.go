package store

import (
	"context"
	"strings"
)

// Durability is what the database does for commits to survive a crash, see
// https://www.postgresql.org/docs/current/runtime-config-wal.html.
type Durability struct {
	Fsync             bool
	FullPageWrites    bool
	SynchronousCommit bool // what our connections have unless they ask for another; false: off
	// UnsafeAllowed says that somebody has set bulkreg.unsafe to allow: for the server, the database, the role or, as a
	// parameter of DATABASE_URL, for our connections. A throwaway server says so of itself.
	UnsafeAllowed bool
}

// Durability reads the settings.
func (s *Store) Durability(ctx context.Context) (Durability, error) {
	var d Durability
	err := s.pool.QueryRow(ctx, `
		SELECT current_setting('fsync') <> 'off', current_setting('full_page_writes') <> 'off',
			current_setting('synchronous_commit') <> 'off',
			coalesce(current_setting('bulkreg.unsafe', true), '') = 'allow'`).
		Scan(&d.Fsync, &d.FullPageWrites, &d.SynchronousCommit, &d.UnsafeAllowed)
	return d, failure("read settings of the database", err)
}

// UnsafeError says that the database may forget what it has committed, so that no order may be entrusted to it.
type UnsafeError struct{ Settings []string }

func (e *UnsafeError) Error() string {
	return "Postgres runs with " + strings.Join(e.Settings, " and ") + ": a crash of its machine may undo commits or ruin the database, " +
		"so that accepted orders are lost, and domains whose intent to pay is lost are paid for twice; turn on what is off " +
		"(for a throwaway database, or storage that needs neither, add the parameter bulkreg.unsafe=allow to DATABASE_URL)"
}

// Refusal is an *UnsafeError, or nil if the database keeps what it has committed, or need not.
func (d Durability) Refusal() error {
	var off []string
	if !d.Fsync {
		off = append(off, "fsync=off")
	}
	if !d.FullPageWrites {
		off = append(off, "full_page_writes=off")
	}
	if len(off) == 0 || d.UnsafeAllowed {
		return nil
	}
	return &UnsafeError{Settings: off}
}

// Warning says what is allowed and seldom meant, "" if nothing is.
func (d Durability) Warning() string {
	if d.SynchronousCommit || d.UnsafeAllowed {
		return ""
	}
	return "Postgres runs with synchronous_commit=off: a crash of it may undo the last commits. Orders and intents to pay are " +
		"committed synchronously all the same, so that none is lost and nothing is paid for twice, but the outcome of the last calls, " +
		"the last holds and what operators just did may be; set it to on"
}
