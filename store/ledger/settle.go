package ledger

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// CallResult is what a call brought, for its row.
type CallResult struct {
	ID       uuid.UUID
	Status   int // HTTP status; 0 when none arrived
	Duration time.Duration
	Error    string // in the upstream's words where it had any; "" when all is well
	// Strays are domains that the reply calls registered although the call did not ask for them.
	Strays []Stray
}

// Stray is a domain that a reply calls registered, and that nobody asked for.
type Stray struct {
	Domain  string // in the upstream's spelling
	Message string // the upstream's words
}

// callArgs are what a statement says of a call and its claim: the names in finishCall and mayChange.
func callArgs(claim uuid.UUID, call CallResult) pgx.NamedArgs {
	return pgx.NamedArgs{
		"claim": claim, "call": call.ID, "status": call.Status, "duration_ms": call.Duration.Milliseconds(), "error": record.Clip(call.Error),
	}
}

// columns turns transitions into the arrays that unnest takes.
type columns struct {
	jobs     pg.Uuids
	states   []string
	outcomes []string
	texts    []string
	delays   []float64
	refunds  []int32
	cleared  []bool
	said     []string
}

func newColumns(n int) columns {
	return columns{
		jobs: make(pg.Uuids, 0, n), states: make([]string, 0, n), outcomes: make([]string, 0, n),
		texts: make([]string, 0, n), delays: make([]float64, 0, n), refunds: make([]int32, 0, n),
		cleared: make([]bool, 0, n), said: make([]string, 0, n),
	}
}

func (c *columns) add(t Transition) {
	var refund int32
	if t.refund {
		refund = 1
	}
	c.jobs = append(c.jobs, pg.ToUUID(t.job))
	c.states = append(c.states, string(t.state))
	c.outcomes = append(c.outcomes, string(t.outcome))
	c.texts = append(c.texts, t.text)
	c.delays = append(c.delays, pg.Seconds(t.delay))
	c.refunds = append(c.refunds, refund)
	c.cleared = append(c.cleared, t.cleared)
	c.said = append(c.said, t.whois)
}

// put adds the arrays to the arguments of a statement.
func (c *columns) put(args pgx.NamedArgs) {
	args["jobs"], args["states"], args["outcomes"], args["texts"] = c.jobs, c.states, c.outcomes, c.texts
	args["delays"], args["refunds"], args["said"] = c.delays, c.refunds, c.said
}

// transitionArrays are the arrays of put, as unnest takes them; transitionNames are what they make columns of.
const (
	transitionArrays = `@jobs::uuid[], @states::text[], @outcomes::text[], @texts::text[], @delays::float8[], @refunds::integer[], @said::text[]`
	transitionNames  = `id, state, outcome, text, delay, refund, said`
)

// setJob is the one place where a reply changes a job's row. r is the transition.
const setJob = `
	state = r.state,
	outcome = nullif(r.outcome, ''),
	last_error = coalesce(nullif(r.text, ''), CASE WHEN r.state <> 'succeeded' THEN j.last_error END),
	wake_at = CASE WHEN r.state = 'retrying' THEN now() + make_interval(secs => r.delay) END,
	finished_at = CASE WHEN r.state IN ('succeeded', 'failed', 'canceled') THEN now() END,
	canceling = j.canceling AND r.state NOT IN ('succeeded', 'failed', 'canceled'),
	whois_status = coalesce(nullif(r.said, ''), j.whois_status),
	attempts = greatest(j.attempts - r.refund, 0)`

// mayChange is the fence. A final state never changes. The newest claim's reply changes a running job to anything, and one
// that was taken back meanwhile only to success: late, but known. That it has failed was found out without knowing what
// the job was taken back with, such as an attempt that nobody has an answer to.
const mayChange = ofClaim + `@claim` + byReply

const byReply = ` AND (j.state = 'running' OR r.state = 'succeeded')`

// mayChangePaid is mayChange for the reply to a paid call: a definite refusal is known, too, however late.
const mayChangePaid = ofClaim + `@claim` + ` AND (j.state = 'running' OR r.state IN ('succeeded', 'failed'))`

