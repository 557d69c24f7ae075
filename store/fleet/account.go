package fleet

import (
	"context"

	"github.com/bulkreg/bulkreg/store/pg"

	"github.com/jackc/pgx/v5"
)

// AnnounceAccount notes that a worker has the credentials of an account.
func (s *Fleet) AnnounceAccount(ctx context.Context, name string) error {
	_, err := s.db.Pool.Exec(ctx, `
		INSERT INTO accounts (name) VALUES ($1)
		ON CONFLICT (name) DO UPDATE SET known_at = now()`, name)
	return pg.Failure("announce account", err)
}

// Accounts returns the names of the accounts that workers have announced, in alphabetical order.
func (s *Fleet) Accounts(ctx context.Context) ([]string, error) {
	rows, err := s.db.Pool.Query(ctx, `SELECT name FROM accounts ORDER BY name`)
	if err != nil {
		return nil, pg.Failure("list accounts", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return names, pg.Failure("list accounts", err)
}
