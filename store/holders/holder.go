package holders

import (
	"context"
	"fmt"
	"time"

	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Digest tells the details of one holder from those of another. Its zero value is no holder.
type Digest [32]byte

// OrNull is the digest as a column that may be null: nil for no holder.
func (d Digest) OrNull() []byte {
	if d == (Digest{}) {
		return nil
	}
	return d[:]
}

// State is where a holder stands whose details came with an order.
type State string

const (
	// HolderNew is to be found or created upstream. The worker that claims it does so; should it die, another one can
	// claim it when the lease has passed.
	HolderNew State = "new"
	// HolderReady is known upstream by its id. It stays so.
	HolderReady State = "ready"
	// HolderRejected was refused by the upstream, and HolderExhausted could not be had in as many tries as there may be. A
	// job that came, or that an operator gave another try, since then makes it new again.
	HolderRejected State = "rejected"
	// HolderExhausted is the same of one that no answer came about, in as many tries as a job has.
	HolderExhausted State = "exhausted"
)

// Holder is a registrant whose details came with an order, as a worker meets it. Printed with fmt it shows its key alone.
type Holder struct {
	Key        int64
	State      State
	UpstreamID string        // of a ready one
	Words      string        // of the newest failure, the upstream's
	Failures   int           // tries that had no answer, one after the other
	Claimed    bool          // it is the caller's to find or create, until its lease ends
	Details    []byte        // of a claimed one, JSON; personal data
	Purged     bool          // its details are gone
	Busy       bool          // somebody else has claimed it
	Wait       time.Duration // of a new one that is not the caller's: until then nobody may claim it
}

// Format prints the key alone, whatever the verb.
func (h Holder) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "holder(%d)", h.Key) }

// Claim is the wish to find or create a holder.
type Claim struct {
	ID    uuid.UUID // of this claim, chosen by who claims
	Key   int64
	Jobs  []uuid.UUID // that need the holder
	Lease time.Duration
}

// ClaimHolder says where a holder stands, and claims it when it is new and nobody else has it.
func (s *Holders) ClaimHolder(ctx context.Context, c Claim) (Holder, error) {
	h := Holder{Key: c.Key}
	var wait float64
	err := s.db.Pool.QueryRow(ctx, `
		WITH taken AS (
			UPDATE holders h SET state = 'new', claim_id = $2, lease_until = now() + make_interval(secs => $3),
				settled_at = NULL, failures = CASE WHEN h.state = 'new' THEN h.failures ELSE 0 END
			WHERE h.id = $1 AND h.details IS NOT NULL AND coalesce(h.creating_until <= now(), true) AND CASE h.state
				WHEN 'new' THEN coalesce(h.lease_until <= now(), true)
				WHEN 'ready' THEN false
				ELSE h.settled_at < (SELECT max(greatest(j.created_at,
					(SELECT max(o.at) FROM operator_acts o WHERE o.job_id = j.id AND o.act = 'retry')))
					FROM jobs j WHERE j.id = ANY($4)) END
			RETURNING h.id, h.details, h.failures
		)
		SELECT CASE WHEN t.id IS NULL THEN h.state ELSE 'new' END, coalesce(h.upstream_id, ''), coalesce(h.words, ''),
			coalesce(t.failures, h.failures), t.id IS NOT NULL, t.details, h.details IS NULL, h.claim_id IS NOT NULL,
			coalesce(extract(epoch FROM greatest(h.lease_until, h.creating_until) - now()), 0)::float8
		FROM holders h LEFT JOIN taken t ON t.id = h.id
		WHERE h.id = $1`,
		c.Key, c.ID, pg.Seconds(c.Lease), pg.ToUUIDs(c.Jobs, pg.AsIs)).Scan(
		&h.State, &h.UpstreamID, &h.Words, &h.Failures, &h.Claimed, &h.Details, &h.Purged, &h.Busy, &wait)
	h.Wait = max(0, time.Duration(wait*float64(time.Second)))
	return h, pg.Failure("claim holder", err)
}

// HolderDetails returns what is kept of holders, JSON by key. It is personal data. Purged ones are left out.
func (s *Holders) HolderDetails(ctx context.Context, keys []int64) (map[int64][]byte, error) {
	rows, err := s.db.Pool.Query(ctx, `SELECT id, details FROM holders WHERE id = ANY($1) AND details IS NOT NULL`, keys)
	if err != nil {
		return nil, pg.Failure("read details of holders", err)
	}
	all := map[int64][]byte{}
	var (
		key     int64
		details []byte
	)
	_, err = pgx.ForEachRow(rows, []any{&key, &details}, func() error {
		all[key] = details
		return nil
	})
	return all, pg.Failure("read details of holders", err)
}

