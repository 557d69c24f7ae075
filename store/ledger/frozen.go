package ledger

import (
	"context"
	"errors"
	"time"

	"github.com/bulkreg/bulkreg/store/pg"

	"github.com/google/uuid"
	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// frozenWait is how long somebody waits for a lock, so that Postgres can tell whom he waits for.
	frozenWait = 2 * time.Second
	// frozenLook is how often Postgres is asked for that meanwhile.
	frozenLook = 50 * time.Millisecond
)

// EndFrozen ends sessions whose transaction stands still while it locks what a claim that ended long ago holds: the claim's jobs
// could not be taken back for as long as it stood. It returns how many it ended.
//
// Postgres ends sessions of ours by itself after FrozenAfter. This is for those that did not ask it to: of an older release, or of a
// person who began a transaction as our user. Only sessions of our own user are ended, only once they have stood still
// for FrozenAfter, and only where they are in the way.
func (s *Ledger) EndFrozen(ctx context.Context) (int, error) {
	if s.db.Pool.Config().MaxConns < 2 {
		return 0, nil // one waits and one looks
	}
	claim, found, err := s.stuckClaim(ctx)
	if err != nil || !found {
		return 0, pg.Failure("look for claims that nobody can take back", err)
	}
	waiter, err := s.db.Pool.Acquire(ctx)
	if err != nil {
		return 0, pg.Failure("end frozen sessions", err)
	}
	defer waiter.Release()
	waited := make(chan error, 1)
	pid := waiter.Conn().PgConn().PID()
	go func() { waited <- waitForClaim(ctx, waiter, claim) }()
	ended, err := s.endBlocking(ctx, pid, waited)
	return ended, pg.Failure("end frozen sessions", err)
}

// stuckClaim finds the claim that should have been taken back longest ago, and was not for FrozenAfter.
func (s *Ledger) stuckClaim(ctx context.Context) (claim uuid.UUID, found bool, err error) {
	err = s.db.Pool.QueryRow(ctx, `
		SELECT id FROM claims WHERE closed_at IS NULL AND lease_until <= now() - make_interval(secs => $1)
		ORDER BY lease_until LIMIT 1`, pg.Seconds(s.db.Use.Patience())).Scan(pg.BytesOf(&claim))
	if errors.Is(err, pgx.ErrNoRows) {
		return claim, false, nil
	}
	return claim, err == nil, err
}

// waitForClaim waits for the locks that taking a claim's jobs back needs, and changes nothing.
func waitForClaim(ctx context.Context, conn *pgxpool.Conn, claim uuid.UUID) error {
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT set_config('lock_timeout', $1, true)`, frozenWait.String()); err != nil {
			return err
		}
		var jobs pg.Uuids
		err := tx.QueryRow(ctx, `SELECT job_ids FROM claims WHERE id = $1 FOR UPDATE`, claim).Scan(&jobs)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `SELECT FROM jobs WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE`, jobs)
		return err
	})
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg) && pg.Code == pgerrcode.LockNotAvailable, errors.Is(err, pgx.ErrNoRows):
		return nil // somebody who does not stand still, or is somebody else's; or the claim is gone
	}
	return err
}

// endBlocking ends those that a session waits for, until it waits no more, and returns how many. A session may take a moment to
// end: it counts once.
func (s *Ledger) endBlocking(ctx context.Context, pid uint32, waited <-chan error) (int, error) {
	look := time.NewTicker(frozenLook)
	defer look.Stop()
	ended := map[int32]bool{}
	var failed error
	for {
		select {
		case err := <-waited:
			return len(ended), errors.Join(failed, err)
		case <-look.C:
		}
		if failed != nil {
			continue // the waiter ends by itself, soon
		}
		rows, err := s.db.Pool.Query(ctx, endBlocking, int32(pid), pg.Seconds(s.db.Use.Patience()))
		if err == nil {
			var blocking int32
			_, err = pgx.ForEachRow(rows, []any{&blocking}, func() error { ended[blocking] = true; return nil })
		}
		failed = err
	}
}

// endBlocking ends sessions of our user that session $1 waits for and that have been waiting for their client for $2 seconds, in a
// transaction.
const endBlocking = `
	WITH standing AS MATERIALIZED (
		SELECT a.pid FROM pg_stat_activity a
		WHERE a.pid = ANY(pg_blocking_pids($1)) AND a.datname = current_database()
		AND a.usesysid = (SELECT oid FROM pg_roles WHERE rolname = current_user)
		AND (a.state LIKE 'idle in transaction%' OR a.state = 'active' AND a.wait_event_type = 'Client')
		AND a.state_change < clock_timestamp() - make_interval(secs => $2)
	)
	SELECT pid FROM standing WHERE pg_terminate_backend(pid)`
