package pg

import (
	"context"
	"time"
)

// Examination is how a server does, for whoever wants to know whether it is fit.
type Examination struct {
	Version  string        // of the server, such as "15.18"
	Now      time.Time     // by its clock
	OldestTx time.Duration // how long the oldest open transaction on the database is open: what it may see is not vacuumed
	Rows     int64         // of the table jobs, and
	Dead     int64         // versions of rows of it that are to be vacuumed, as the server estimates
}

// Examine asks the server how it does.
func (s *DB) Examine(ctx context.Context) (Examination, error) {
	var (
		e      Examination
		oldest float64
	)
	err := s.Pool.QueryRow(ctx, `
		SELECT current_setting('server_version'), clock_timestamp(),
			coalesce((SELECT max(extract(epoch FROM clock_timestamp() - xact_start)) FROM pg_stat_activity
				WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'), 0)::float8,
			coalesce((SELECT n_live_tup FROM pg_stat_user_tables WHERE relid = 'jobs'::regclass), 0),
			coalesce((SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = 'jobs'::regclass), 0)`).
		Scan(&e.Version, &e.Now, &oldest, &e.Rows, &e.Dead)
	e.OldestTx = time.Duration(oldest * float64(time.Second))
	return e, Failure("ask the server how it does", err)
}