// StartCreation records, just before the call, that a holder's creation is sent, and renews the claim's lease. Until
// timeout has passed nobody else searches for the holder: a creation that is under way would not be found. It fails with
// ErrFenced when the claim has ended.
func (s *Holders) StartCreation(ctx context.Context, key int64, claim uuid.UUID, timeout, lease time.Duration) error {
	tag, err := s.db.Pool.Exec(ctx, `
		UPDATE holders SET creating_until = now() + make_interval(secs => $3),
			lease_until = greatest(lease_until, now() + make_interval(secs => $4))
		WHERE id = $1 AND claim_id = $2 AND state = 'new' AND lease_until > now()`,
		key, claim, pg.Seconds(timeout), pg.Seconds(lease))
	if err == nil && tag.RowsAffected() == 0 {
		return ledger.ErrFenced
	}
	return pg.Failure("start creation of holder", err)
}

// Change is what a try to find or create a holder has brought. Only the constructors below make one.
type Change struct {
	key      int64
	claim    uuid.UUID
	state    State
	upstream string
	words    string
	delay    time.Duration
	failed   bool
	answered bool
}

// Ready is a holder that was found, or created. It may follow every state but ready: a reply that comes late counts.
func Ready(key int64, upstreamID string) Change {
	return Change{key: key, state: HolderReady, upstream: upstreamID, answered: true}
}

// Reject ends a claim: the upstream refuses the holder, in these words.
func Reject(key int64, claim uuid.UUID, words string) Change {
	return Change{key: key, claim: claim, state: HolderRejected, words: record.Clip(words), answered: true}
}

// Exhaust ends a claim: the holder could not be had in as many tries as there may be.
func Exhaust(key int64, claim uuid.UUID, words string) Change {
	return Change{key: key, claim: claim, state: HolderExhausted, words: record.Clip(words), failed: true}
}

// Retry ends a claim without an answer. The holder can be claimed again after delay, and not before a creation that
// was sent can have no more effect.
func Retry(key int64, claim uuid.UUID, delay time.Duration, words string) Change {
	return Change{key: key, claim: claim, state: HolderNew, delay: delay, words: record.Clip(words), failed: true}
}

// Postpone ends a claim that was answered with something that is not about this holder. The holder can be claimed
// again after delay, and no try is counted.
func Postpone(key int64, claim uuid.UUID, delay time.Duration, words string) Change {
	return Change{key: key, claim: claim, state: HolderNew, delay: delay, words: record.Clip(words), answered: true}
}

// Release ends a claim under which the upstream was not asked about the holder, or not to create it. The holder can be
// claimed again after delay, and what is known of earlier tries stays known.
func Release(key int64, claim uuid.UUID, delay time.Duration) Change {
	return Change{key: key, claim: claim, state: HolderNew, delay: delay}
}

// SettleHolder writes a change and returns where the holder stands then: somebody else may have been quicker, and what
// they found is what everybody uses. A change under a claim that has ended changes nothing.
func (s *Holders) SettleHolder(ctx context.Context, c Change) (Holder, error) {
	h := Holder{Key: c.key}
	failed := 0
	if c.failed {
		failed = 1
	}
	err := s.db.Pool.QueryRow(ctx, `
		WITH settled AS (
			UPDATE holders SET state = $3, upstream_id = nullif($4, ''), claim_id = NULL,
				words = CASE WHEN $3 <> 'ready' THEN coalesce(nullif($5, ''), words) END,
				lease_until = CASE WHEN $3 = 'new' THEN now() + make_interval(secs => $6) END,
				creating_until = CASE WHEN NOT $8 THEN creating_until END,
				failures = CASE WHEN $8 THEN 0 ELSE failures END + $7,
				settled_at = CASE WHEN $3 <> 'new' THEN now() END
			WHERE id = $1 AND state <> 'ready' AND ($3 = 'ready' OR claim_id = $2 AND state = 'new')
			RETURNING id, state, upstream_id, words
		)
		SELECT coalesce(t.state, h.state), coalesce(t.upstream_id, h.upstream_id, ''),
			coalesce(CASE WHEN t.id IS NULL THEN h.words ELSE t.words END, '')
		FROM holders h LEFT JOIN settled t ON t.id = h.id
		WHERE h.id = $1`,
		c.key, record.OrNull(c.claim), c.state, c.upstream, c.words, pg.Seconds(c.delay), failed, c.answered).Scan(
		&h.State, &h.UpstreamID, &h.Words)
	return h, pg.Failure("settle holder", err)
}

// RetireHolder forgets, for orders to come, which details an upstream holder had: it was changed or deleted there. Jobs that
// have it keep it. It returns whether it was known.
func (s *Holders) RetireHolder(ctx context.Context, account, upstreamID string) (bool, error) {
	tag, err := s.db.Pool.Exec(ctx, `
		UPDATE holders SET retired_at = now() WHERE account = $1 AND upstream_id = $2 AND retired_at IS NULL`,
		account, upstreamID)
	return tag.RowsAffected() > 0, pg.Failure("retire holder", err)
}