// ofClaim says of job j that it is not final, and which claim took it last.
const ofClaim = `r.state <> '' AND j.finished_at IS NULL AND j.claim_id = `

const finishCall = `
	UPDATE calls SET finished_at = now(), status = nullif(@status, 0), duration_ms = @duration_ms, error = nullif(@error, '')
	WHERE id = @call`

// Settle writes what a call that costs nothing brought: its jobs' transitions, and the call's own row. It
// returns how many jobs changed; the others ended or were claimed anew meanwhile. When these were all
// the claim had, the claim is closed.
func (s *Ledger) Settle(ctx context.Context, claim uuid.UUID, call CallResult, transitions []Transition) (int, error) {
	return s.settle(ctx, "settle jobs", claim, settlement(claim, call, transitions))
}

// CheckResult is what the fresh check before registrations brought.
type CheckResult struct {
	Call        CallResult
	Readings    []Reading // about domains of which an earlier call may have had an effect
	Transitions []Transition
	Proof       Proof // by which Postgres judges transitions that are ByReadings
}

// SettleCheck is Settle for the fresh check before registrations. What it brought is written together or not at all: the
// readings, the unanswered attempts that they clear, and the transitions. A job whose transition is ByReadings stays as it is
// where the readings do not prove enough after all.
func (s *Ledger) SettleCheck(ctx context.Context, claim uuid.UUID, r CheckResult) (int, error) {
	var before []statement
	if len(r.Readings) > 0 {
		before = append(before, statement{sql: recordReadings, args: readingArgs(r.Call.ID, r.Readings)})
	}
	if jobs := byReadings(r.Transitions); len(jobs) > 0 {
		before = append(before, statement{sql: clearAttempts, args: clearArgs(claim, jobs, r.Proof)})
	}
	statements := append(before, settlement(claim, r.Call, r.Transitions))
	if jobs := ended(r.Transitions); len(jobs) > 0 {
		statements = append(statements, statement{sql: giveBackEnded, args: []any{claim, pg.ToUUIDs(jobs, pg.AsIs)}})
	}
	return s.settle(ctx, "settle check", claim, statements...)
}

func byReadings(transitions []Transition) []uuid.UUID {
	var jobs []uuid.UUID
	for _, t := range transitions {
		if t.cleared {
			jobs = append(jobs, t.job)
		}
	}
	return jobs
}

// statement is one of those that settle something together.
type statement struct {
	sql   string
	args  []any
	tells bool // how many jobs were settled
}

// settlement is the statement of Settle, for one call.
func settlement(claim uuid.UUID, call CallResult, transitions []Transition) statement {
	args := settleArgs([]*settling{{claim: claim, call: call, transitions: transitions}})
	return statement{sql: settleCalls + `SELECT count(*) FROM settled`, args: []any{args}, tells: true}
}

// settleArgs are the arguments of settleCalls. Of several calls the jobs are in the order of their ids, in which everybody locks them.
func settleArgs(all []*settling) pgx.NamedArgs {
	type row struct {
		Transition

		part int
	}
	var rows []row
	var calls pg.Uuids
	var statuses []int32
	var durations []int64
	var words []string
	for part, s := range all {
		for _, t := range s.transitions {
			rows = append(rows, row{t, part})
		}
		calls, statuses = append(calls, pg.ToUUID(s.call.ID)), append(statuses, int32(s.call.Status))
		durations, words = append(durations, s.call.Duration.Milliseconds()), append(words, record.Clip(s.call.Error))
	}
	if len(all) > 1 {
		slices.SortStableFunc(rows, func(x, y row) int { return bytes.Compare(x.job[:], y.job[:]) })
	}
	c := newColumns(len(rows))
	claims, parts := make(pg.Uuids, len(rows)), make([]int32, len(rows))
	for i, r := range rows {
		c.add(r.Transition)
		claims[i], parts[i] = pg.ToUUID(all[r.part].claim), int32(r.part)
	}
	args := pgx.NamedArgs{"claims": claims, "parts": parts, "cleared": c.cleared, "calls": calls, "statuses": statuses, "durations": durations, "errors": words}
	c.put(args)
	return args
}

