// Package session is how every process of bulkreg talks to Postgres: the pool, the listener and the migrations are all
// connected as it says.
//
// Rules that the rest relies on (isolation, encoding, how long a transaction may stand still) hold for a session or it is
// refused. A parameter of DATABASE_URL never changes one silently, and neither does something between here and Postgres that
// drops what a session asks for.
//
// It must never import anything of bulkreg, so that both the store and the migrations may use it.
package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Use is what sessions are opened for. Its zero value is for work in short transactions.
type Use struct {
	ConnectTimeout time.Duration // for one connection; default 5 s
	// FrozenAfter is how long a transaction may stand still between two statements before Postgres ends it, and with it the
	// locks that keep others waiting; default DefaultFrozenAfter.
	FrozenAfter time.Duration
	// LockTimeout is how long a statement waits for somebody's lock; default 10 s.
	LockTimeout time.Duration
	// Reads says that nothing is written but in a transaction that asks for it: whatever slips into a command that only looks is
	// refused by Postgres.
	Reads bool
	// Unhurried statements may take as long as they need: those of a migration.
	Unhurried bool
}

// DefaultFrozenAfter is well below any lease, and well above what lies between two statements of ours.
const DefaultFrozenAfter = 10 * time.Second

// Patience is FrozenAfter, or its default.
func (u Use) Patience() time.Duration { return orDefault(u.FrozenAfter, DefaultFrozenAfter) }

// How long statements of a session wait and run at most, unless their transaction says otherwise.
const (
	lockTimeout      = 10 * time.Second
	statementTimeout = time.Minute
)

// name is how sessions of bulkreg show in pg_stat_activity.
const name = "bulkreg"

// ErrAddress says that an address cannot be read. It does not quote it: there may be a password in it.
var ErrAddress = errors.New("not a Postgres address of the form postgres://user:password@host:port/database")

// RefusedError says which setting a session cannot have as bulkreg needs it.
type RefusedError struct {
	Setting string
	Why     string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the setting %s of DATABASE_URL: %s", e.Setting, e.Why)
}

// Config reads an address and pins the settings. It fails with ErrAddress, or with a *RefusedError where the address
// contradicts a pin, or leads to a file that cannot be used: the driver would wait for a pipe for ever.
func Config(address string, u Use) (*pgxpool.Config, error) {
	if _, refused := filesOf(address); refused != nil {
		return nil, refused
	}
	cfg, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, ErrAddress // the driver's own text may quote the address
	}
	if err := u.pin(cfg.ConnConfig); err != nil {
		return nil, err
	}
	return cfg, nil
}

func (u Use) pin(cfg *pgx.ConnConfig) error {
	if err := refuseMode(cfg); err != nil {
		return err
	}
	for _, p := range u.pins() {
		if asked, ok := askedFor(cfg, p.name); ok && !strings.EqualFold(asked, p.value) {
			return &RefusedError{p.name, fmt.Sprintf("it is %s there, and bulkreg needs %s; leave it out", shown(asked), p.value)}
		}
		cfg.RuntimeParams[p.name] = p.value
	}
	if u.Reads && cfg.ValidateConnect != nil {
		delete(cfg.RuntimeParams, onlyReads)
		cfg.ValidateConnect = readAfter(cfg.ValidateConnect)
	}
	cfg.RuntimeParams["application_name"] = name
	cfg.ConnectTimeout = orDefault(u.ConnectTimeout, 5*time.Second)
	cfg.DialFunc = (&net.Dialer{KeepAliveConfig: keepAlive()}).DialContext
	cfg.OnPgError = stays
	return nil
}

// onlyReads is the setting of sessions that write nothing unless a transaction asks for it.
const onlyReads = "default_transaction_read_only"

// readAfter makes a session one that reads only after the server was found to be one that the address asks for (target_session_attrs).
// If it were one from its beginning, a primary would look like a server that takes no writes.
func readAfter(validate pgconn.ValidateConnectFunc) pgconn.ValidateConnectFunc {
	return func(ctx context.Context, conn *pgconn.PgConn) error {
		found := validate(ctx, conn)
		if notPreferred := (*pgconn.NotPreferredError)(nil); found != nil && !errors.As(found, &notPreferred) {
			return found
		}
		if _, err := conn.Exec(ctx, `SET `+onlyReads+` = on`).ReadAll(); err != nil {
			return err
		}
		return found
	}
}

// refuseMode refuses ways to send statements that they were not made for: in the simple protocol some mean something else.
func refuseMode(cfg *pgx.ConnConfig) error {
	if cfg.DefaultQueryExecMode != pgx.QueryExecModeCacheStatement {
		return &RefusedError{"default_query_exec_mode", "bulkreg prepares its statements; leave it out, and connect to Postgres itself, not to a transaction pooler"}
	}
	if cfg.StatementCacheCapacity <= 0 {
		return &RefusedError{"statement_cache_capacity", "bulkreg prepares its statements; leave it out"}
	}
	return nil
}

