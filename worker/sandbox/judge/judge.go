// Package judge compares the two books that tell the truth of a test: the sandbox's ledger, and our database. It checks
// the invariants that need both of them; store.Audit checks those that our database shows alone.
//
// It must never take our word for what the upstream did, and never change either book. Both must have been kept by
// clocks that agree, as those of one machine do.
package judge

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// Queryer is a connection to our database, or a pool of them.
type Queryer interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// The invariants that are judged here.
const (
	PaidOnce       = "I3"  // at most one paid effect per domain
	Intended       = "I4"  // every item received had an attempt of its own, opened before it arrived
	Known          = "I6"  // registered upstream implies registered or unconfirmed here
	Proven         = "I7"  // registered here implies registered upstream
	HoldIsKept     = "I11" // under a hold, at most one call per probe interval
	maxPerBreached = 20    // breaches that are listed of each
)

// Breach is one invariant that does not hold.
type Breach struct {
	Invariant string
	Domain    string // "" where it is not about one
	Text      string
}

func (b Breach) String() string {
	if b.Domain == "" {
		return b.Invariant + ": " + b.Text
	}
	return b.Invariant + ": " + b.Domain + ": " + b.Text
}

// Verdict is what the two books say together.
type Verdict struct {
	Breaches []Breach

	Jobs        int // registrations asked for
	Registered  int
	Unconfirmed int
	Unpaid      int // of the unconfirmed ones: those that the ledger says were never paid for
	Paid        int // domains paid for
	PaidTwice   int // of these
	Lost        int // paid for, and neither registered nor unconfirmed here
}

// Judge compares a ledger with our database. Judge when things are quiet: what is under way may not be settled yet. It fails
// while the sandbox has still to carry out what it accepted.
func Judge(ctx context.Context, db Queryer, ledger *sandbox.Ledger) (Verdict, error) {
	if ledger.Later > 0 {
		return Verdict{}, fmt.Errorf("judge: the sandbox has accepted %d registrations that it has not carried out yet", ledger.Later)
	}
	j := judging{ctx: ctx, db: db, ledger: ledger}
	for _, check := range []func() error{j.count, j.paidOnce, j.intended, j.known, j.proven} {
		if err := check(); err != nil {
			return Verdict{}, err
		}
	}
	return j.verdict, nil
}

type judging struct {
	ctx     context.Context
	db      Queryer
	ledger  *sandbox.Ledger
	verdict Verdict
}

// paid are the domains paid for; never nil, which SQL would not compare with.
func (j *judging) paid() []string { return append([]string{}, j.ledger.PaidDomains()...) }

// breached lists domains under an invariant.
func (j *judging) breached(invariant, text string, domains []string) {
	for _, d := range domains[:min(len(domains), maxPerBreached)] {
		j.verdict.Breaches = append(j.verdict.Breaches, Breach{invariant, d, text})
	}
	if more := len(domains) - maxPerBreached; more > 0 {
		j.verdict.Breaches = append(j.verdict.Breaches, Breach{invariant, "", fmt.Sprintf("and %d more: %s", more, text)})
	}
}

func (j *judging) count() error {
	rows, err := j.db.Query(j.ctx, `
		SELECT count(*), count(*) FILTER (WHERE outcome = 'registered'), count(*) FILTER (WHERE state = 'unconfirmed'),
			count(*) FILTER (WHERE state = 'unconfirmed' AND NOT domain = ANY($1))
		FROM jobs WHERE kind = 'register'`, j.paid())
	if err != nil {
		return fmt.Errorf("count registrations: %w", err)
	}
	v := &j.verdict
	_, err = pgx.ForEachRow(rows, []any{&v.Jobs, &v.Registered, &v.Unconfirmed, &v.Unpaid}, func() error { return nil })
	if err != nil {
		return fmt.Errorf("count registrations: %w", err)
	}
	return nil
}

func (j *judging) paidOnce() error {
	twice := j.ledger.AllPaidTwice()
	j.verdict.Paid, j.verdict.PaidTwice = len(j.ledger.PaidDomains()), len(twice)
	j.breached(PaidOnce, "paid for more than once", twice)
	return nil
}

// intended counts: the nth time that a domain is received, n attempts at it must have been opened and not been called
// unsent.
func (j *judging) intended() error {
	var (
		domains []string
		arrived []time.Time
		nth     []int32
	)
	seen := map[string]int32{}
	for _, r := range j.ledger.Received(sandbox.OpRegister) {
		seen[r.Domain]++
		domains, arrived, nth = append(domains, r.Domain), append(arrived, r.At), append(nth, seen[r.Domain])
	}
	sent, err := j.names("compare what was received with what was intended", `
		SELECT DISTINCT r.domain FROM unnest($1::text[], $2::timestamptz[], $3::integer[]) AS r (domain, at, nth)
		WHERE r.nth > (SELECT count(*) FROM attempts a
			WHERE a.domain = r.domain AND a.opened_at <= r.at AND a.state <> 'not_sent')
		ORDER BY r.domain`, domains, arrived, nth)
	j.breached(Intended, "received more often than an intent to send it had been committed", sent)
	return err
}

func (j *judging) known() error {
	lost, err := j.names("look for what was paid for", `
		SELECT p.domain FROM unnest($1::text[]) AS p (domain) WHERE NOT EXISTS (
			SELECT FROM jobs j WHERE j.domain = p.domain AND j.kind = 'register'
			AND (j.outcome = 'registered' OR j.state = 'unconfirmed'))
		ORDER BY p.domain`, j.paid())
	j.verdict.Lost = len(lost)
	j.breached(Known, "registered upstream, and neither registered nor unconfirmed here", lost)
	return err
}

func (j *judging) proven() error {
	claimed, err := j.names("look for what is called registered", `
		SELECT j.domain FROM jobs j WHERE j.kind = 'register' AND j.outcome = 'registered' AND NOT j.domain = ANY($1)
		AND NOT EXISTS (SELECT FROM operator_acts o WHERE o.job_id = j.id AND o.act = 'confirm registered')
		ORDER BY j.domain`, j.paid())
	j.breached(Proven, "registered here, and never paid for upstream", claimed)
	return err
}

// names runs a query for domains.
func (j *judging) names(action, query string, args ...any) ([]string, error) {
	rows, err := j.db.Query(j.ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", action, err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", action, err)
	}
	return names, nil
}

// Held judges a time under a hold: of the account with that client id, no more register calls may have arrived between
// from and to than one for each probe interval. From is when the last call that was in flight at the hold has ended.
func Held(ledger *sandbox.Ledger, client string, from, to time.Time, interval time.Duration) []Breach {
	calls := 0
	for _, c := range ledger.Calls {
		if c.Op == sandbox.OpRegister && c.Account == client && c.At.After(from) && c.At.Before(to) {
			calls++
		}
	}
	// Probes have no phase: a time of n intervals may see n+1 of them.
	if allowed := int(to.Sub(from)/interval) + 1; calls > allowed {
		return []Breach{{HoldIsKept, "", fmt.Sprintf("%d register calls within %s of a hold, whose probes are %s apart: at most %d are allowed",
			calls, to.Sub(from).Round(time.Millisecond), interval, allowed)}}
	}
	return nil
}

// Invariants lists the invariants that a verdict breaches, each once.
func (v Verdict) Invariants() []string {
	var names []string
	for _, b := range v.Breaches {
		if !slices.Contains(names, b.Invariant) {
			names = append(names, b.Invariant)
		}
	}
	return names
}
