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

// History is what earlier paid calls left behind for a job's domain, by whatever job.
type History struct {
	Registered bool // one of them brought a success for this very job
	Ours       bool // one of them brought a success for another job, which had ended by then
	Unknown    bool // one has no answer
	Accepted   bool // one has the answer that the domain will be registered later: no reading ever proves the opposite
	Doubtful   bool // one went down with its whole call, or was cleared
	// Unsettled says that nothing has shown yet that all of them were without effect: one has no answer, or went down with
	// others in its call. Readings is how many times WHOIS has called the domain available since that could be told, and
	// Wait how long it still takes until another reading counts.
	Unsettled bool
	Readings  int
	Wait      time.Duration
	Taken     bool // WHOIS has called it taken since: it does not matter what it says now
	// Refused says that the upstream refused this very job, alone, when it was last sent; Refusal is what it
	// said. The job ends so, once WHOIS has shown that none of its attempts had an effect.
	Refused bool
	Refusal string
	// Canceled says that an operator has canceled the job, and in which words. It ends so, unless it turns out to have been
	// registered.
	Canceled    bool
	CanceledHow string
}

// Clean says that the domain was never in a paid call that may have had an effect.
func (h History) Clean() bool { return !h.Registered && !h.Ours && !h.Unknown && !h.Doubtful }

// Proof is when WHOIS readings show that a paid call had no effect.
type Proof struct {
	After  time.Duration // from when the call was over, or had to be: WHOIS lags behind a registration
	Every  time.Duration // the least time between two readings that count
	Checks int           // readings that must all say available
}

// pastAttempt is one attempt on a job's domain, as far as a history needs it.
type pastAttempt struct {
	own      bool // the job's own
	state    record.AttemptState
	accepted bool
	code     int
	alone    bool // its call had no other job
	opened   time.Time
	deadline time.Time // of its call
	over     time.Time // when its call was answered, or had to be
	words    string
}

// pastReading is what WHOIS said of a job's domain once.
type pastReading struct {
	taken bool
	at    time.Time
}

// past is everything that a history is made of.
type past struct {
	now         time.Time
	life        time.Time // when an operator last gave the job another try; zero: never
	attempts    []pastAttempt
	readings    []pastReading // oldest first
	canceling   bool
	canceledHow string
}

// refusedAlone reports whether the upstream refused this very job by itself.
func (a pastAttempt) refusedAlone() bool {
	bad := a.code == 400 || a.code == 404 || a.code == 422 // the contract's error table
	return bad && (a.state == record.AttemptFailed || a.state == record.AttemptRefused && a.alone)
}

// history says what the past means. It is pure.
func (p past) history(proof Proof) History {
	h := History{Canceled: p.canceling, CanceledHow: p.canceledHow}
	newest, doubted := p.newestOwn(), time.Time{}
	for _, a := range p.attempts {
		switch a.state {
		case record.AttemptRegistered:
			h.Registered, h.Ours = h.Registered || a.own, h.Ours || !a.own
		case record.AttemptOpen, record.AttemptUnknown:
			h.Unknown, h.Accepted = true, h.Accepted || a.accepted
			doubted = latest(doubted, a.opened)
		case record.AttemptRefused, record.AttemptCleared:
			h.Doubtful = true
			doubted = latest(doubted, a.opened)
		}
	}
	if newest != nil && newest.opened.After(p.life) {
		h.Refused, h.Refusal = newest.refusedAlone(), newest.words
	}
	until, unsettled := p.doubt(newest)
	if h.Unsettled = unsettled; unsettled {
		until = until.Add(proof.After)
		var last time.Time
		h.Readings, last = p.spaced(until, proof.Every)
		h.Wait = max(until.Sub(p.now), 0)
		if h.Readings > 0 {
			h.Wait = max(h.Wait, last.Add(proof.Every).Sub(p.now))
		}
	}
	h.Taken = slices.ContainsFunc(p.readings, func(r pastReading) bool {
		return r.taken && !doubted.IsZero() && r.at.After(doubted)
	})
	return h
}

// newestOwn is the job's own newest attempt, nil if it has none.
func (p past) newestOwn() *pastAttempt {
	var newest *pastAttempt
	for i, a := range p.attempts {
		if a.own && (newest == nil || a.opened.After(newest.opened)) {
			newest = &p.attempts[i]
		}
	}
	return newest
}

// doubt says when the last call that may have had an effect was over. A refusal of the job alone, by its last call, says
// itself that there was no effect: WHOIS is only asked once more.
func (p past) doubt(newest *pastAttempt) (until time.Time, any bool) {
	for _, a := range p.attempts {
		switch a.state {
		case record.AttemptOpen, record.AttemptUnknown:
			until, any = latest(until, a.deadline), true
		case record.AttemptRefused:
			if newest == nil || !a.refusedAlone() || !a.opened.Equal(newest.opened) {
				until, any = latest(until, a.over), true
			}
		}
	}
	return until, any
}

