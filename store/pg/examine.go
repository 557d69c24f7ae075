package pg

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// Examination is how a server does, for whoever wants to know whether it is fit. What is about tables is about those of the database.
type Examination struct {
	Version  string    // of the server, such as "15.18"
	Number   int       // the same as a number, such as 150018
	Encoding string    // of the database
	Now      time.Time // by its clock
	Standby  bool      // it follows another server, and takes no writes

	Autovacuum bool          // is on; it needs the server to count changes
	OldestTx   time.Duration // how long the oldest open transaction is open, prepared ones included: what it may see is not vacuumed
	OldestIs   string        // which one that is; "": there is none
	Tables     []TableState  // the largest first
	IdleSlots  []string      // replication slots that nobody reads from: for them the server keeps its log, and what vacuum would remove
}

// TableState is how a table does, as the server estimates.
type TableState struct {
	Name       string
	Rows, Dead int64 // Dead are versions of rows that are to be vacuumed
	Unvacuumed bool  // autovacuum is off for it
}

// examinedTables bounds how many tables an Examination has.
const examinedTables = 50

// Examine asks the server how it does.
func (s *DB) Examine(ctx context.Context) (Examination, error) {
	var (
		e      Examination
		oldest float64
		batch  pgx.Batch
	)
	batch.Queue(`SELECT current_setting('server_version'), current_setting('server_version_num')::integer, current_setting('server_encoding'),
		clock_timestamp(), pg_is_in_recovery(), current_setting('autovacuum') = 'on' AND current_setting('track_counts') = 'on'`)
	batch.Queue(openTransactions)
	batch.Queue(tableStates, examinedTables)
	batch.Queue(`SELECT slot_name::text FROM pg_replication_slots WHERE NOT active AND (database IS NULL OR database = current_database()) ORDER BY 1`)
	err := s.ReadBatch(ctx, &batch, func(results pgx.BatchResults) error {
		if err := results.QueryRow().Scan(&e.Version, &e.Number, &e.Encoding, &e.Now, &e.Standby, &e.Autovacuum); err != nil {
			return err
		}
		if err := results.QueryRow().Scan(&oldest, &e.OldestIs); err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		rows, err := results.Query()
		if err != nil {
			return err
		}
		if e.Tables, err = pgx.CollectRows(rows, pgx.RowToStructByPos[TableState]); err != nil {
			return err
		}
		if rows, err = results.Query(); err != nil {
			return err
		}
		e.IdleSlots, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	e.OldestTx = time.Duration(oldest * float64(time.Second))
	return e, Failure("ask the server how it does", err)
}

// openTransactions is the oldest one but that which asks. Of others' a user without privileges sees nothing.
const openTransactions = `
	SELECT extract(epoch FROM clock_timestamp() - since)::float8, what FROM (
		SELECT xact_start AS since, 'process ' || pid || coalesce(' of user ' || usename, '') || coalesce(', ' || state, '') AS what
		FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
		UNION ALL
		SELECT prepared, 'prepared transaction ' || gid FROM pg_prepared_xacts WHERE database = current_database()
	) AS open WHERE since IS NOT NULL ORDER BY since LIMIT 1`

const tableStates = `
	SELECT s.relname::text, s.n_live_tup, s.n_dead_tup, EXISTS (
		SELECT FROM unnest(c.reloptions) AS o WHERE split_part(o, '=', 1) = 'autovacuum_enabled' AND NOT split_part(o, '=', 2)::boolean)
	FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
	WHERE s.schemaname = current_schema() ORDER BY s.n_live_tup + s.n_dead_tup DESC, s.relname LIMIT $1`

// Origin is which Postgres a database lies in, and whether that is the one on record.
type Origin struct {
	System   string // identifier of the cluster; "": the server does not tell
	Timeline int64  // 0: the server does not tell
	// Other says in words how it differs from the one on record; "": it is that one, or none is on record. The first worker to find
	// another one puts registrations on hold.
	Other   string
	KnownAt time.Time // until when the one on record is known to have been there; zero: none is on record
}

// Origin asks which Postgres this is. It changes nothing, and fails on a standby.
func (s *DB) Origin(ctx context.Context) (Origin, error) {
	conn, err := s.Pool.Acquire(ctx)
	if err != nil {
		return Origin{}, Failure("ask which Postgres this is", err)
	}
	defer conn.Release()
	is, err := originOf(ctx, conn.Conn())
	if err != nil {
		return Origin{}, Failure("ask which Postgres this is", err)
	}
	o := Origin{System: is.system, Timeline: is.timeline}
	var before origin
	err = conn.QueryRow(ctx, `SELECT coalesce(system_id, ''), coalesce(timeline, 0), home, known_at FROM lineage`).
		Scan(&before.system, &before.timeline, &before.home, &o.KnownAt)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return o, nil
	case err == nil && !is.continues(before):
		o.Other = difference(before, is)
	}
	return o, Failure("ask which Postgres is on record", err)
}

// TryCommit commits something that nobody reads, as an order or an intent to pay is committed, and says how long that took.
func (s *DB) TryCommit(ctx context.Context) (time.Duration, error) {
	begun := time.Now()
	err := s.InTx(ctx, "try a commit", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `SELECT pg_logical_emit_message(true, 'bulkreg', '')`)
		return err
	})
	return time.Since(begun), err
}
