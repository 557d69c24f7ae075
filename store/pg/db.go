// Package pg is what the rooms of the store share about Postgres: a verified pool on a migrated database, transactions, errors of
// its own, and how values travel.
//
// Postgres is the ledger and the clock: times that decide something (leases, wake-ups, deadlines) are
// made by the database from durations that callers give, so that the clocks of two workers never
// have to agree. A state changes in one batched statement, fenced on what it may follow.
//
// No error of the driver leaves it: see Error and ErrUnavailable. It knows no order and no job but by their names in a fault.
package pg

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/trace"

	"github.com/bulkreg/bulkreg/migrations"
	"github.com/bulkreg/bulkreg/store/session"
)

// DB is a pool of connections to one migrated database. It is safe for concurrent use.
type DB struct {
	Pool    *pgxpool.Pool
	Use     session.Use
	lineage lineage
	teller  *teller
}

// Options bounds what a DB takes of its database. The zero value is usable.
type Options struct {
	MaxConns       int           // connections at most, the listener's included; default 10
	ConnectTimeout time.Duration // for one connection; default 5 s
	// FrozenAfter is how long a transaction may stand still before Postgres ends it; default session.DefaultFrozenAfter.
	FrozenAfter time.Duration
	// LockTimeout is how long a statement waits for somebody's lock; default 10 s.
	LockTimeout time.Duration
	// Reads is for those who only look: nothing but what erases expired tokens can be written.
	Reads bool
	// AnySchema opens a database whatever its schema, for those who look at the server: CheckSchema tells them what it is.
	AnySchema bool
	// Traces is where statements show that belong to a trace; nil: nowhere.
	Traces trace.TracerProvider
}

