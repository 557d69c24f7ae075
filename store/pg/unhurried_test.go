package pg

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bulkreg/bulkreg/store/pgtest"
)

// Who reads at his own pace is an exception, and leaves none behind on the connection.
func TestUnhurriedReadersLeaveTheConnectionAsItWas(t *testing.T) {
	t.Parallel()
	s, err := connect(t.Context(), pgtest.New(t), Options{MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	wants := func(c *pgxpool.Conn, when, want string) uint32 {
		t.Helper()
		var got string
		err := c.QueryRow(t.Context(), `SELECT current_setting('statement_timeout') || ' ' || current_setting('tcp_user_timeout')`).Scan(&got)
		if err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", when, got, err, want)
		}
		return c.Conn().PgConn().PID()
	}
	usual := func(when string) uint32 {
		t.Helper()
		c, err := s.Pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Release()
		return wants(c, when, "1min 20000")
	}
	before := usual("before")
	ctx, cancel := context.WithCancel(t.Context())
	c, release, err := s.Unhurried(ctx)
	if err != nil {
		t.Fatal(err)
	}
	wants(c, "while reading", "0 0")
	cancel() // as when the reader breaks off
	release()
	if after := usual("afterwards"); after != before {
		t.Error("the connection was given up although it was sound")
	}
}
