package pg

import (
	"context"
	"time"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Listen calls wake with the kind of each order that comes in, until ctx ends or the connection breaks. It calls
// wake once with "" when it begins, for what came before. A notification is only a hint: it may come
// late, twice or not at all.
func (s *DB) Listen(ctx context.Context, wake func(record.Kind)) error {
	return s.ListenTo(ctx, WakeChannel, "listen for orders", func(payload string) { wake(record.Kind(payload)) })
}

// ListenTo calls heard with what is told on a channel, until ctx ends or the connection breaks, and once with "" when it begins. A
// DB of a single connection has none to spare, and hears nothing after that.
func (s *DB) ListenTo(ctx context.Context, channel, action string, heard func(payload string)) error {
	if s.Pool.Config().MaxConns == 1 {
		return s.listenToNobody(ctx, action, heard)
	}
	c, err := s.listening(ctx, channel)
	if err != nil {
		return Failure(action, err)
	}
	defer leaveListening(ctx, c)
	heard("")
	for {
		n, err := c.Conn().WaitForNotification(ctx)
		if err != nil {
			return Failure(action, err)
		}
		heard(n.Payload)
	}
}

func (s *DB) listenToNobody(ctx context.Context, action string, heard func(string)) error {
	if err := s.Ping(ctx); err != nil {
		return err
	}
	heard("")
	<-ctx.Done()
	return Failure(action, ctx.Err())
}

// listenTimeout is how long it may take until a connection listens.
const listenTimeout = 15 * time.Second

// listening returns a connection of the pool that listens. It counts among the pool's for as long as it does.
func (s *DB) listening(ctx context.Context, channel string) (*pgxpool.Conn, error) {
	beginning, cancel := context.WithTimeout(ctx, listenTimeout)
	defer cancel()
	c, err := s.Pool.Acquire(beginning)
	if err != nil {
		return nil, err
	}
	if _, err := c.Exec(beginning, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
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
