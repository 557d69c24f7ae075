package worker

import (
	"context"
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/migrations"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/pgserver"
)

// simSchema shadows the clock of Postgres. Our SQL, and the defaults of our tables, ask this one then: it stands still but for
// the microsecond that each question takes, until somebody advances it. The two functions of Postgres that it is made of
// are called stable here, which they are not, so that a comparison with now() can use an index, and is inlined. Functions of
// our own in their place would be looked up by name, among all that Postgres has, whenever a statement starts.
const simSchema = `
	ALTER FUNCTION pg_catalog.nextval(regclass) STABLE;
	ALTER FUNCTION pg_catalog.pg_sequence_last_value(regclass) STABLE;
	CREATE SCHEMA sim;
	CREATE SEQUENCE sim.clock;
	CREATE FUNCTION sim.now() RETURNS timestamptz STABLE LANGUAGE sql AS
		'SELECT pg_catalog.to_timestamp(CASE pg_catalog.current_setting(''transaction_read_only'')
			WHEN ''off'' THEN pg_catalog.nextval(''sim.clock''::regclass)
			ELSE pg_catalog.pg_sequence_last_value(''sim.clock''::regclass) END / 1e6::double precision)';
	CREATE FUNCTION sim.clock_timestamp() RETURNS timestamptz STABLE LANGUAGE sql AS 'SELECT sim.now()'`

// simDatabase is a migrated database whose clock the test sets.
type simDatabase struct {
	store   *store.Store
	conn    *pgx.Conn
	address string
	now     time.Time
}

// newSimDatabase makes one on a server that simServer started.
func newSimDatabase(t *testing.T, server *pgserver.Server, name string) *simDatabase {
	t.Helper()
	ctx := t.Context()
	if err := execOnce(ctx, server.SocketURL(""), "CREATE DATABASE "+name+" TEMPLATE "+simTemplate); err != nil {
		t.Fatal(err)
	}
	address := simAddress(t, server, name)
	d := &simDatabase{address: address, now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	var err error
	if d.conn, err = pgx.Connect(ctx, address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.conn.Close(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	})
	d.set(t, d.now)
	// One connection: a history takes one step at a time.
	if d.store, err = store.Open(ctx, address, store.Options{MaxConns: 1, LockTimeout: 5 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.store.Close)
	return d
}

// simTemplate is the database that all others are copies of.
const simTemplate = "template_sim"

// simAddress is how a database is reached so that it uses the shadowed clock. Plans are made once: what a history costs is mostly
// planning otherwise.
func simAddress(t *testing.T, server *pgserver.Server, name string) string {
	t.Helper()
	address, err := url.Parse(server.SocketURL(name))
	if err != nil {
		t.Fatal(err)
	}
	query := address.Query()
	query.Set("search_path", "sim,public,pg_catalog")
	query.Set("plan_cache_mode", "force_generic_plan")
	address.RawQuery = query.Encode()
	return address.String()
}

// simServer starts a Postgres for simulations: its superuser may shadow functions, and its socket is quicker than the loopback.
func simServer(t *testing.T) *pgserver.Server {
	t.Helper()
	ctx := t.Context()
	server, err := pgserver.Start(ctx, pgserver.Options{Settings: map[string]string{
		"wal_level": "minimal", "max_wal_senders": "0", "max_wal_size": "8GB", "checkpoint_timeout": "1h",
		"autovacuum": "off", "track_counts": "off", "track_activities": "off", "update_process_title": "off",
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := execOnce(ctx, server.SocketURL(""), "CREATE DATABASE "+simTemplate); err != nil {
		t.Fatal(err)
	}
	template := simAddress(t, server, simTemplate)
	if err := execOnce(ctx, template, simSchema); err != nil {
		t.Fatal(err)
	}
	if _, err := migrations.Up(ctx, template); err != nil {
		t.Fatal(err)
	}
	if err := execOnce(ctx, template, simFaults); err != nil {
		t.Fatal(err)
	}
	return server
}

// execOnce runs one statement, or several without parameters, on a connection of their own.
func execOnce(ctx context.Context, address, sql string) error {
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
}

// empty removes every row, but for the version of the schema.
func (d *simDatabase) empty(t *testing.T) {
	t.Helper()
	if _, err := d.conn.Exec(t.Context(), `TRUNCATE orders, jobs, tokens, claims, holds, registration_days, holders, accounts, order_changes, new_events, events CASCADE`); err != nil {
		t.Fatal(err)
	}
}

func (d *simDatabase) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := d.conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

func (d *simDatabase) set(t *testing.T, now time.Time) {
	t.Helper()
	d.now = now
	if _, err := d.conn.Exec(t.Context(), `SELECT setval('sim.clock', $1)`, now.UnixMicro()); err != nil {
		t.Fatal(err)
	}
}
