package store

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// AnnounceAccount notes that a worker has the credentials of an account.
func (s *Store) AnnounceAccount(ctx context.Context, name string) error {
	_, err := s.pool.Exec(ctx, `
		INSERT INTO accounts (name) VALUES ($1)
		ON CONFLICT (name) DO UPDATE SET known_at = now()`, name)
	return failure("announce account", err)
}

// Accounts returns the names of the accounts that workers have announced, in alphabetical order.
func (s *Store) Accounts(ctx context.Context) ([]string, error) {
	rows, err := s.pool.Query(ctx, `SELECT name FROM accounts ORDER BY name`)
	if err != nil {
		return nil, failure("list accounts", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return names, failure("list accounts", err)
}
