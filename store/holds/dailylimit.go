package holds

import (
	"context"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/jackc/pgx/v5"
)

// The hold of a daily limit is like no other. What it waits for is time, or a greater limit: no probe would tell. An intent counts
// the day's registrations, see package ledger; the hold only keeps an account's jobs from being delivered and checked in vain. So it
// is laid after the intent, by itself, and only where the day still is used up then. A worker that dies before that leaves its jobs
// to their claim's lease, and the next intent finds the same. What is under way goes on under it: halves of a batch that was refused
// are counted already, and would be refused together each day anew if they had to wait.

// usedUp is said of day d, which is today, with daily limit $2.
const usedUp = `d.account = $1 AND d.day = ` + pg.Today + ` AND d.reserved - d.resumed >= $2`

// HoldForDay lays the hold of a daily limit on an account's registrations until the next day begins, in UTC, if the day is used up.
func (s *Holds) HoldForDay(ctx context.Context, account string, limit int, words string) (laid bool, err error) {
	rows, err := s.db.Pool.Query(ctx, `
		INSERT INTO holds AS h (account, reason, scope, words, ends_at)
		SELECT d.account, $3, $4, $5, (d.day + 1)::timestamp AT TIME ZONE 'UTC' FROM registration_days d WHERE `+usedUp+`
		ON CONFLICT (account, reason) DO UPDATE SET words = excluded.words, ends_at = greatest(h.ends_at, excluded.ends_at)
		RETURNING xmax = 0`, account, limit, DailyLimit, ScopeRegister, record.Clip(words))
	if err != nil {
		return false, pg.Failure("hold account for the day", err)
	}
	_, err = pgx.ForEachRow(rows, []any{&laid}, func() error { return nil })
	return laid, pg.Failure("hold account for the day", err)
}

// LiftForDay ends the hold of a daily limit where its time has come, or where the limit that there is now (0: none) leaves
// registrations for today: it was raised, or some were counted that came to nothing. WakeHeld sets the jobs free.
func (s *Holds) LiftForDay(ctx context.Context, account string, limit int) (lifted bool, err error) {
	tag, err := s.db.Pool.Exec(ctx, `
		DELETE FROM holds h WHERE h.account = $1 AND h.reason = $3
		AND (h.ends_at <= now() OR $2::integer = 0 OR NOT EXISTS (SELECT FROM registration_days d WHERE `+usedUp+`))`, account, limit, DailyLimit)
	return tag.RowsAffected() > 0, pg.Failure("lift hold for the day", err)
}

// beginDayAnew lets as many registrations go on the day of a hold as its limit allows, once more. The hold is locked. A day that is
// over is none of anybody's business.
func beginDayAnew(ctx context.Context, tx pgx.Tx, h View) error {
	_, err := tx.Exec(ctx, `
		UPDATE registration_days SET resumed = reserved WHERE account = $1 AND day = ($2::timestamptz AT TIME ZONE 'UTC')::date - 1`,
		h.Account, h.EndsAt)
	return err
}