// Open connects to the database at url and refuses one whose schema this binary does not work on, unless any will do: the error
// is then a *SchemaError.
func Open(ctx context.Context, url string, opts Options) (*DB, error) {
	s, err := connect(ctx, url, opts)
	if err != nil {
		return nil, err
	}
	if opts.AnySchema {
		return s, nil
	}
	if err := s.CheckSchema(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func connect(ctx context.Context, url string, opts Options) (*DB, error) {
	s := &DB{Use: session.Use{ConnectTimeout: opts.ConnectTimeout, FrozenAfter: opts.FrozenAfter, LockTimeout: opts.LockTimeout, Reads: opts.Reads}}
	s.teller = newTeller(s.notify)
	cfg, err := session.Config(url, s.Use)
	if errors.Is(err, session.ErrAddress) {
		return nil, fmt.Errorf("parse DATABASE_URL: %w", err)
	}
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = 10
	if opts.MaxConns > 0 {
		cfg.MaxConns = int32(opts.MaxConns)
	}
	cfg.PingTimeout = pingTimeout
	if opts.Traces != nil {
		cfg.ConnConfig.Tracer = newTracer(opts.Traces)
	}
	cfg.AfterConnect, cfg.PrepareConn = s.receive, s.lineage.current
	if s.Pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return nil, Failure("open connection pool", err)
	}
	return s, nil
}

// receive looks at each new connection before anybody uses it.
func (s *DB) receive(ctx context.Context, conn *pgx.Conn) error {
	if err := s.Use.Verify(ctx, conn); err != nil {
		return err
	}
	return s.lineage.vouch(ctx, conn)
}

// pingTimeout is how long a connection that was idle may take to show that it lives. One that does not is given up, and the
// statement gets another.
const pingTimeout = 5 * time.Second

// Close waits for running statements, passes on what is still to be told, and closes every connection.
func (s *DB) Close() {
	s.teller.close()
	s.Pool.Close()
}

// Ping says whether the database answers.
func (s *DB) Ping(ctx context.Context) error {
	return Failure("ping database", s.Pool.Ping(ctx))
}

// SchemaError says that this binary does not work on the database's schema.
type SchemaError struct {
	Have int64 // 0: no schema at all
	Want int64 // the newest that this binary knows
}

func (e *SchemaError) Error() string {
	switch {
	case e.Have == 0:
		return "the database has no bulkreg schema"
	case e.Have < e.Want:
		return fmt.Sprintf("the database schema is at version %d, this bulkreg needs %d", e.Have, e.Want)
	default:
		return fmt.Sprintf("the database schema is at version %d, newer than this bulkreg knows (%d): run a newer bulkreg", e.Have, e.Want)
	}
}

// openFailure is the failure of the first statement: it says in one line which setting names that database, and what to do.
// The driver's own text takes a line for each way it tried, and tells the same of each.
func openFailure(cfg *pgx.ConnConfig, err error) error {
	where := addresses(cfg)
	failed := startFailure(fmt.Sprintf("open the database at %s (DATABASE_URL)", where), err)
	if errors.Is(failed, ErrUnavailable) {
		return fmt.Errorf("%w at %s (DATABASE_URL): %s", ErrUnavailable, where, unreachable(err))
	}
	return failed
}

// addresses are where a database is looked for, each once.
func addresses(cfg *pgx.ConnConfig) string {
	_, first := pgconn.NetworkAddress(cfg.Host, cfg.Port)
	all := []string{first}
	for _, f := range cfg.Fallbacks {
		if _, address := pgconn.NetworkAddress(f.Host, f.Port); !slices.Contains(all, address) {
			all = append(all, address)
		}
	}
	return strings.Join(all, ", ")
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
		return fmt.Sprintf("%s (SQLSTATE %s)", pg.Message, pg.Code)
	case errors.As(err, &dial):
		return dial.Error()
	case errors.As(err, &name):
		return name.Error()
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}

// CheckSchema accepts the versions that this binary works on, and newer ones that say that they work with it: a deployment
// migrates first and then replaces its processes one by one. It fails with a *SchemaError for others.
func (s *DB) CheckSchema(ctx context.Context) error {
	newest, err := migrations.Latest()
	if err != nil {
		return err
	}
	have, err := migrations.Version(ctx, s.Pool)
	if err != nil {
		return openFailure(s.Pool.Config().ConnConfig, err)
	}
	if have >= migrations.Oldest && have <= newest {
		return nil
	}
	if have > newest {
		since, err := migrations.WorksSince(ctx, s.Pool, have)
		if err != nil {
			return openFailure(s.Pool.Config().ConnConfig, err)
		}
		if since > 0 && since <= newest {
			return nil
		}
	}
	return &SchemaError{Have: have, Want: newest}
}

// Querier is a transaction, or the pool where none is needed.
type Querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Begin makes a transaction's commit wait until it is on disk, also where synchronous_commit is off by default: an order
// that was accepted, or an intent whose call was sent, must not vanish when Postgres crashes. A commit that waits takes
// every earlier one with it. Other values, such as remote_apply, stay. All of it is one exchange with the server.
const Begin = `BEGIN; SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'`

// beginLong is begin of a transaction that many rows make long, and that waits for others like it.
const beginLong = Begin + `; SET LOCAL statement_timeout = '30min'; SET LOCAL lock_timeout = '5min'`

// InLongTx is InTx for what may take long: orders on their way in, and what touches many at once.
func (s *DB) InLongTx(ctx context.Context, action string, fn func(pgx.Tx) error) error {
	return s.InTxOf(ctx, beginLong, action, fn)
}

// InTx runs fn in a transaction and commits it, or rolls it back when fn fails.
func (s *DB) InTx(ctx context.Context, action string, fn func(pgx.Tx) error) error {
	return s.InTxOf(ctx, Begin, action, fn)
}

// InTxOf is InTx of a transaction that begins in a way of its own.
func (s *DB) InTxOf(ctx context.Context, begin, action string, fn func(pgx.Tx) error) error {
	return Failure(action, pgx.BeginTxFunc(ctx, s.Pool, pgx.TxOptions{BeginQuery: begin}, fn))
}

// ReadBatch sends statements together, and has read read what they bring, in their order.
func (s *DB) ReadBatch(ctx context.Context, batch *pgx.Batch, read func(pgx.BatchResults) error) error {
	results := s.Pool.SendBatch(ctx, batch)
	err := read(results)
	if cerr := results.Close(); err == nil {
		err = cerr
	}
	return err
}

// Seconds is how durations travel to the database: as the parameter of make_interval.
func Seconds(d time.Duration) float64 { return d.Seconds() }
