package pg

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Examination is how a server does, for whoever wants to know whether it is fit.
type Examination struct {
	Version    string    // of the server, such as "15.18"
	Encoding   string    // of the database
	Now        time.Time // by its clock
	Autovacuum bool      // it is on, and counts what there is to do
	// OldestTx is how long the oldest open transaction on the database is open: what it may see is not vacuumed.
	OldestTx time.Duration
	// Prepared transactions were left to be finished by somebody who need not be there any more: they do the same.
	Prepared int
	// IdleSlots are replication slots that nobody reads from: for them the log of writes is kept, until the disk is full.
	IdleSlots int
	Age       int64 // of the oldest transaction that the database has to tell apart: it stops at 2,100 million

	Table string // of ours, that has the most versions of rows to be vacuumed, as the server estimates
	Rows  int64  // in it, and
	Dead  int64  // versions of rows that are to be vacuumed
}

// Examine asks the server how it does.
func (s *DB) Examine(ctx context.Context) (Examination, error) {
	var (
		e      Examination
		oldest float64
	)
	err := s.Pool.QueryRow(ctx, `
		SELECT current_setting('server_version'), current_setting('server_encoding'), clock_timestamp(),
			current_setting('autovacuum') = 'on' AND current_setting('track_counts') = 'on',
			coalesce((SELECT max(extract(epoch FROM clock_timestamp() - xact_start)) FROM pg_stat_activity
				WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'), 0)::float8,
			(SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()),
			(SELECT count(*) FROM pg_replication_slots WHERE NOT active AND NOT temporary),
			(SELECT age(datfrozenxid) FROM pg_database WHERE datname = current_database()),
			coalesce(t.relname, ''), coalesce(t.n_live_tup, 0), coalesce(t.n_dead_tup, 0)
		FROM (SELECT) AS always LEFT JOIN LATERAL (
			SELECT relname, n_live_tup, n_dead_tup FROM pg_stat_user_tables
			WHERE schemaname = (SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = 'jobs'::regclass)
			ORDER BY n_dead_tup DESC LIMIT 1) AS t ON true`).
		Scan(&e.Version, &e.Encoding, &e.Now, &e.Autovacuum, &oldest, &e.Prepared, &e.IdleSlots, &e.Age, &e.Table, &e.Rows, &e.Dead)
	e.OldestTx = time.Duration(oldest * float64(time.Second))
	return e, Failure("ask the server how it does", err)
}

// Identity is which Postgres this is, beside the one that workers have on record.
type Identity struct {
	Timeline int64     // 0: the server does not tell
	Recorded bool      // there is one on record
	KnownAt  time.Time // until when it is known to have been there
	// Differs says how this one is another, in words; "": it is not. The next worker puts all registrations on hold.
	Differs string
}

// Identify compares this Postgres with the one on record, and changes nothing. It fails on a standby.
func (s *DB) Identify(ctx context.Context) (Identity, error) {
	var id Identity
	err := s.Pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		o, err := originOf(ctx, conn.Conn())
		if err != nil {
			return err
		}
		id.Timeline = o.timeline
		var before origin
		err = conn.QueryRow(ctx, `SELECT coalesce(system_id, ''), coalesce(timeline, 0), home, known_at FROM lineage`).
			Scan(&before.system, &before.timeline, &before.home, &id.KnownAt)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if id.Recorded = err == nil; id.Recorded && !o.continues(before) {
			id.Differs = difference(before, o)
		}
		return err
	})
	return id, Failure("find out which Postgres this is", err)
}