// pin is a setting that sessions have in one way only.
type pin struct {
	name, value string
	// offered settings are asked for and not insisted on: a socket of another kind than TCP has none of them.
	offered bool
}

func (u Use) pins() []pin {
	statement := statementTimeout
	if u.Unhurried {
		statement = 0
	}
	var reads []pin
	if u.Reads {
		reads = []pin{{name: onlyReads, value: "on"}}
	}
	return append(reads, []pin{
		{name: "client_encoding", value: "UTF8"},
		{name: "default_transaction_isolation", value: "read committed"},
		{name: "idle_in_transaction_session_timeout", value: milliseconds(u.Patience())},
		{name: "lock_timeout", value: milliseconds(orDefault(u.LockTimeout, lockTimeout))},
		{name: "statement_timeout", value: milliseconds(statement)},

		// The server finds out as soon as we do that the other end is gone, and gives back what it had locked.
		{name: "tcp_keepalives_idle", value: "5", offered: true},
		{name: "tcp_keepalives_interval", value: "5", offered: true},
		{name: "tcp_keepalives_count", value: "3", offered: true},
		{name: "tcp_user_timeout", value: "20000", offered: true},

		// Every statement here is made of index lookups. A plan made while the tables were nearly empty would read them whole,
		// and, cached, go on doing so when they hold a million jobs.
		{name: "enable_seqscan", value: "off"},
		{name: "enable_hashjoin", value: "off"},
		{name: "enable_mergejoin", value: "off"},
		{name: "jit", value: "off"}, // it takes longer to compile these statements than to run them
	}...)
}

// askedFor is what an address says of a setting, as a parameter of its own or among the options.
func askedFor(cfg *pgx.ConnConfig, name string) (string, bool) {
	for key, value := range cfg.RuntimeParams {
		if strings.EqualFold(key, name) {
			return value, true
		}
	}
	asked, found := "", false
	for _, word := range strings.Fields(cfg.RuntimeParams["options"]) {
		key, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(word, "-c"), "--"), "=")
		if ok && strings.EqualFold(strings.ReplaceAll(key, "-", "_"), name) {
			asked, found = value, true
		}
	}
	return asked, found
}

// stays says whether a connection may be used on after an error. One to a server that takes no writes may not: it is a standby,
// or was the primary, and the next connection may reach the one that is the primary now.
func stays(_ *pgconn.PgConn, err *pgconn.PgError) bool {
	return !strings.EqualFold(err.Severity, "FATAL") && err.Code != pgerrcode.ReadOnlySQLTransaction
}

// Verify compares what a session has with what it was opened with. It fails with a *RefusedError.
func (u Use) Verify(ctx context.Context, conn *pgx.Conn) error {
	var wanted []string
	for _, p := range u.pins() {
		wanted = append(wanted, "'"+p.name+"'")
	}
	// Below the driver's own ways to ask: some of them rely on what is looked at here.
	results, err := conn.PgConn().Exec(ctx,
		`SELECT name, setting FROM pg_catalog.pg_settings WHERE name IN (`+strings.Join(wanted, ", ")+`)`).ReadAll()
	if err != nil {
		return err
	}
	has := map[string]string{}
	for _, row := range results[0].Rows {
		has[string(row[0])] = string(row[1])
	}
	for _, p := range u.pins() {
		if value := has[p.name]; !p.offered && !strings.EqualFold(value, p.value) {
			return &RefusedError{p.name, fmt.Sprintf("it is %s in the session although bulkreg asked for %s; connect to Postgres itself, not to a pooler",
				shown(value), p.value)}
		}
	}
	return nil
}

// Refusal is a *RefusedError where a server, or what stands before it, does not take a setting that sessions ask for; nil for
// every other error.
func Refusal(err error) error {
	var (
		pg   *pgconn.PgError
		ours *RefusedError
	)
	switch {
	case errors.As(err, &ours):
		return ours
	case !errors.As(err, &pg) || !strings.EqualFold(pg.Severity, "FATAL"):
		return nil
	}
	switch pg.Code {
	case pgerrcode.ProtocolViolation, pgerrcode.UndefinedObject, pgerrcode.InvalidParameterValue, pgerrcode.CantChangeRuntimeParam:
	default:
		return nil
	}
	for _, p := range (Use{}).pins() {
		if strings.Contains(pg.Message, p.name) {
			return &RefusedError{p.name, fmt.Sprintf("the server refuses it (%s); connect to Postgres itself, not to a pooler", shown(pg.Message))}
		}
	}
	return nil
}

// keepAlive finds out within 20 s that a server is gone without a word. Nothing else would tell one who only listens.
func keepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 5 * time.Second, Count: 3}
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func orDefault(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

// shown is a text of somebody else's, on one line and not too long.
func shown(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if text == "" {
		return "empty"
	}
	if runes := []rune(text); len(runes) > 100 {
		text = string(runes[:100]) + "…"
	}
	return text
}