// spaced counts the readings since then that say available and lie far enough from the one before, and says when the last one
// was, whether it counts or not.
func (p past) spaced(since time.Time, every time.Duration) (n int, last time.Time) {
	for _, r := range p.readings {
		if r.taken || r.at.Before(since) {
			continue
		}
		if last.IsZero() || r.at.Sub(last) >= every {
			n++
		}
		last = r.at
	}
	return n, last
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Histories returns the histories of the jobs that run under a claim. Jobs whose domain was never sent are left out, but for
// canceled ones.
func (s *Ledger) Histories(ctx context.Context, claim uuid.UUID, proof Proof) (map[uuid.UUID]History, error) {
	pasts := map[uuid.UUID]*past{}
	of := func(id uuid.UUID) *past {
		if pasts[id] == nil {
			pasts[id] = &past{}
		}
		return pasts[id]
	}
	var batch pgx.Batch
	batch.Queue(pastAttempts, claim).Query(func(rows pgx.Rows) error { return scanAttempts(rows, of) })
	batch.Queue(pastReadings, claim).Query(func(rows pgx.Rows) error { return scanReadings(rows, of) })
	batch.Queue(pastActs, claim).Query(func(rows pgx.Rows) error { return scanActs(rows, of) })
	if err := s.db.Pool.SendBatch(ctx, &batch).Close(); err != nil {
		return nil, pg.Failure("read histories", err)
	}
	histories := make(map[uuid.UUID]History, len(pasts))
	for id, p := range pasts {
		if len(p.attempts) > 0 || p.canceling {
			histories[id] = p.history(proof)
		}
	}
	return histories, nil
}

// RunningUnder are the jobs that run under claim $1.
const RunningUnder = `
	FROM claims c CROSS JOIN unnest(c.job_ids) AS member (id)
	JOIN jobs j ON j.id = member.id AND j.claim_id = c.id AND j.state = 'running'`

const pastAttempts = `
	SELECT j.id, a.job_id = j.id, a.state, a.accepted, coalesce(a.status_code, 0), k.size = 1, a.opened_at, k.deadline,
		coalesce(k.finished_at, k.deadline), coalesce(a.message, '')
	` + RunningUnder + `
	JOIN attempts a ON a.domain = j.domain
	JOIN calls k ON k.id = a.call_id
	WHERE c.id = $1`

const pastReadings = `
	SELECT j.id, r.availability = 'taken', r.read_at
	` + RunningUnder + `
	JOIN readings r ON r.job_id = j.id
	WHERE c.id = $1 ORDER BY r.read_at, r.call_id`

// pastActs reads what operators did. What one gave another try is not refused for what it was refused for before; who only lets a
// job go sooner gives it none.
const pastActs = `
	SELECT j.id, now(), (SELECT max(o.at) FROM operator_acts o WHERE o.job_id = j.id AND o.act <> 'retry now'),
		j.canceling, CASE WHEN j.canceling THEN (
			SELECT 'canceled by ' || o.operator || coalesce(': ' || o.reason, '') FROM operator_acts o
			WHERE o.job_id = j.id AND o.act = 'cancel' ORDER BY o.at DESC LIMIT 1) ELSE '' END
	` + RunningUnder + `
	WHERE c.id = $1 AND (j.canceling OR EXISTS (SELECT FROM attempts a WHERE a.domain = j.domain))`

func scanAttempts(rows pgx.Rows, of func(uuid.UUID) *past) error {
	var (
		id uuid.UUID
		a  pastAttempt
	)
	_, err := pgx.ForEachRow(rows, []any{pg.BytesOf(&id), &a.own, &a.state, &a.accepted, &a.code, &a.alone, &a.opened, &a.deadline, &a.over, &a.words}, func() error {
		p := of(id)
		p.attempts = append(p.attempts, a)
		return nil
	})
	return err
}

func scanReadings(rows pgx.Rows, of func(uuid.UUID) *past) error {
	var (
		id uuid.UUID
		r  pastReading
	)
	_, err := pgx.ForEachRow(rows, []any{pg.BytesOf(&id), &r.taken, &r.at}, func() error {
		p := of(id)
		p.readings = append(p.readings, r)
		return nil
	})
	return err
}

func scanActs(rows pgx.Rows, of func(uuid.UUID) *past) error {
	var (
		id        uuid.UUID
		now       time.Time
		life      *time.Time
		canceling bool
		how       *string
	)
	_, err := pgx.ForEachRow(rows, []any{pg.BytesOf(&id), &now, &life, &canceling, &how}, func() error {
		p := of(id)
		p.now, p.canceling = now, canceling
		if life != nil {
			p.life = *life
		}
		if how != nil {
			p.canceledHow = *how
		}
		return nil
	})
	return err
}
