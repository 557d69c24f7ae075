package ledger

import (
	"context"
	"slices"
	"time"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// A registration is counted on the day, in UTC and by the database's clock, on which its intent was committed: from then on it may
// be paid for. attempts.reserved says which attempts are counted, and registration_days how many, so that giving one back is a
// change of one attempt that can happen once only.
//
// The row of a day is locked last, behind claims, holds, jobs and attempts, and nobody who has it waits for anything else: every
// intent of the account needs it. A worker that stands still in that very transaction keeps the account's intents waiting until
// Postgres ends it, as it does soon. Without a limit the row is not touched.

// reserve counts what an intent is about to send, and returns what stays within the daily limit, in the order in which it was asked
// for. The attempts of the others are taken back, as if they had not been opened. A job with an earlier attempt that is still counted
// on this day is not counted again: it is one registration.
func reserve(ctx context.Context, tx pgx.Tx, in Intent, account string, opened []uuid.UUID) (sent, over []uuid.UUID, err error) {
	counted, err := countedToday(ctx, tx, in.Call.ID)
	if err != nil {
		return nil, nil, err
	}
	day, used, err := lockToday(ctx, tx, account)
	if err != nil {
		return nil, nil, err
	}
	isOpen := setOf(opened)
	var added []uuid.UUID
	for _, id := range in.Jobs {
		switch {
		case !isOpen[id]:
		case counted[id]:
			sent = append(sent, id)
		case used+len(added) < in.DailyLimit:
			sent, added = append(sent, id), append(added, id)
		default:
			over = append(over, id)
		}
	}
	if len(added)+len(over) == 0 {
		return sent, over, nil
	}
	_, err = tx.Exec(ctx, `
		WITH counted AS (
			UPDATE attempts SET reserved = true WHERE call_id = $1 AND job_id = ANY($2)
		), back AS (
			DELETE FROM attempts WHERE call_id = $1 AND job_id = ANY($3)
		)
		UPDATE registration_days SET reserved = reserved + $4 WHERE account = $5 AND day = $6`,
		in.Call.ID, pg.ToUUIDs(added, pg.AsIs), pg.ToUUIDs(over, pg.AsIs), len(added), account, day)
	return sent, over, err
}

// lockToday locks the row of an account's day, which it makes where there is none, and says how many registrations are used up. The
// update changes nothing but that.
func lockToday(ctx context.Context, tx pgx.Tx, account string) (day time.Time, used int, err error) {
	err = tx.QueryRow(ctx, `
		INSERT INTO registration_days AS d (account, day, reserved) VALUES ($1, `+pg.Today+`, 0)
		ON CONFLICT (account, day) DO UPDATE SET reserved = d.reserved
		RETURNING day, reserved - resumed`, account).Scan(&day, &used)
	return day, used, err
}

// countedToday are the jobs of a call that is about to be made which an earlier call of theirs has counted on this day. What that
// left behind was cleared or refused, or the job would not go again, and stays counted until the job ends.
func countedToday(ctx context.Context, tx pgx.Tx, call uuid.UUID) (map[uuid.UUID]bool, error) {
	rows, err := tx.Query(ctx, `
		SELECT DISTINCT a.job_id FROM attempts a JOIN attempts e ON e.job_id = a.job_id
		WHERE a.call_id = $1 AND e.call_id <> $1 AND e.reserved AND (e.opened_at AT TIME ZONE 'UTC')::date = `+pg.Today, call)
	if err != nil {
		return nil, err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	return setOf(ids), err
}

func setOf(ids []uuid.UUID) map[uuid.UUID]bool {
	set := make(map[uuid.UUID]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}

// giveBackRefused is for the jobs of paid call $1 that were not sent, or each refused for itself: nothing was bought for them. What
// was refused with its whole call stays counted, and what has no answer stays so whatever WHOIS says later.
const giveBackRefused = giveBackHead + `a.call_id = $1 AND a.state IN ('failed', 'not_sent')` + giveBackTail

// giveBackEnded is for jobs $2 under claim $1 that a fresh check has ended without a registration, although they were refused with
// their whole call: the check has shown that this had no effect.
const giveBackEnded = giveBackHead + `a.job_id = ANY($2) AND a.state = 'refused' AND j.claim_id = $1 AND j.state IN ('failed', 'canceled')
		AND NOT EXISTS (SELECT FROM attempts o WHERE o.job_id = a.job_id AND o.state NOT IN ('refused', 'failed', 'not_sent'))` + giveBackTail

// Between these two stands which attempts a of jobs j are counted no longer. Rows of days are locked in one order. No count goes
// below zero: nothing may keep a reply from being written down.
const (
	giveBackHead = `
		WITH undone AS (
			UPDATE attempts a SET reserved = false FROM jobs j
			WHERE j.id = a.job_id AND a.reserved AND `
	giveBackTail = `
			RETURNING j.account, (a.opened_at AT TIME ZONE 'UTC')::date AS day
		), locked AS (
			SELECT d.account, d.day, u.n FROM registration_days d
			JOIN (SELECT account, day, count(*) AS n FROM undone GROUP BY account, day) AS u ON u.account = d.account AND u.day = d.day
			ORDER BY d.account, d.day FOR UPDATE OF d
		)
		UPDATE registration_days d SET reserved = greatest(d.reserved - l.n, 0)
		FROM locked l WHERE l.account = d.account AND l.day = d.day`
)

// nothingBought reports whether nothing was bought for some of a paid call's jobs, for sure.
func nothingBought(transitions []PaidTransition) bool {
	return slices.ContainsFunc(transitions, func(t PaidTransition) bool {
		return t.Attempt == record.AttemptFailed || t.Attempt == record.AttemptNotSent
	})
}

// ended are the jobs that transitions end without success.
func ended(transitions []Transition) []uuid.UUID {
	var jobs []uuid.UUID
	for _, t := range transitions {
		if t.state == record.Failed || t.state == record.Canceled {
			jobs = append(jobs, t.job)
		}
	}
	return jobs
}
