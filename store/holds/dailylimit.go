package holds

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"
)

// dayBegin is when the day begins, in UTC, in which a transaction does.
const dayBegin = `date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'`

// sentToday counts the registrations of account a.name that may have been paid for on this day, and that count.
const sentToday = `(
	SELECT (SELECT count(*) FROM attempts t WHERE t.account = a.name AND t.state IN ('open', 'unknown', 'registered') AND t.opened_at >= ` + dayBegin + `)
		- coalesce((SELECT r.n FROM daily_resumptions r WHERE r.account = a.name AND r.day = (now() AT TIME ZONE 'UTC')::date), 0))`

// ReserveDay says how many registrations of an account may still be sent on this day, in UTC, under a limit. Until the transaction ends
// nobody else is told: what it opens attempts for by then is counted. What the upstream has refused, and what was cleared or not sent
// after all, counts no more.
func ReserveDay(ctx context.Context, tx pgx.Tx, account string, limit int) (room int, err error) {
	// In a statement of its own: the next one sees what was committed before the lock was given.
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('registrations of a day: ' || $1, 0))`, account); err != nil {
		return 0, err
	}
	var sent int
	if err := tx.QueryRow(ctx, `SELECT `+sentToday+` FROM (SELECT $1::text AS name) AS a`, account).Scan(&sent); err != nil {
		return 0, err
	}
	return max(0, limit-sent), nil
}

// HoldForDay lets an account's registrations wait until the next day, in UTC.
func (s *Holds) HoldForDay(ctx context.Context, account, words string) (laid bool, err error) {
	err = s.db.Pool.QueryRow(ctx, `
		INSERT INTO holds AS h (account, reason, scope, words, probe_every, next_probe_at)
		VALUES ($1, $2, $3, $4, interval '1 day', `+dayBegin+` + interval '1 day')
		ON CONFLICT (account, reason) DO UPDATE SET words = excluded.words, next_probe_at = excluded.next_probe_at
		RETURNING xmax = 0`, account, DailyLimit, ScopeRegister, record.Clip(words)).Scan(&laid)
	return laid, pg.Failure("hold account for the day", err)
}

// LiftDay ends the daily limits of accounts that have room again under a limit, 0 for none: it is another day, the limit was raised, or
// something that was sent was not paid for. It returns which.
func (s *Holds) LiftDay(ctx context.Context, accounts []string, limit int) ([]string, error) {
	rows, err := s.db.Pool.Query(ctx, `
		DELETE FROM holds h USING unnest($1::text[]) AS a (name)
		WHERE h.account = a.name AND h.reason = $2 AND ($3 = 0 OR `+sentToday+` < $3)
		RETURNING h.account`, accounts, DailyLimit, limit)
	if err != nil {
		return nil, pg.Failure("lift daily limits", err)
	}
	lifted, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return lifted, pg.Failure("lift daily limits", err)
}

// forgetDay has what was sent on this day count no more, for accounts whose daily limit an operator lifts.
func forgetDay(ctx context.Context, tx pgx.Tx, accounts []string) error {
	if _, err := tx.Exec(ctx, `
		INSERT INTO daily_resumptions AS r (account, day, n)
		SELECT a.name, (now() AT TIME ZONE 'UTC')::date, `+sentToday+` FROM unnest($1::text[]) AS a (name) WHERE `+sentToday+` > 0
		ON CONFLICT (account, day) DO UPDATE SET n = r.n + excluded.n`, accounts); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM daily_resumptions WHERE day < (now() AT TIME ZONE 'UTC')::date`)
	return err
}
