package pg

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// origin is which Postgres a connection leads to, and which life of it. Two that differ may know different things: a standby that
// was promoted and a backup that was restored have forgotten what was written last.
type origin struct {
	system   string // identifier of the cluster; "": the server does not tell
	timeline int64  // made anew by each promotion and each recovery to a point in time; 0: the server does not tell
	home     string // ids of the database and of the table lineage in it: a dump that is restored has others
}

// continues says whether what was known to be at b is at o. What one of them does not tell is no difference.
func (o origin) continues(b origin) bool {
	return o.home == b.home && (o.system == b.system || o.system == "" || b.system == "") &&
		(o.timeline == b.timeline || o.timeline == 0 || b.timeline == 0)
}

// precedes says whether o is an earlier life of b: a former primary that has not noticed yet.
func (o origin) precedes(b origin) bool {
	return o.home == b.home && o.system == b.system && o.timeline > 0 && o.timeline < b.timeline
}

// lineage vouches for a Store's connections, once Guard has been called: each leads to the Postgres that is on record in the
// database itself. Nothing is claimed or sent through one that does not. Whoever is the first to find another Postgres there puts
// every account's registrations on hold before anything else, in the transaction that records the new one.
type lineage struct {
	guarded  atomic.Bool
	verified atomic.Pointer[origin] // what this process goes on with

	mu       sync.Mutex // held while a connection is vouched for
	begun    time.Time  // when the first one was
	accounts []string
	noticed  func(Restored)
}

// originKey is where a connection notes its origin.
const originKey = "bulkreg origin"

// Guard has every connection vouched for from now on, see lineage. Whoever calls for jobs must have called it, and nobody
// may begin before it has returned nil. accounts are those that are put on hold beside the ones on record; noticed is told, on a
// goroutine of the connection's, when this process was the first to find another Postgres. It fails with an
// *Error where trying again would not help.
func (s *DB) Guard(ctx context.Context, accounts []string, noticed func(Restored)) error {
	s.lineage.mu.Lock()
	s.lineage.accounts, s.lineage.noticed = accounts, noticed
	s.lineage.mu.Unlock()
	s.lineage.guarded.Store(true)
	if err := s.Pool.Ping(ctx); err != nil {
		return startFailure("find out which Postgres this is", err)
	}
	return nil
}

// current lets nobody use a connection that nobody vouched for, or that leads to where this process does not go on.
func (l *lineage) current(_ context.Context, conn *pgx.Conn) (bool, error) {
	if !l.guarded.Load() {
		return true, nil
	}
	o, vouched := conn.PgConn().CustomData()[originKey].(origin)
	verified := l.verified.Load()
	return vouched && verified != nil && o == *verified, nil
}

// vouch looks where a new connection leads to. It fails where this process does not go on there.
func (l *lineage) vouch(ctx context.Context, conn *pgx.Conn) error {
	if !l.guarded.Load() {
		return nil
	}
	o, err := originOf(ctx, conn)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	verified := l.verified.Load()
	switch {
	case verified != nil && o == *verified:
	case verified != nil && o.precedes(*verified):
		return &UnavailableError{"connect", pgerrcode.ReadOnlySQLTransaction, fmt.Sprintf(
			"this server is a former primary: it is on timeline %d, and timeline %d is the newest", o.timeline, verified.timeline)}
	default:
		restored, err := l.record(ctx, conn, o)
		if err != nil {
			return err
		}
		if verified == nil {
			l.begun = time.Now()
		}
		l.verified.Store(&o)
		if restored != nil && l.noticed != nil {
			l.noticed(*restored)
		}
	}
	conn.PgConn().CustomData()[originKey] = o
	return nil
}

// What tells an origin. Each may be forbidden.
const (
	tellSystem   = `(SELECT system_identifier::text FROM pg_control_system())`
	tellTimeline = `CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END`
	tellsSystem  = `has_function_privilege('pg_control_system()', 'EXECUTE')`
	// A checkpoint's timeline is an old one for a while after a promotion: the log's is not.
	tellsTimeline = `(has_function_privilege('pg_walfile_name(pg_lsn)', 'EXECUTE') AND has_function_privilege('pg_current_wal_lsn()', 'EXECUTE'))`
)

// originOf asks where a connection leads to. It fails on a standby: a session that is open while one is promoted would go on
// unnoticed.
func originOf(ctx context.Context, conn *pgx.Conn) (origin, error) {
	o, standby, err := askOrigin(ctx, conn, tellSystem, tellTimeline)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == pgerrcode.InsufficientPrivilege {
		var system, timeline bool
		if err := conn.QueryRow(ctx, `SELECT `+tellsSystem+`, `+tellsTimeline).Scan(&system, &timeline); err != nil {
			return origin{}, err
		}
		o, standby, err = askOrigin(ctx, conn, ifTold(system, tellSystem), ifTold(timeline, tellTimeline))
	}
	if err != nil {
		return origin{}, err
	}
	if standby {
		return origin{}, &UnavailableError{"connect", pgerrcode.ReadOnlySQLTransaction, "this server is a standby, and takes no writes"}
	}
	return o, nil
}

func ifTold(told bool, sql string) string {
	if told {
		return sql
	}
	return "NULL::text"
}

func askOrigin(ctx context.Context, conn *pgx.Conn, system, timeline string) (o origin, standby bool, err error) {
	var told, line *string
	err = conn.QueryRow(ctx, `
		SELECT pg_is_in_recovery(), `+system+`, `+timeline+`,
			(SELECT oid::text FROM pg_database WHERE datname = current_database()) || '.' || 'lineage'::regclass::oid`,
		pgx.QueryExecModeSimpleProtocol).Scan(&standby, &told, &line, &o.home)
	if err != nil {
		return origin{}, false, err
	}
	if told != nil {
		o.system = *told
	}
	if line != nil {
		if o.timeline, err = strconv.ParseInt(*line, 16, 64); err != nil {
			return origin{}, false, fmt.Errorf("read timeline: %w", err)
		}
	}
	return o, standby, nil
}

// KnowOrigin notes that the Postgres on record is still the one that this process is connected to. What was written until then
// is not in doubt after a failover. Several workers may do so: it is written once in a while only.
func (s *DB) KnowOrigin(ctx context.Context) error {
	o := s.lineage.verified.Load()
	if o == nil {
		return nil
	}
	_, err := s.Pool.Exec(ctx, `
		UPDATE lineage SET known_at = now() WHERE home = $1 AND coalesce(system_id, '') = $2 AND coalesce(timeline, 0) = $3
		AND known_at < now() - make_interval(secs => $4)`, o.home, o.system, o.timeline, Seconds(knowEvery))
	return Failure("note which Postgres this is", err)
}

// knowEvery is how old the newest time on record is at least before it is written again.
const knowEvery = 8 * time.Second
