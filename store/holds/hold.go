package holds

import (
	"context"
	"errors"
	"time"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Reason is why an account stands still.
type Reason string

// The reasons.
const (
	Payment  Reason = "payment"  // the upstream wants money first
	Auth     Reason = "auth"     // it does not accept our credentials
	Contract Reason = "contract" // our idea of its API is wrong
	Outage   Reason = "outage"   // it does not answer
	// Paused is an operator's, and Restored says that this database may have forgotten what was sent. No probe ever
	// lifts them: a person does.
	Paused   Reason = "paused"
	Restored Reason = "restored"
	// DailyLimit is over when the next day begins, in UTC, see HoldForDay.
	DailyLimit Reason = "daily_limit"
)

// Reasons lists every reason.
func Reasons() []Reason {
	return []Reason{Payment, Auth, Contract, Outage, DailyLimit, Paused, Restored}
}

// Scope is what a hold stops.
type Scope string

// The scopes. A hold on registrations never stops WHOIS.
const (
	ScopeRegister Scope = "register"
	ScopeAll      Scope = "all"
)

// ErrHeld says that a hold on the account forbids the call.
var ErrHeld = errors.New("the account is on hold")

// NewHold is a hold about to be laid on an account.
type NewHold struct {
	Account    string
	Reason     Reason
	Scope      Scope
	Words      string // the upstream's
	Status     int
	ProbeEvery time.Duration // from now to the first probe
}

// Hold lays a hold on an account, or notes what the upstream says now of one that stands. The scope only widens, and
// the time of the next probe stays.
func (s *Holds) Hold(ctx context.Context, h NewHold) (laid bool, err error) {
	err = s.db.Pool.QueryRow(ctx, `
		INSERT INTO holds AS h (account, reason, scope, words, status, probe_every, next_probe_at)
		VALUES ($1, $2, $3, $4, nullif($5, 0), make_interval(secs => $6), now() + make_interval(secs => $6))
		ON CONFLICT (account, reason) DO UPDATE SET words = excluded.words, status = excluded.status,
			scope = CASE WHEN 'all' IN (h.scope, excluded.scope) THEN 'all' ELSE h.scope END
		RETURNING xmax = 0`,
		h.Account, h.Reason, h.Scope, record.Clip(h.Words), h.Status, pg.Seconds(h.ProbeEvery)).Scan(&laid)
	return laid, pg.Failure("hold account", err)
}

// Lift ends the hold that a probe has shown to be over; WakeHeld sets its jobs free. It returns false when the hold is not the
// probe's any more: a worker that stood still after its probe must not lift a hold that was laid since, or that a newer
// probe decides on.
//
// What it means for jobs that were refused one by one in the hold's words depends on whose job passed. If it had been
// refused like them, the fault was the account's: they are forgiven and go again. If it is another one, the fault is theirs,
// and for a while these words hold nobody any more, see LiftedLately.
func (s *Holds) Lift(ctx context.Context, p Probe) (lifted bool, err error) {
	err = s.db.InTx(ctx, "lift hold", func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `DELETE FROM holds WHERE account = $1 AND reason = $2 AND probe_id = $3`, p.Account, p.Reason, pg.ToUUID(p.ID))
		if lifted = tag.RowsAffected() > 0; err != nil || !lifted || p.Reason != Contract {
			return err
		}
		if p.Again {
			_, err = tx.Exec(ctx, forgiveHeld, p.Account)
			return err
		}
		_, err = tx.Exec(ctx, `
			INSERT INTO lifted_refusals (account, status, words) VALUES ($1, $2, $3)
			ON CONFLICT (account, status, words) DO UPDATE SET lifted_at = now()`, p.Account, p.Status, p.Words)
		return err
	})
	return lifted && err == nil, err
}

// forgiveHeld takes back that the upstream refused held jobs of account $1 by themselves: it turned out to be no fault of
// theirs. They are sent again when they go on, and do not end for what was said of them. What was said stays with the calls.
const forgiveHeld = `
	UPDATE attempts a SET status_code = NULL FROM jobs j
	WHERE j.held_account = $1 AND a.job_id = j.id AND a.state IN ('refused', 'failed') AND a.status_code IS NOT NULL`

