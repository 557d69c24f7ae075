package store

import (
	"context"
	"errors"
)

// ErrReadOnly says that the database answers and takes no writes.
var ErrReadOnly = errors.New("the database takes no writes")

// Writable fails with ErrReadOnly when the database answers and takes no writes, as a standby or one that was set to read-only
// does, and else as any statement.
func (s *Store) Writable(ctx context.Context) error {
	var readOnly bool
	err := s.pool.QueryRow(ctx, `SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'`).Scan(&readOnly)
	if err == nil && readOnly {
		return ErrReadOnly
	}
	return failure("ask whether the database takes writes", err)
}
