package pg

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Unhurried returns a connection for rows that somebody reads at his own pace, such as a person who pages through an export: Postgres
// neither ends the statement nor takes the reader for dead. release makes it like the others again.
func (s *DB) Unhurried(ctx context.Context) (conn *pgxpool.Conn, release func(), err error) {
	if conn, err = s.Pool.Acquire(ctx); err != nil {
		return nil, nil, err
	}
	if _, err := conn.Exec(ctx, `SET statement_timeout = 0; SET tcp_user_timeout = 0`); err != nil {
		conn.Release()
		return nil, nil, err
	}
	return conn, func() { hurryAgain(ctx, conn) }, nil
}

// hurryTime bounds the statement that takes the exception back.
const hurryTime = 5 * time.Second

// hurryAgain gives a connection back to the pool, or ends it where it cannot be made like the others.
func hurryAgain(ctx context.Context, conn *pgxpool.Conn) {
	defer conn.Release()
	resetting, cancel := context.WithTimeout(context.WithoutCancel(ctx), hurryTime)
	defer cancel()
	if _, err := conn.Exec(resetting, `RESET statement_timeout; RESET tcp_user_timeout`); err != nil {
		_ = conn.Conn().Close(resetting) // a pool gives up what is closed
	}
}
