// Package store is what bulkreg knows: orders, jobs, chunks, claims, calls and attempts in Postgres, and
// every statement that reads or changes them.
//
// Postgres is the ledger and the clock: times that decide something (leases, wake-ups, deadlines) are
// made by the database from durations that callers give, so that the clocks of two workers never
// have to agree. A state changes in one batched statement, fenced on what it may follow.
//
// The package knows nothing of Asynq, of HTTP or of what an upstream answer means, and no error of the
// database driver leaves it: see Error and ErrUnavailable.
package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bulkreg/bulkreg/migrations"
)

// Store is a pool of connections to one migrated database. It is safe for concurrent use.
type Store struct {
	pool     *pgxpool.Pool
	adopting orderTurns
}

// Options bounds what a Store takes of its database. The zero value is usable.
type Options struct {
	MaxConns       int           // connections at most; default 10
	ConnectTimeout time.Duration // for one connection; default 5 s
}

// Open connects to the database at url and refuses one whose schema is not this binary's: the error is
// then a *SchemaError.
func Open(ctx context.Context, url string, opts Options) (*Store, error) {
	s, err := connect(ctx, url, opts)
	if err != nil {
		return nil, err
	}
	if err := s.checkSchema(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func connect(ctx context.Context, url string, opts Options) (*Store, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		// The driver's own text may quote the address with its password.
		return nil, fmt.Errorf("parse DATABASE_URL: not a Postgres address of the form postgres://user:password@host:port/database")
	}
	cfg.MaxConns = 10
	if opts.MaxConns > 0 {
		cfg.MaxConns = int32(opts.MaxConns)
	}
	cfg.ConnConfig.ConnectTimeout = 5 * time.Second
	if opts.ConnectTimeout > 0 {
		cfg.ConnConfig.ConnectTimeout = opts.ConnectTimeout
	}
	cfg.ConnConfig.DialFunc = (&net.Dialer{KeepAliveConfig: keepAlive()}).DialContext
	cfg.PingTimeout = pingTimeout
	for name, value := range sessionSettings() {
		cfg.ConnConfig.RuntimeParams[name] = value
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, failure("open connection pool", err)
	}
	return &Store{pool: pool}, nil
}

// pingTimeout is how long a connection that was idle may take to show that it lives. One that does not is given up, and the
// statement gets another.
const pingTimeout = 5 * time.Second

// keepAlive finds out within 20 s that a server is gone without a word. Nothing else would tell one who only listens.
func keepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 5 * time.Second, Count: 3}
}

// sessionSettings keep plans from depending on how large the tables were when a connection first planned a
// statement. Every statement here is made of index lookups. A plan made while the tables were nearly empty would
// read them whole, and, cached, go on doing so when they hold a million jobs.
func sessionSettings() map[string]string {
	return map[string]string{
		"application_name": "bulkreg",
		"enable_seqscan":   "off",
		"enable_hashjoin":  "off",
		"enable_mergejoin": "off",
		"jit":              "off", // it takes longer to compile these statements than to run them
	}
}

// Close waits for running statements and closes every connection.
func (s *Store) Close() { s.pool.Close() }

// Ping says whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	return failure("ping database", s.pool.Ping(ctx))
}

// SchemaError says that the database's schema is not the one this binary was built for.
type SchemaError struct {
	Have int64 // 0: no schema at all
	Want int64
}

func (e *SchemaError) Error() string {
	switch {
	case e.Have == 0:
		return "the database has no bulkreg schema: run `bulkreg migrate`"
	case e.Have < e.Want:
		return fmt.Sprintf("the database schema is at version %d, this bulkreg needs %d: run `bulkreg migrate`", e.Have, e.Want)
	default:
		return fmt.Sprintf("the database schema is at version %d, newer than this bulkreg knows (%d): run a newer bulkreg", e.Have, e.Want)
	}
}

// openFailure is failure of the first statement: it says in one line which setting names that database, and what to do.
// The driver's own text takes a line for each way it tried, and tells the same of each.
func openFailure(cfg *pgx.ConnConfig, err error) error {
	_, where := pgconn.NetworkAddress(cfg.Host, cfg.Port)
	failed := failure(fmt.Sprintf("open the database at %s (DATABASE_URL)", where), err)
	var refused *Error
	switch {
	case errors.As(failed, &refused) && strings.HasPrefix(refused.Code, "28"): // invalid authorization
		refused.Message += ": correct the user and the password"
	case errors.As(failed, &refused) && refused.Code == "3D000": // invalid catalog name
		refused.Message += ": create it, or correct the name"
	case errors.Is(failed, ErrUnavailable):
		return fmt.Errorf("%w at %s (DATABASE_URL): %s", ErrUnavailable, where, unreachable(err))
	}
	return failed
}

// unreachable is why a database cannot be reached.
func unreachable(err error) string {
	var (
		pg   *pgconn.PgError
		dial *net.OpError
		name *net.DNSError
	)
	switch {
	case errors.As(err, &pg):
		return pg.Message
	case errors.As(err, &dial):
		return dial.Error()
	case errors.As(err, &name):
		return name.Error()
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}

func (s *Store) checkSchema(ctx context.Context) error {
	want, err := migrations.Latest()
	if err != nil {
		return err
	}
	var present bool
	err = s.pool.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, migrations.VersionTable).Scan(&present)
	if err != nil {
		return openFailure(s.pool.Config().ConnConfig, err)
	}
	var have int64
	if present {
		err = s.pool.QueryRow(ctx,
			`SELECT coalesce(max(version_id), 0) FROM `+migrations.VersionTable+` WHERE is_applied`).Scan(&have)
		if err != nil {
			return failure("read schema version", err)
		}
	}
	if have != want {
		return &SchemaError{Have: have, Want: want}
	}
	return nil
}

// querier is a transaction, or the pool where none is needed.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// begin makes a transaction's commit wait until it is on disk, also where synchronous_commit is off by default: an order
// that was accepted, or an intent whose call was sent, must not vanish when Postgres crashes. A commit that waits takes
// every earlier one with it. Other values, such as remote_apply, stay. All of it is one exchange with the server.
const begin = `BEGIN; SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'`

// inTx runs fn in a transaction and commits it, or rolls it back when fn fails.
func (s *Store) inTx(ctx context.Context, action string, fn func(pgx.Tx) error) error {
	return failure(action, pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{BeginQuery: begin}, fn))
}

// seconds is how durations travel to the database: as the parameter of make_interval.
func seconds(d time.Duration) float64 { return d.Seconds() }
