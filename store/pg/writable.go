package pg

import (
	"context"
	"errors"

	"github.com/jackc/pgerrcode"
)

// ErrReadOnly says that the database answers and takes no writes.
var ErrReadOnly = errors.New("the database takes no writes")

// Writable fails with ErrReadOnly when the database answers and takes no writes, as a standby or one that was set to read-only
// does, and else as any statement.
func (s *DB) Writable(ctx context.Context) error {
	var readOnly bool
	err := s.Pool.QueryRow(ctx, `SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'`).Scan(&readOnly)
	var later *UnavailableError
	failed := Failure("ask whether the database takes writes", err)
	if failed == nil && readOnly || errors.As(failed, &later) && later.Code == pgerrcode.ReadOnlySQLTransaction {
		return ErrReadOnly // in the second case no connection was even kept
	}
	return failed
}