// settleCalls settles what one or more calls brought. A row of settled is a job that changed, by the call at which place.
const settleCalls = `
	WITH r AS (
		SELECT * FROM unnest(` + transitionArrays + `, @cleared::boolean[], @claims::uuid[], @parts::integer[])
			AS r (` + transitionNames + `, cleared, claim, part)
	), settled AS (
		UPDATE jobs j SET ` + setJob + ` FROM r WHERE j.id = r.id AND ` + ofClaim + `r.claim` + byReply + ` AND NOT (r.cleared AND EXISTS (
			SELECT FROM attempts a WHERE a.domain = j.domain AND a.state IN ('open', 'unknown')))
		RETURNING r.claim, r.part
	), finished AS (
		UPDATE calls k SET finished_at = now(), status = nullif(c.status, 0), duration_ms = c.duration_ms, error = nullif(c.error, '')
		FROM unnest(@calls::uuid[], @statuses::integer[], @durations::bigint[], @errors::text[]) AS c (id, status, duration_ms, error)
		WHERE k.id = c.id
	), closed AS (
		UPDATE claims c SET closed_at = now() FROM (SELECT claim, count(*) AS jobs FROM settled GROUP BY claim) AS s
		WHERE c.id = s.claim AND c.closed_at IS NULL AND cardinality(c.job_ids) = s.jobs
	)
	`

// settle runs settling statements in one transaction, once nobody else holds the claim's row. They then see what an intent
// or the rescuer, which hold it too, have committed meanwhile, and wait for none of their jobs. One of them tells how many jobs it
// settled.
func (s *Ledger) settle(ctx context.Context, action string, claim uuid.UUID, statements ...statement) (settled int, err error) {
	var batch pgx.Batch
	batch.Queue(`SELECT FROM claims WHERE id = $1 FOR NO KEY UPDATE`, claim)
	for _, st := range statements {
		queued := batch.Queue(st.sql, st.args...)
		if st.tells {
			queued.QueryRow(func(row pgx.Row) error { return row.Scan(&settled) })
		}
	}
	return settled, pg.Failure(action, s.db.Pool.SendBatch(ctx, &batch).Close())
}

// SettlePaid writes what a paid call brought: each attempt's end, the jobs' transitions, and the call's row. A
// reply that comes late is written all the same: a success always counts unless a newer call for the
// job is open, and an attempt that has a definite end keeps it. It returns how many jobs changed.
func (s *Ledger) SettlePaid(ctx context.Context, claim uuid.UUID, call CallResult, transitions []PaidTransition) (int, error) {
	n := len(transitions)
	c := newColumns(n)
	attempts, codes, messages, accepted := make([]string, n), make([]int32, n), make([]string, n), make([]bool, n)
	for i, t := range transitions {
		c.add(t.Transition)
		attempts[i], accepted[i] = string(t.Attempt), t.Accepted
		codes[i], messages[i] = t.said()
	}
	strays, words := make([]string, len(call.Strays)), make([]string, len(call.Strays))
	for i, stray := range call.Strays {
		strays[i], words[i] = record.Clip(stray.Domain), record.Clip(stray.Message)
	}
	args := callArgs(claim, call)
	c.put(args)
	args["attempts"], args["codes"], args["messages"], args["accepted"] = attempts, codes, messages, accepted
	args["strays"], args["words"] = strays, words
	statements := []statement{{sql: settlePaid, args: []any{args}, tells: true}}
	if nothingBought(transitions) {
		statements = append(statements, statement{sql: giveBackRefused, args: []any{call.ID}})
	}
	return s.settle(ctx, "settle registrations", claim, statements...)
}

// said is what was said of a job, as its columns can hold it. A status code that does not fit stands before the words, as it
// came: none that an upstream can mean is so large.
func (t PaidTransition) said() (code int32, message string) {
	if t.StatusCode >= 0 && t.StatusCode <= math.MaxInt32 {
		return int32(t.StatusCode), record.Clip(t.Message)
	}
	message = "statusCode " + strconv.Itoa(t.StatusCode)
	if t.Message != "" {
		message += ": " + t.Message
	}
	return 0, record.Clip(message)
}

