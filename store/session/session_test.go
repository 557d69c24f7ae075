package session_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bulkreg/bulkreg/store/pgtest"
	"github.com/bulkreg/bulkreg/store/session"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// open connects as bulkreg does.
func open(t *testing.T, address string, u session.Use) *pgx.Conn {
	t.Helper()
	cfg, err := session.Config(address, u)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(t.Context(), cfg.ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func exec(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func setting(t *testing.T, conn *pgx.Conn, name string) string {
	t.Helper()
	var value string
	if err := conn.QueryRow(t.Context(), `SELECT setting FROM pg_settings WHERE name = $1`, name).Scan(&value); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return value
}

// Whatever the database or the role has by default, a session of ours has what it was opened with.
func TestSessionsPinTheirSettings(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	conn, err := pgx.Connect(t.Context(), address) // before a session begins with seven milliseconds
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range []string{
		"client_encoding = 'LATIN1'", "default_transaction_isolation = 'serializable'", "statement_timeout = 7", "lock_timeout = 7",
		"idle_in_transaction_session_timeout = 0", "enable_seqscan = on", "tcp_user_timeout = 7",
	} {
		if _, err := conn.Exec(t.Context(), `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET `+
			strings.ReplaceAll(set, "'", "''")+`', current_database()); END $$`); err != nil {
			t.Fatal(err)
		}
	}
	_ = conn.Close(t.Context())
	for name, c := range map[string]struct {
		use  session.Use
		want map[string]string
	}{
		"work": {session.Use{FrozenAfter: 3 * time.Second}, map[string]string{
			"client_encoding": "UTF8", "default_transaction_isolation": "read committed", "idle_in_transaction_session_timeout": "3000",
			"lock_timeout": "10000", "statement_timeout": "60000", "enable_seqscan": "off", "application_name": "bulkreg",
			"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3", "tcp_user_timeout": "20000",
		}},
		"migration": {session.Use{Unhurried: true}, map[string]string{
			"statement_timeout": "0", "idle_in_transaction_session_timeout": "10000", "lock_timeout": "10000", "client_encoding": "UTF8",
		}},
	} {
		conn := open(t, address, c.use)
		if err := c.use.Verify(t.Context(), conn); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for setting_, want := range c.want {
			if got := setting(t, conn, setting_); got != want {
				t.Errorf("%s: %s is %s, want %s", name, setting_, got, want)
			}
		}
	}
}

// What an address asks for otherwise is refused by name, in one line.
func TestContradictionsAreRefused(t *testing.T) {
	t.Parallel()
	const address = "postgres://u:s3cret-word@h1,h2/db?sslmode=disable&"
	for parameters, wrong := range map[string]string{
		"default_query_exec_mode=simple_protocol":                            "default_query_exec_mode",
		"default_query_exec_mode=exec":                                       "default_query_exec_mode",
		"default_query_exec_mode=cache_statement":                            "",
		"statement_cache_capacity=0":                                         "statement_cache_capacity",
		"client_encoding=LATIN1":                                             "client_encoding",
		"client_encoding=utf8":                                               "",
		"Statement_Timeout=0":                                                "statement_timeout",
		"lock_timeout=0":                                                     "lock_timeout",
		"idle_in_transaction_session_timeout=0":                              "idle_in_transaction_session_timeout",
		"default_transaction_isolation=serializable":                         "default_transaction_isolation",
		"tcp_user_timeout=0":                                                 "tcp_user_timeout",
		"options=-c%20statement_timeout%3D5s%20-c%20geqo%3Doff":              "statement_timeout",
		"options=-cclient_encoding%3DLATIN1":                                 "client_encoding",
		"options=--lock-timeout%3D1":                                         "lock_timeout",
		"options=-c%20geqo%3Doff":                                            "",
		"target_session_attrs=read-write&bulkreg.unsafe=allow&search_path=s": "",
	} {
		_, err := session.Config(address+parameters, session.Use{})
		var refused *session.RefusedError
		switch {
		case wrong == "" && err != nil:
			t.Errorf("%s: %v", parameters, err)
		case wrong == "":
		case !errors.As(err, &refused) || refused.Setting != wrong:
			t.Errorf("%s: %v, want a refusal of %s", parameters, err, wrong)
		case strings.ContainsAny(err.Error(), "\n") || !strings.Contains(err.Error(), "the setting "+wrong+" of DATABASE_URL"):
			t.Errorf("%s: it says %q", parameters, err)
		}
	}
	if _, err := session.Config("postgres://u:s3cret-word@h:port/db", session.Use{}); !errors.Is(err, session.ErrAddress) || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("of no address it says %v", err)
	}
}

// Something before Postgres may drop what a session asks for.
func TestDroppedSettingsAreNoticed(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), pgtest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	var refused *session.RefusedError
	if err := (session.Use{}).Verify(t.Context(), conn); !errors.As(err, &refused) || refused.Setting != "idle_in_transaction_session_timeout" {
		t.Errorf("a session without any of the settings: %v", err)
	}
}

func TestRefusalKnowsWhoRefusesASetting(t *testing.T) {
	t.Parallel()
	fatal := func(code, message string) error {
		return fmt.Errorf("connect: %w", &pgconn.PgError{Severity: "FATAL", Code: code, Message: message})
	}
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"a pooler":         {fatal("08P01", "unsupported startup parameter: statement_timeout"), "statement_timeout"},
		"an older server":  {fatal("42704", `unrecognized configuration parameter "tcp_user_timeout"`), "tcp_user_timeout"},
		"something else":   {fatal("08P01", "expected password response"), ""},
		"a wrong password": {fatal("28P01", "password authentication failed"), ""},
		"a statement":      {&pgconn.PgError{Severity: "ERROR", Code: "22023", Message: "lock_timeout"}, ""},
		"nobody there":     {errors.New("dial tcp"), ""},
	} {
		err := session.Refusal(c.err)
		var refused *session.RefusedError
		if got := errors.As(err, &refused); got != (c.want != "") || got && (refused.Setting != c.want || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// A server that takes no writes is left: the next connection may reach the new primary.
func TestConnectionsToAReadOnlyServerAreDropped(t *testing.T) {
	t.Parallel()
	conn := open(t, pgtest.New(t), session.Use{})
	exec(t, conn, `CREATE TABLE t (n integer)`)
	if _, err := conn.Exec(t.Context(), `INSERT INTO t VALUES (1/0)`); err == nil || conn.IsClosed() {
		t.Errorf("after a usual error: %v, closed %v", err, conn.IsClosed())
	}
	exec(t, conn, `SET default_transaction_read_only = on`)
	if _, err := conn.Exec(t.Context(), `INSERT INTO t VALUES (1)`); err == nil || !conn.IsClosed() {
		t.Errorf("after 25006: %v, closed %v", err, conn.IsClosed())
	}
}

// The first host that answers and takes writes is used.
func TestSeveralHosts(t *testing.T) {
	t.Parallel()
	base, err := pgx.ParseConfig(pgtest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, attributes := range []string{"any", "read-write", "primary", "prefer-standby"} {
		address := fmt.Sprintf("postgres://%s:%s@127.0.0.1:1,%s:%d/%s?sslmode=disable&target_session_attrs=%s",
			base.User, base.Password, base.Host, base.Port, base.Database, attributes)
		for _, use := range []session.Use{{}, {Reads: true}} {
			conn := open(t, address, use)
			if err := use.Verify(t.Context(), conn); err != nil {
				t.Errorf("%s, %+v: %v", attributes, use, err)
			}
			if _, err := conn.Exec(t.Context(), `CREATE TABLE IF NOT EXISTS t (n integer)`); (err != nil) != use.Reads {
				t.Errorf("%s, %+v: a write: %v", attributes, use, err)
			}
		}
	}
}
