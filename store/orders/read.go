package orders

import (
	"context"
	"iter"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// jobColumn is a column of a job, and where its value goes.
type jobColumn struct {
	sql  string
	into any
}

// jobColumnsOf are all that is read of a job, of jobs j and orders o. wake and finished are of times that a job may not have.
func jobColumnsOf(j *record.Job, wake, finished **time.Time) []jobColumn {
	return []jobColumn{
		{`j.id`, pg.BytesOf(&j.ID)},
		{`j.order_id`, &j.OrderID},
		{`o.source`, &j.Source},
		{`o.reference`, &j.Reference},
		{`j.seq`, &j.Seq},
		{`j.kind`, &j.Kind},
		{`j.account`, &j.Account},
		{`j.domain`, &j.Domain},
		{`coalesce(j.domain_unicode, '')`, &j.DomainUnicode},
		{`coalesce(j.holder_id, (SELECT h.upstream_id FROM holders h WHERE h.id = j.holder_key), '')`, &j.HolderID},
		{`coalesce(j.period_months, 0)`, &j.PeriodMonths},
		{`j.nameservers`, &j.Nameservers},
		{`j.state`, &j.State},
		{`coalesce(j.outcome, '')`, &j.Outcome},
		{`j.attempts`, &j.Attempts},
		{`coalesce(j.last_error, '')`, &j.LastError},
		{`j.created_at`, &j.CreatedAt},
		{`j.wake_at`, wake},
		{`j.finished_at`, finished},
		{`j.canceling`, &j.Canceling},
		{`j.allow_status`, &j.AllowStatus},
		{`coalesce(j.whois_status, '')`, &j.WhoisStatus},
		{`j.privacy_consent`, &j.PrivacyConsent},
	}
}

// jobColumns is what a statement selects that scanJob reads.
func jobColumns() string {
	columns := jobColumnsOf(&record.Job{}, nil, nil)
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.sql
	}
	return strings.Join(names, ", ")
}

func scanJob(row pgx.CollectableRow) (record.Job, error) { return scanJobAnd(row) }

// scanJobAnd reads a job, and what stands behind it.
func scanJobAnd(row pgx.CollectableRow, more ...any) (record.Job, error) {
	var (
		j              record.Job
		wake, finished *time.Time
	)
	columns := jobColumnsOf(&j, &wake, &finished)
	into := make([]any, len(columns))
	for i, c := range columns {
		into[i] = c.into
	}
	err := row.Scan(append(into, more...)...)
	if wake != nil {
		j.WakeAt = *wake
	}
	if finished != nil {
		j.FinishedAt = *finished
	}
	return j, err
}

// JobFilter narrows a list of an order's jobs. Its zero value lets all through.
type JobFilter struct {
	State    record.State
	States   []record.State // any of them, State included
	Outcome  record.Outcome
	Domain   string // in its ASCII form
	AfterSeq int    // only jobs after this place, for reading on
	Limit    int    // 0: no limit
}

// states are all states that a filter lets through; none: every state.
func (f JobFilter) states() []string {
	states := make([]string, 0, len(f.States)+1)
	for _, s := range f.States {
		states = append(states, string(s))
	}
	if f.State != "" {
		states = append(states, string(f.State))
	}
	return states
}

// jobsPage is how many places of an order are read at once.
const jobsPage = 2000

// Jobs yields an order's jobs in the order in which they were given. It reads them page by page, and holds neither a connection nor a
// snapshot while they are looked at: a million jobs pass through in the memory of a few, and Postgres may forget what changed meanwhile,
// however slow the reader is. A job is seen as it was when its page was read.
func (s *Orders) Jobs(ctx context.Context, order int64, f JobFilter) iter.Seq2[record.Job, error] {
	return func(yield func(record.Job, error) bool) {
		var last int
		err := s.db.Pool.QueryRow(ctx, `SELECT coalesce(max(seq), 0) FROM jobs WHERE order_id = $1`, order).Scan(&last)
		if err != nil {
			yield(record.Job{}, pg.Failure("list jobs", err))
			return
		}
		places := jobsPage
		if f.Domain != "" { // it has one job, or none
			places = last
		}
		for yielded := 0; f.AfterSeq < last && (f.Limit == 0 || yielded < f.Limit); f.AfterSeq += places {
			page, err := s.jobsPage(ctx, order, f, f.AfterSeq+places, yielded)
			if err != nil {
				yield(record.Job{}, pg.Failure("list jobs", err))
				return
			}
			for _, j := range page {
				if !yield(j, nil) {
					return
				}
			}
			yielded += len(page)
		}
	}
}

// jobsPage reads what passes the filter up to a place, less than the limit by what was yielded before.
func (s *Orders) jobsPage(ctx context.Context, order int64, f JobFilter, last, yielded int) ([]record.Job, error) {
	rows, err := s.db.Pool.Query(ctx, `
		SELECT `+jobColumns()+` FROM jobs j JOIN orders o ON o.id = j.order_id
		WHERE j.order_id = $1 AND j.seq > $2 AND j.seq <= $3 AND (cardinality($4::text[]) = 0 OR j.state = ANY($4))
			AND ($5 = '' OR j.outcome = $5) AND ($6 = '' OR j.domain = $6)
		ORDER BY j.seq LIMIT nullif($7, 0)`,
		order, f.AfterSeq, last, f.states(), string(f.Outcome), f.Domain, max(f.Limit-yielded, 0))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanJob)
}

