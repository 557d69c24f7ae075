package pg

import (
	"context"
	"time"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// WakeChannel is where Postgres tells dispatchers that there is something to deliver.
const WakeChannel = "bulkreg_wake"

// Listen calls wake with the kind of each order that comes in, until ctx ends or the connection breaks. It calls
// wake once with "" when it begins, for what came before. A notification is only a hint: it may come
// late, twice or not at all. A Store of a single connection has none to spare, and is woken no second time.
func (s *DB) Listen(ctx context.Context, wake func(record.Kind)) error {
	if s.Pool.Config().MaxConns == 1 {
		return s.listenToNobody(ctx, wake)
	}
	c, err := s.listening(ctx)
	if err != nil {
		return Failure("listen for orders", err)
	}
	defer leaveListening(ctx, c)
	wake("")
	for {
		n, err := c.Conn().WaitForNotification(ctx)
		if err != nil {
			return Failure("listen for orders", err)
		}
		wake(record.Kind(n.Payload))
	}
}

func (s *DB) listenToNobody(ctx context.Context, wake func(record.Kind)) error {
	if err := s.Ping(ctx); err != nil {
		return err
	}
	wake("")
	<-ctx.Done()
	return Failure("listen for orders", ctx.Err())
}

// listenTimeout is how long it may take until a connection listens.
const listenTimeout = 15 * time.Second

// listening returns a connection of the pool that listens. It counts among the pool's for as long as it does.
func (s *DB) listening(ctx context.Context) (*pgxpool.Conn, error) {
	beginning, cancel := context.WithTimeout(ctx, listenTimeout)
	defer cancel()
	c, err := s.Pool.Acquire(beginning)
	if err != nil {
		return nil, err
	}
	if _, err := c.Exec(beginning, "LISTEN "+pgx.Identifier{WakeChannel}.Sanitize()); err != nil {
		leaveListening(ctx, c)
		return nil, err
	}
	return c, nil
}

// leaveListening closes the connection before the pool gets it back: nobody else is to hear what it listens to.
func leaveListening(ctx context.Context, c *pgxpool.Conn) {
	_ = c.Conn().Close(context.WithoutCancel(ctx)) // it is given up either way
	c.Release()
}
