package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Listen calls wake with the kind of each order that comes in, until ctx ends or the connection breaks. It calls
// wake once with "" when it begins, for what came before. A notification is only a hint: it may come
// late, twice or not at all.
func (s *Store) Listen(ctx context.Context, wake func(Kind)) error {
	c, err := s.listening(ctx)
	if err != nil {
		return failure("listen for orders", err)
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }() // the connection is given up either way
	wake("")
	for {
		n, err := c.WaitForNotification(ctx)
		if err != nil {
			return failure("listen for orders", err)
		}
		wake(Kind(n.Payload))
	}
}

// listenTimeout is how long it may take until a connection listens.
const listenTimeout = 15 * time.Second

// listening returns a connection that listens. It has left the pool: it must not go back.
func (s *Store) listening(ctx context.Context) (*pgx.Conn, error) {
	beginning, cancel := context.WithTimeout(ctx, listenTimeout)
	defer cancel()
	conn, err := s.pool.Acquire(beginning)
	if err != nil {
		return nil, err
	}
	c := conn.Hijack()
	if _, err := c.Exec(beginning, "LISTEN "+pgx.Identifier{wakeChannel}.Sanitize()); err != nil {
		_ = c.Close(context.WithoutCancel(ctx)) // the connection is given up, and the error is told
		return nil, err
	}
	return c, nil
}