// Call is one upstream request as a reader sees it.
type Call struct {
	ID         uuid.UUID
	Op         record.Op
	Worker     string
	Size       int
	StartedAt  time.Time
	FinishedAt time.Time     // zero: no reply yet
	Status     int           // HTTP status; 0 when none arrived
	Duration   time.Duration // 0 when none arrived
	Error      string
	// Attempt is how the job fared in a paid call; "" for other calls.
	Attempt record.AttemptState
	Message string // what the upstream said of the job itself
}

// FindJob finds one job and every call it was in, oldest first, or fails with ErrNotFound. Its WakeAt is
// filled from whatever watches over it: its own row, its chunk or its claim.
func (s *Orders) FindJob(ctx context.Context, id uuid.UUID) (record.Job, []Call, error) {
	rows, err := s.db.Pool.Query(ctx, `SELECT `+jobColumns()+` FROM jobs j JOIN orders o ON o.id = j.order_id WHERE j.id = $1`, id)
	if err != nil {
		return record.Job{}, nil, pg.Failure("find job", err)
	}
	job, err := pgx.CollectExactlyOneRow(rows, scanJob)
	if err != nil {
		return record.Job{}, nil, pg.Failure("find job", err)
	}
	if job.WakeAt.IsZero() {
		if err := s.fillWake(ctx, &job); err != nil {
			return record.Job{}, nil, err
		}
	}
	calls, err := s.callsOf(ctx, job)
	return job, calls, err
}

func (s *Orders) fillWake(ctx context.Context, j *record.Job) error {
	var wake *time.Time
	err := s.db.Pool.QueryRow(ctx, `
		SELECT coalesce(
			(SELECT c.lease_until FROM jobs j JOIN claims c ON c.id = j.claim_id WHERE j.id = $1 AND j.state = 'running'),
			(SELECT ch.wake_at FROM jobs j JOIN chunks ch ON ch.order_id = j.order_id AND j.seq BETWEEN ch.first_seq AND ch.last_seq
				WHERE j.id = $1 AND j.state = 'queued'))`, j.ID).Scan(&wake)
	if wake != nil {
		j.WakeAt = *wake
	}
	return pg.Failure("find wake-up of job", err)
}

func (s *Orders) callsOf(ctx context.Context, j record.Job) ([]Call, error) {
	rows, err := s.db.Pool.Query(ctx, `
		SELECT c.id, c.op, cl.worker, c.size, c.started_at, c.finished_at, coalesce(c.status, 0), coalesce(c.duration_ms, 0),
			coalesce(c.error, ''), coalesce(a.state, ''), coalesce(a.message, '')
		FROM claims cl
		JOIN calls c ON c.claim_id = cl.id
		LEFT JOIN attempts a ON a.call_id = c.id AND a.job_id = $2
		WHERE cl.order_ids @> ARRAY[$1::bigint] AND $2 = ANY(cl.job_ids)
		AND (c.job_ids IS NULL OR $2 = ANY(c.job_ids))
		AND (c.op <> 'register' OR a.job_id IS NOT NULL)
		AND (c.op <> 'holder' OR c.holder_key = (SELECT j.holder_key FROM jobs j WHERE j.id = $2))
		ORDER BY c.started_at, c.id`, j.OrderID, j.ID)
	if err != nil {
		return nil, pg.Failure("list calls of job", err)
	}
	calls, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Call, error) {
		var (
			c        Call
			finished *time.Time
			ms       int
		)
		err := row.Scan(&c.ID, &c.Op, &c.Worker, &c.Size, &c.StartedAt, &finished, &c.Status, &ms, &c.Error, &c.Attempt, &c.Message)
		if finished != nil {
			c.FinishedAt = *finished
		}
		c.Duration = time.Duration(ms) * time.Millisecond
		return c, err
	})
	return calls, pg.Failure("list calls of job", err)
}

// Claimant says who has a domain already.
type Claimant struct {
	Domain     string
	Reference  string // the order's name, see Order.Name
	Registered bool   // false: a live job wants it
}

// Claimants returns those of the domains that a live or registered job has, for the plan of a registration.
func (s *Orders) Claimants(ctx context.Context, domains []string) ([]Claimant, error) {
	rows, err := s.db.Pool.Query(ctx, `
		SELECT j.live_domain AS domain, `+record.NameOfOrder+` AS reference, j.outcome IS NOT NULL AS registered
		FROM jobs j JOIN orders o ON o.id = j.order_id
		WHERE j.live_domain = ANY($1)`, domains)
	if err != nil {
		return nil, pg.Failure("find claimants", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Claimant])
	return found, pg.Failure("find claimants", err)
}
