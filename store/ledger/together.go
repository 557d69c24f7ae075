package ledger

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store/pg"
)

// Together settles in one transaction what calls brought that end at about the same time: while Postgres writes what one of them brought,
// others wait, and what they brought is written next, at once. None waits when no other is there. It is safe for concurrent use.
//
// Whatever goes wrong with several goes wrong with none of the others: each is then settled by itself, as Ledger.Settle does. So
// is who would have to wait for a lock, such as an operator's on a job, and only he waits.
type Together struct {
	ledger *Ledger
	lead   chan struct{} // held by whoever settles for all

	mu      sync.Mutex
	waiting []*settling
}

// settling is what one call brought.
type settling struct {
	claim       uuid.UUID
	call        CallResult
	transitions []Transition

	done    chan struct{} // closed when the following is known
	settled int
	alone   bool // it was not settled with the others, and has to be by itself
}

const (
	// mostTogether bounds what one transaction settles, in calls.
	mostTogether = 16
	// togetherTime is how long it may take before each is settled by itself; togetherLock how long it waits for a lock.
	togetherTime = 2 * time.Second
	togetherLock = `SELECT set_config('lock_timeout', '50ms', true)`
)

// Together returns a new one. Calls that it is used for may wait for each other: those of one account should have their own.
func (s *Ledger) Together() *Together {
	return &Together{ledger: s, lead: make(chan struct{}, 1)}
}

// Settle is Ledger.Settle, together with others.
func (t *Together) Settle(ctx context.Context, claim uuid.UUID, call CallResult, transitions []Transition) (int, error) {
	mine := &settling{claim: claim, call: call, transitions: transitions, done: make(chan struct{})}
	t.mu.Lock()
	t.waiting = append(t.waiting, mine)
	t.mu.Unlock()
	select {
	case <-mine.done:
	case t.lead <- struct{}{}:
		for !mine.known() { // there may be too many before it for one transaction
			t.settleSome(ctx)
		}
		<-t.lead
	}
	if mine.alone {
		return t.ledger.Settle(ctx, claim, call, transitions)
	}
	return mine.settled, nil
}

func (s *settling) known() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// settleSome settles for those who have waited longest.
func (t *Together) settleSome(ctx context.Context) {
	t.mu.Lock()
	n := min(len(t.waiting), mostTogether)
	some := t.waiting[:n:n]
	t.waiting = t.waiting[n:]
	t.mu.Unlock()
	// Others rely on it: that this caller does not want to wait any more is no reason to give up.
	settling, cancel := context.WithTimeout(context.WithoutCancel(ctx), togetherTime)
	defer cancel()
	failed := t.ledger.settleTogether(settling, some) != nil
	for _, s := range some {
		s.alone = failed
		close(s.done)
	}
}

// settleTogether settles all or nothing.
func (s *Ledger) settleTogether(ctx context.Context, all []*settling) error {
	claims := make([]uuid.UUID, len(all))
	for i, one := range all {
		claims[i] = one.claim
	}
	var batch pgx.Batch
	batch.Queue(togetherLock)
	batch.Queue(`SELECT FROM claims WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE`, pg.ToUUIDs(claims, pg.AsIs))
	batch.Queue(settleCalls+`SELECT part, count(*) FROM settled GROUP BY part`, settleArgs(all)).Query(func(rows pgx.Rows) error {
		var part, jobs int
		_, err := pgx.ForEachRow(rows, []any{&part, &jobs}, func() error {
			all[part].settled = jobs
			return nil
		})
		return err
	})
	return pg.Failure("settle jobs together", s.db.Pool.SendBatch(ctx, &batch).Close())
}