// LiftedLately reports whether a hold for refusals in these words was lifted within the last time span because a job that had
// not been refused passed.
func (s *Holds) LiftedLately(ctx context.Context, account string, status int, words string, within time.Duration) (bool, error) {
	var lately bool
	err := s.db.Pool.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM lifted_refusals
			WHERE account = $1 AND status = $2 AND words = $3 AND lifted_at > now() - make_interval(secs => $4))`,
		account, status, record.Clip(words), pg.Seconds(within)).Scan(&lately)
	return lately, pg.Failure("look for lifted refusals", err)
}

// Forgive takes back that the upstream refused jobs by themselves, one by one, under a claim: nobody knows yet whether it is
// their fault. They are sent again when they go on. What was said stays with the calls.
func (s *Holds) Forgive(ctx context.Context, claim uuid.UUID, jobs []uuid.UUID) error {
	_, err := s.db.Pool.Exec(ctx, `
		UPDATE attempts a SET status_code = NULL FROM calls c
		WHERE c.claim_id = $1 AND c.size = 1 AND a.call_id = c.id AND a.job_id = ANY($2) AND a.state IN ('refused', 'failed')`,
		claim, pg.ToUUIDs(jobs, pg.AsIs))
	return pg.Failure("forgive jobs", err)
}

// Stopped says what of an account stands still. Its zero value is nothing.
type Stopped struct{ Register, All bool }

// Stops says whether jobs of a kind stand still.
func (s Stopped) Stops(k record.Kind) bool { return s.All || s.Register && k == record.Register }

// Stopped returns what stands still, by account. Accounts without a hold are left out.
func (s *Holds) Stopped(ctx context.Context) (map[string]Stopped, error) {
	rows, err := s.db.Pool.Query(ctx, `SELECT account, bool_or(scope = 'register'), bool_or(scope = 'all') FROM holds GROUP BY account`)
	if err != nil {
		return nil, pg.Failure("read holds", err)
	}
	stopped := map[string]Stopped{}
	var (
		account string
		st      Stopped
	)
	_, err = pgx.ForEachRow(rows, []any{&account, &st.Register, &st.All}, func() error {
		stopped[account] = st
		return nil
	})
	return stopped, pg.Failure("read holds", err)
}

// Standing is how an account stands: what its holds stop, and what there is to do about them.
type Standing struct {
	Account      string
	Stopped      Stopped
	NoCalls      Stopped // what no call is made for: the same, but that a daily limit stops what is delivered and not what is under way
	ProbeDue     bool    // a probe's time has come, if there is a job to make it with
	Wakes        bool    // jobs are held that no hold covers any more
	WakesCancels bool    // canceled registrations are held whose check nothing forbids
	UsedUp       bool    // the hold of a daily limit stands
}

// Standings says how accounts stand, in one cheap statement: every worker asks each second.
func (s *Holds) Standings(ctx context.Context, accounts []string) ([]Standing, error) {
	rows, err := s.db.Pool.Query(ctx, `
		SELECT a.name, stops.register, stops.everything, stops.due,
			EXISTS (
				SELECT FROM unnest($2::text[]) AS k (kind)
				WHERE NOT (stops.everything OR stops.register AND k.kind = 'register')
				AND EXISTS (`+heldOrders+`)),
			NOT stops.everything AND EXISTS (
				SELECT FROM jobs j WHERE j.account = a.name AND j.canceling AND j.state = 'held' AND `+NotPaused+`),
			stops.used_up, stops.uncalled
		FROM unnest($1::text[]) AS a (name)
		CROSS JOIN LATERAL (
			SELECT coalesce(bool_or(h.scope = 'register'), false) AS register, coalesce(bool_or(h.scope = 'all'), false) AS everything,
				coalesce(bool_or(h.next_probe_at <= now()), false) AS due,
				coalesce(bool_or(h.reason = 'daily_limit'), false) AS used_up,
				coalesce(bool_or(h.scope = 'register' AND h.reason <> 'daily_limit'), false) AS uncalled
			FROM holds h WHERE h.account = a.name
		) AS stops`, accounts, []record.Kind{record.Whois, record.Register, record.Token})
	if err != nil {
		return nil, pg.Failure("read standings", err)
	}
	standings, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Standing, error) {
		var st Standing
		err := row.Scan(&st.Account, &st.Stopped.Register, &st.Stopped.All, &st.ProbeDue, &st.Wakes, &st.WakesCancels, &st.UsedUp, &st.NoCalls.Register)
		st.NoCalls.All = st.Stopped.All
		return st, err
	})
	return standings, pg.Failure("read standings", err)
}

// RefuseHeld fails with ErrHeld while a hold forbids calls of this kind for the account, unless the probe is this call.
// The hold of a daily limit forbids nothing to a caller that counts the day by himself: what is counted already may go again. It
// locks the holds that it finds until the transaction ends.
func RefuseHeld(ctx context.Context, tx pgx.Tx, account string, kind record.Kind, probe uuid.UUID, counts bool) error {
	rows, err := tx.Query(ctx, `
		SELECT probe_id FROM holds WHERE account = $1 AND (scope = 'all' OR scope = $2) AND NOT ($3 AND reason = 'daily_limit') FOR SHARE`,
		account, kind, counts)
	if err != nil {
		return err
	}
	allowed, err := pgx.CollectRows(rows, pgx.RowTo[uuid.NullUUID])
	if err != nil {
		return err
	}
	for _, a := range allowed {
		if probe == uuid.Nil || a.UUID != probe {
			return pg.Untouched(ErrHeld)
		}
	}
	return nil
}

// View is a hold as an operator sees it.
type View struct {
	Account     string
	Reason      Reason
	Scope       Scope
	Since       time.Time
	Words       string
	Status      int
	Probes      int
	NextProbeAt time.Time // zero: it has no probes
	EndsAt      time.Time // when it ends by itself; zero: no time ends it
	PlacedBy    string    // the operator; "": bulkreg itself
	Jobs        int       // that wait for it
	Orders      []string  // the names of the orders these belong to, oldest first, at most maxHoldOrders
}

const maxOrders = 10

// List lists every hold, oldest first, with what waits for it.
func (s *Holds) List(ctx context.Context) ([]View, error) {
	rows, err := s.db.Pool.Query(ctx, `
		SELECT h.account, h.reason, h.scope, h.since, h.words, coalesce(h.status, 0), h.probes, h.next_probe_at, h.ends_at, coalesce(h.placed_by, ''),
			coalesce(sum(w.jobs), 0), coalesce((array_agg(w.reference ORDER BY w.id) FILTER (WHERE w.id IS NOT NULL))[1:$1], '{}')
		FROM holds h
		LEFT JOIN LATERAL (`+waitingFor+`) AS w ON true
		GROUP BY h.account, h.reason
		ORDER BY h.since, h.account, h.reason`, maxOrders)
	if err != nil {
		return nil, pg.Failure("list holds", err)
	}
	holds, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (View, error) {
		var (
			h          View
			next, ends *time.Time
		)
		err := row.Scan(&h.Account, &h.Reason, &h.Scope, &h.Since, &h.Words, &h.Status, &h.Probes, &next, &ends, &h.PlacedBy, &h.Jobs, &h.Orders)
		if next != nil {
			h.NextProbeAt = *next
		}
		if ends != nil {
			h.EndsAt = *ends
		}
		return h, err
	})
	return holds, pg.Failure("list holds", err)
}

// waitingFor counts, by order, the jobs that wait for hold h: those that are held, and those never delivered.
const waitingFor = `
	SELECT o.id, ` + record.NameOfOrder + ` AS reference, sum(n) AS jobs FROM (
		SELECT order_id, count(*) AS n FROM jobs
		WHERE held_account = h.account AND (h.scope = 'all' OR kind = h.scope) GROUP BY order_id
		UNION ALL
		SELECT order_id, sum(last_seq - first_seq + 1) FROM chunks
		WHERE account = h.account AND (h.scope = 'all' OR kind = h.scope) AND wake_at IS NULL GROUP BY order_id
	) AS waiting (order_id, n) JOIN orders o ON o.id = waiting.order_id
	GROUP BY o.id`
