package store

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Listen calls wake with the kind of each order that comes in, until ctx ends or the connection breaks. It calls
// wake once with "" when it begins, for what came before. A notification is only a hint: it may come
// late, twice or not at all.
func (s *Store) Listen(ctx context.Context, wake func(Kind)) error {
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return failure("listen for orders", err)
	}
	// The connection leaves the pool: it must not go back while it still listens.
	c := conn.Hijack()
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }() // the connection is given up either way
	if _, err := c.Exec(ctx, "LISTEN "+pgx.Identifier{wakeChannel}.Sanitize()); err != nil {
		return failure("listen for orders", err)
	}
	wake("")
	for {
		n, err := c.WaitForNotification(ctx)
		if err != nil {
			return failure("listen for orders", err)
		}
		wake(Kind(n.Payload))
	}
}