// standsForForgotten says of attempt a that @call is what it stands for: Postgres has forgotten the call itself in a failover.
const standsForForgotten = `NOT EXISTS (SELECT FROM calls WHERE id = @call) AND a.state = 'unknown' AND EXISTS (
	SELECT FROM calls k JOIN claims c ON c.id = k.claim_id WHERE k.id = a.call_id AND c.worker = '` + pg.Forgotten + `')`

// settlePaid is the statement of SettlePaid. What the upstream has accepted has no answer yet, and is marked.
const settlePaid = `
	WITH r AS (
		SELECT * FROM unnest(` + transitionArrays + `, @attempts::text[], @codes::integer[], @messages::text[], @accepted::boolean[])
			AS r (` + transitionNames + `, attempt, status_code, message, accepted)
	), resolved AS (
		UPDATE attempts a SET state = r.attempt, status_code = nullif(r.status_code, 0), message = nullif(r.message, ''),
			accepted = r.accepted,
			resolved_at = CASE WHEN r.attempt <> 'unknown' THEN now() END,
			resolved_by = CASE WHEN r.attempt <> 'unknown' THEN 'reply' END
		FROM r WHERE a.job_id = r.id AND (a.call_id = @call OR ` + standsForForgotten + `)
		AND (a.state IN ('open', 'unknown') OR a.state IN ('cleared', 'disowned') AND r.attempt = 'registered')
	), settled AS (
		UPDATE jobs j SET ` + setJob + ` FROM r
		WHERE j.id = r.id AND (` + mayChangePaid + ` OR j.finished_at IS NULL AND r.attempt = 'registered' AND NOT EXISTS (
			SELECT FROM attempts newer WHERE newer.job_id = j.id AND newer.call_id <> @call AND newer.state = 'open'))
		RETURNING j.id
	), evidence AS (` + evidenceBefore + `), stray AS (
		INSERT INTO stray_registrations (call_id, domain, message)
		SELECT @call, s.domain, nullif(s.message, '') FROM unnest(@strays::text[], @words::text[]) AS s (domain, message)
		WHERE s.domain <> '' AND EXISTS (SELECT FROM calls WHERE id = @call)
		ON CONFLICT DO NOTHING
	), finished AS (` + finishCall + `)
	SELECT count(*) FROM settled`

// Release ends a claim. Jobs that are still running under it were not called for: they are due again after delay,
// and the attempt is not counted. It returns how many those were. A job with an open attempt is not
// released, and keeps the claim open: its lease decides.
func (s *Ledger) Release(ctx context.Context, claim uuid.UUID, delay time.Duration, text string) (int, error) {
	var released int
	err := s.db.InTx(ctx, "release claim", func(tx pgx.Tx) error {
		// The claim first: who holds its row may change what hangs on it.
		err := tx.QueryRow(ctx, `SELECT id FROM claims WHERE id = $1 AND closed_at IS NULL FOR UPDATE`, claim).Scan(&claim)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `
			UPDATE jobs j SET state = 'retrying', wake_at = now() + make_interval(secs => $2),
				attempts = greatest(j.attempts - 1, 0), last_error = coalesce(nullif($3, ''), j.last_error)
			FROM claims c, unnest(c.job_ids) AS member (id)
			WHERE c.id = $1 AND j.id = member.id AND j.claim_id = $1 AND j.state = 'running'
			AND NOT EXISTS (SELECT FROM attempts a WHERE a.job_id = j.id AND a.state = 'open')`,
			claim, pg.Seconds(delay), record.Clip(text))
		if err != nil {
			return err
		}
		released = int(tag.RowsAffected())
		_, err = tx.Exec(ctx, `
			UPDATE claims c SET closed_at = now() WHERE c.id = $1 AND NOT EXISTS (
				SELECT FROM unnest(c.job_ids) AS member (id)
				JOIN jobs j ON j.id = member.id AND j.claim_id = $1 AND j.state = 'running')`, claim)
		return err
	})
	return released, err
}
