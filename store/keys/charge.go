package keys

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store/pg"
)

// LimitError says that a key may not order that much on a day.
type LimitError struct {
	Registrations bool // of those; else of jobs
	Wanted        int
	Limit         int // a day
	Left          int // of it
	Until         time.Duration
}

func (e *LimitError) Error() string {
	what := "jobs"
	if e.Registrations {
		what = "registrations"
	}
	if e.Never() {
		return fmt.Sprintf("the key may order %d %s a day, and the order has %d", e.Limit, what, e.Wanted)
	}
	return fmt.Sprintf("the key may order %d %s a day, and %d are left of today's", e.Limit, what, e.Left)
}

// Never reports that no day is long enough for the order.
func (e *LimitError) Never() bool { return e.Wanted > e.Limit }

// Charge is what an order costs a key of its daily limits. It is for keys that have one: nobody needs a row of the others.
type Charge struct {
	Key                 string // its id
	Jobs, Registrations int
}

// Check fails with a *LimitError where the key may not order that much now. It books nothing: another order may come first.
func (s *Keys) Check(ctx context.Context, c Charge) error {
	return pg.Failure("read limits of key", c.check(ctx, s.db.Pool))
}

// Book books the charge in the transaction that stores its order: what is not stored costs nothing, and what is stored costs once,
// whether anybody is told so or not. It holds the key's row of the day until the transaction ends, and so comes last in it. Where the
// charge is more than is left it fails with a *LimitError. The day is that of the database's clock, in UTC, when the transaction began.
func (c Charge) Book(ctx context.Context, tx pgx.Tx) error {
	for {
		booked, err := c.book(ctx, tx)
		if err != nil || booked {
			return err
		}
		// Where there is no limit now, the key has just got another one.
		if err := c.check(ctx, tx); err != nil {
			return err
		}
	}
}

// book books in one statement, under the row of the day. What has no limit stands in nobody's way: it is counted as far as its
// column goes.
func (c Charge) book(ctx context.Context, tx pgx.Tx) (bool, error) {
	done, err := tx.Exec(ctx, `
		INSERT INTO api_key_days AS d (key_id, day, jobs, registrations)
		SELECT k.id, `+today+`, $2, $3 FROM api_keys k
		WHERE k.id = $1 AND $2 <= coalesce(k.jobs_per_day, $2) AND $3 <= coalesce(k.registrations_per_day, $3)
		ON CONFLICT (key_id, day) DO UPDATE SET jobs = least(d.jobs::bigint + $2, `+most+`), registrations = least(d.registrations::bigint + $3, `+most+`)
		WHERE EXISTS (SELECT FROM api_keys k WHERE k.id = $1 AND (k.jobs_per_day IS NULL OR d.jobs::bigint + $2 <= k.jobs_per_day)
			AND (k.registrations_per_day IS NULL OR d.registrations::bigint + $3 <= k.registrations_per_day))`, c.Key, c.Jobs, c.Registrations)
	return done.RowsAffected() == 1, err
}

const (
	today = pg.Today
	most  = `2147483647` // that a column takes
)

// check says which limit keeps the key from so many jobs, nil if none does.
func (c Charge) check(ctx context.Context, q pg.Querier) error {
	var (
		jobsLimit, registrationsLimit *int
		jobs, registered              int
		seconds                       float64
	)
	err := q.QueryRow(ctx, `
		SELECT k.jobs_per_day, k.registrations_per_day, coalesce(d.jobs, 0), coalesce(d.registrations, 0),
			extract(epoch FROM (`+today+` + 1)::timestamp - now() AT TIME ZONE 'UTC')::float8
		FROM api_keys k LEFT JOIN api_key_days d ON d.key_id = k.id AND d.day = `+today+` WHERE k.id = $1`, c.Key).
		Scan(&jobsLimit, &registrationsLimit, &jobs, &registered, &seconds)
	if err != nil {
		return err
	}
	until := time.Duration(seconds * float64(time.Second))
	switch {
	case registrationsLimit != nil && registered+c.Registrations > *registrationsLimit:
		return pg.Untouched(&LimitError{true, c.Registrations, *registrationsLimit, *registrationsLimit - registered, until})
	case jobsLimit != nil && jobs+c.Jobs > *jobsLimit:
		return pg.Untouched(&LimitError{false, c.Jobs, *jobsLimit, *jobsLimit - jobs, until})
	}
	return nil
}

// ForgetDays removes what was ordered with keys on days that are over, and that nobody asks for any more.
func (k *Keys) ForgetDays(ctx context.Context) error {
	_, err := k.db.Pool.Exec(ctx, `DELETE FROM api_key_days WHERE day < `+today+` - 7`)
	return pg.Failure("forget days of keys", err)
}
