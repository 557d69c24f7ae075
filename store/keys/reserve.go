package keys

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store/pg"
)

// LimitError says that a key has ordered all that it may on a day.
type LimitError struct {
	Registrations bool // of those; else of jobs
	Limit         int  // a day
	Left          int  // of it
	Until         time.Duration
}

func (e *LimitError) Error() string {
	what := "jobs"
	if e.Registrations {
		what = "registrations"
	}
	return fmt.Sprintf("the key may order %d %s a day, and %d are left of today's", e.Limit, what, e.Left)
}

// Reserve books jobs of an order that is about to be stored against the daily limits of its key, registrations of them as such. Where they are
// more than is left, nothing is booked and it fails with a *LimitError. The day is that of the database's clock, in UTC.
func (s *Keys) Reserve(ctx context.Context, id string, jobs, registrations int) error {
	for {
		booked, err := s.reserve(ctx, id, jobs, registrations)
		if err != nil || booked {
			return err
		}
		// Where there is none, it was raised meanwhile.
		if err := s.limitOf(ctx, id, jobs, registrations); err != nil {
			return err
		}
	}
}

func (s *Keys) reserve(ctx context.Context, id string, jobs, registrations int) (booked bool, err error) {
	err = s.db.Pool.QueryRow(ctx, `
		INSERT INTO api_key_days AS d (key_id, day, jobs, registrations)
		SELECT k.id, `+today+`, $2, $3 FROM api_keys k
		WHERE k.id = $1 AND $2 <= coalesce(k.jobs_per_day, 2147483647) AND $3 <= coalesce(k.registrations_per_day, 2147483647)
		ON CONFLICT (key_id, day) DO UPDATE SET jobs = d.jobs + $2, registrations = d.registrations + $3
		WHERE d.jobs::bigint + $2 <= coalesce((SELECT k.jobs_per_day FROM api_keys k WHERE k.id = $1), 2147483647)
			AND d.registrations::bigint + $3 <= coalesce((SELECT k.registrations_per_day FROM api_keys k WHERE k.id = $1), 2147483647)
		RETURNING true`, id, jobs, registrations).Scan(&booked)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return booked, pg.Failure("reserve jobs", err)
}

const today = `(now() AT TIME ZONE 'UTC')::date`

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
		return &LimitError{true, *registrationsLimit, *registrationsLimit - registered, until}
	case jobsLimit != nil && jobs+wanted > *jobsLimit:
		return &LimitError{false, *jobsLimit, *jobsLimit - jobs, until}
	}
	return nil
}

// GiveBack takes back what was reserved today for an order that was not stored after all.
func (s *Keys) GiveBack(ctx context.Context, id string, jobs, registrations int) error {
	_, err := s.db.Pool.Exec(ctx, `
		UPDATE api_key_days SET jobs = greatest(jobs - $2, 0), registrations = greatest(registrations - $3, 0)
		WHERE key_id = $1 AND day = `+today, id, jobs, registrations)
	return pg.Failure("give reserved jobs back", err)
}
