package keys

import (
	"context"
	"errors"
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

// Booking is what was booked against the daily limits of a key. The zero Booking is nothing.
type Booking struct {
	key                 string
	day                 time.Time // in UTC, by the database's clock
	jobs, registrations int
}

// Reserve books jobs of an order that is about to be stored against the daily limits of its key, registrations of them as such.
// Where they are more than is left, nothing is booked and it fails with a *LimitError. The day is that of the database's clock, in
// UTC. It is for keys with a daily limit: nobody needs a row of the others.
func (s *Keys) Reserve(ctx context.Context, id string, jobs, registrations int) (Booking, error) {
	for {
		b, booked, err := s.reserve(ctx, id, jobs, registrations)
		if err != nil || booked {
			return b, err
		}
		// Where there is none, something was given back meanwhile, or the day is over.
		if err := s.limitOf(ctx, id, jobs, registrations); err != nil {
			return Booking{}, err
		}
	}
}

// reserve books in one statement, under the row of the day. What has no limit stands in nobody's way: it is counted as far as its
// column goes.
func (s *Keys) reserve(ctx context.Context, id string, jobs, registrations int) (Booking, bool, error) {
	b := Booking{key: id, jobs: jobs, registrations: registrations}
	err := s.db.Pool.QueryRow(ctx, `
		INSERT INTO api_key_days AS d (key_id, day, jobs, registrations)
		SELECT k.id, `+today+`, $2, $3 FROM api_keys k
		WHERE k.id = $1 AND $2 <= coalesce(k.jobs_per_day, $2) AND $3 <= coalesce(k.registrations_per_day, $3)
		ON CONFLICT (key_id, day) DO UPDATE SET jobs = least(d.jobs::bigint + $2, `+most+`), registrations = least(d.registrations::bigint + $3, `+most+`)
		WHERE EXISTS (SELECT FROM api_keys k WHERE k.id = $1 AND (k.jobs_per_day IS NULL OR d.jobs::bigint + $2 <= k.jobs_per_day)
			AND (k.registrations_per_day IS NULL OR d.registrations::bigint + $3 <= k.registrations_per_day))
		RETURNING d.day`, id, jobs, registrations).Scan(&b.day)
	if errors.Is(err, pgx.ErrNoRows) {
		return Booking{}, false, nil
	}
	if err != nil {
		return Booking{}, false, pg.Failure("reserve jobs", err)
	}
	return b, true, nil
}

const (
	today = pg.Today
	most  = `2147483647` // that a column takes
)

// limitOf says which limit keeps a key from so many jobs, nil if none does.
func (s *Keys) limitOf(ctx context.Context, id string, wanted, registrations int) error {
	var (
		jobsLimit, registrationsLimit *int
		jobs, registered              int
		seconds                       float64
	)
	err := s.db.Pool.QueryRow(ctx, `
		SELECT k.jobs_per_day, k.registrations_per_day, coalesce(d.jobs, 0), coalesce(d.registrations, 0),
			extract(epoch FROM (`+today+` + 1)::timestamp - now() AT TIME ZONE 'UTC')::float8
		FROM api_keys k LEFT JOIN api_key_days d ON d.key_id = k.id AND d.day = `+today+` WHERE k.id = $1`, id).
		Scan(&jobsLimit, &registrationsLimit, &jobs, &registered, &seconds)
	if err != nil {
		return pg.Failure("read limits of key", err)
	}
	until := time.Duration(seconds * float64(time.Second))
	switch {
	case registrationsLimit != nil && registered+registrations > *registrationsLimit:
		return &LimitError{true, registrations, *registrationsLimit, *registrationsLimit - registered, until}
	case jobsLimit != nil && jobs+wanted > *jobsLimit:
		return &LimitError{false, wanted, *jobsLimit, *jobsLimit - jobs, until}
	}
	return nil
}

// GiveBack takes back what was booked for an order that was not stored after all, from the day that it was booked on: the next one
// may have begun.
func (s *Keys) GiveBack(ctx context.Context, b Booking) error {
	if b == (Booking{}) {
		return nil
	}
	_, err := s.db.Pool.Exec(ctx, `
		UPDATE api_key_days SET jobs = greatest(jobs - $3, 0), registrations = greatest(registrations - $4, 0)
		WHERE key_id = $1 AND day = $2`, b.key, b.day, b.jobs, b.registrations)
	return pg.Failure("give reserved jobs back", err)
}
