package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/jackc/pgx/v5"
)

// Stillness is what the database knows about why an order's jobs may not move. Reading it costs the same however large the order
// is.
type Stillness struct {
	At        time.Time        // by the database's clock
	Paused    *holds.OrderHold // nil: the order is not paused; Jobs is not counted
	Holds     []holds.View     // of its account that stop its kind, oldest first; Jobs and Orders are left out
	Workers   []SeenWorker     // that could carry its jobs out, the one that was seen last first
	Others    int              // live workers that could not
	NextRetry time.Time        // the earliest that was found; zero: none was
}

// SeenWorker is a worker as its last report shows it, with its part for one kind and account.
type SeenWorker struct {
	Name     string
	SeenAt   time.Time
	Alive    bool // seen lately, and not stopping
	Trouble  string
	Pipeline ReportedPipeline
	stopping bool
}

// ReportedPipeline is what a worker reports of one kind and account.
type ReportedPipeline struct {
	Slots        int        `json:"slots"`         // calls in flight at most
	Busy         int        `json:"busy"`          // those now
	Waiting      int        `json:"waiting"`       // jobs that wait in the worker for a slot
	WaitingSince *time.Time `json:"waiting_since"` // nil: none does
	Paused       []string   `json:"paused"`        // queues that somebody paused from outside
}

const (
	// workerAlive is how long after its last report a worker counts as alive.
	workerAlive = 30 * time.Second
	// stillnessWorkers and stillnessJobs bound what one look reads.
	stillnessWorkers = 1000
	stillnessJobs    = 1000
)

// Stillness reads why jobs of an order's kind and account may not move.
func (s *Fleet) Stillness(ctx context.Context, o record.Order) (Stillness, error) {
	var (
		st    Stillness
		batch pgx.Batch
	)
	batch.Queue(`SELECT now()`)
	batch.Queue(`SELECT `+holds.OrderHoldColumns+` FROM order_holds oh JOIN orders o ON o.id = oh.order_id WHERE oh.order_id = $1`, o.ID)
	batch.Queue(`SELECT `+holds.HoldColumns+` FROM holds h WHERE h.account = $1 AND (h.scope = 'all' OR h.scope = $2) ORDER BY h.since`, o.Account, o.Kind)
	batch.Queue(`
		SELECT w.name, w.seen_at, w.stopping, coalesce(w.trouble, ''), (
			SELECT l FROM jsonb_array_elements(w.lots) AS l WHERE l->>'kind' = $1 AND l->>'account' = $2 LIMIT 1)
		FROM workers w ORDER BY w.seen_at DESC LIMIT $3`, o.Kind, o.Account, stillnessWorkers)
	batch.Queue(nextRetry, o.ID, o.Kind, o.Account, stillnessJobs)
	err := s.db.ReadBatch(ctx, &batch, st.read)
	return st, pg.Failure("find out why jobs wait", err)
}

// nextRetry looks among the first jobs of the order, and among those of its lots that are due first.
const nextRetry = `
	SELECT min(wake_at) FROM (
		SELECT wake_at FROM jobs WHERE order_id = $1 AND seq <= $4 AND state = 'retrying'
		UNION ALL
		SELECT due.wake_at FROM unnest(ARRAY['plain', 'bulk']) AS l (lane) CROSS JOIN LATERAL (
			SELECT order_id, state, wake_at FROM jobs
			WHERE kind = $2 AND lane = l.lane AND account = $3 AND wake_at IS NOT NULL ORDER BY wake_at LIMIT $4
		) AS due WHERE due.order_id = $1 AND due.state = 'retrying'
	) AS found`

func (st *Stillness) read(results pgx.BatchResults) error {
	if err := results.QueryRow().Scan(&st.At); err != nil {
		return err
	}
	var pause holds.OrderHold
	switch err := results.QueryRow().Scan(pause.Fields()...); {
	case err == nil:
		st.Paused = &pause
	case !errors.Is(err, pgx.ErrNoRows):
		return err
	}
	rows, err := results.Query()
	if err != nil {
		return err
	}
	if st.Holds, err = pgx.CollectRows(rows, holds.ScanHold); err != nil {
		return err
	}
	if err := st.readWorkers(results); err != nil {
		return err
	}
	var retry *time.Time
	err = results.QueryRow().Scan(&retry)
	if retry != nil {
		st.NextRetry = *retry
	}
	return err
}

func (st *Stillness) readWorkers(results pgx.BatchResults) error {
	rows, err := results.Query()
	if err != nil {
		return err
	}
	var (
		w   SeenWorker
		lot []byte
	)
	_, err = pgx.ForEachRow(rows, []any{&w.Name, &w.SeenAt, &w.stopping, &w.Trouble, &lot}, func() error {
		w.Alive = !w.stopping && st.At.Sub(w.SeenAt) < workerAlive
		switch {
		case lot != nil:
			w.Pipeline = ReportedPipeline{}
			if err := json.Unmarshal(lot, &w.Pipeline); err != nil {
				return pg.Untouched(fmt.Errorf("read report of worker %s: %w", w.Name, err))
			}
			st.Workers = append(st.Workers, w)
		case w.Alive:
			st.Others++
		}
		return nil
	})
	return err
}

// Still is a reason for which jobs do not move.
type Still string

// The reasons. All but the last two need somebody: the jobs do not move until it is over.
const (
	StillPaused      Still = "order_paused"
	StillHeld        Still = "hold"
	StillNoWorker    Still = "no_worker"
	StillQueuePaused Still = "queue_paused"
	StillTrouble     Still = "worker_in_trouble"
	StillSlots       Still = "no_free_slot"
	StillRetry       Still = "next_retry"
)

// StillReason is one reason, with what is known of it.
type StillReason struct {
	Still  Still
	Since  time.Time       // StillNoWorker: when the last one was seen. Zero: not known
	Until  time.Time       // when something happens by itself; zero: not known, or never
	Hold   holds.View      // of StillHeld
	Pause  holds.OrderHold // of StillPaused
	Queues []string        // of StillQueuePaused
	Worker string          // of StillTrouble, with Words
	Words  string
	Slots  int // of StillSlots: the calls in flight, all of them
	Jobs   int // of StillSlots: that wait
	Others int // of StillNoWorker: live workers that cannot help
}

// Reasons judges what was read, what weighs most first. It is pure.
func (st Stillness) Reasons() []StillReason {
	var reasons []StillReason
	if st.Paused != nil {
		reasons = append(reasons, StillReason{Still: StillPaused, Since: st.Paused.Since, Pause: *st.Paused})
	}
	for _, h := range st.Holds {
		reasons = append(reasons, StillReason{Still: StillHeld, Since: h.Since, Until: h.Until(), Hold: h})
	}
	reasons = append(reasons, st.ofWorkers()...)
	if !st.NextRetry.IsZero() {
		reasons = append(reasons, StillReason{Still: StillRetry, Until: st.NextRetry})
	}
	return reasons
}

// ofWorkers judges the workers. One that can go on is enough.
func (st Stillness) ofWorkers() []StillReason {
	var (
		reasons []StillReason
		alive   []SeenWorker
		queues  []string
	)
	for _, w := range st.Workers {
		if w.Alive {
			alive = append(alive, w)
			queues = append(queues, w.Pipeline.Paused...)
		}
	}
	if len(alive) == 0 {
		none := StillReason{Still: StillNoWorker, Others: st.Others}
		if len(st.Workers) > 0 {
			none.Since = st.Workers[0].SeenAt
		}
		return []StillReason{none}
	}
	if len(queues) > 0 {
		slices.Sort(queues)
		reasons = append(reasons, StillReason{Still: StillQueuePaused, Queues: slices.Compact(queues)})
	}
	if !slices.ContainsFunc(alive, func(w SeenWorker) bool { return w.Trouble == "" }) {
		reasons = append(reasons, StillReason{Still: StillTrouble, Worker: alive[0].Name, Words: alive[0].Trouble})
	}
	full := StillReason{Still: StillSlots}
	for _, w := range alive {
		if w.Pipeline.Busy < w.Pipeline.Slots {
			return reasons
		}
		full.Slots, full.Jobs = full.Slots+w.Pipeline.Slots, full.Jobs+w.Pipeline.Waiting
		if since := w.Pipeline.WaitingSince; since != nil && (full.Since.IsZero() || since.Before(full.Since)) {
			full.Since = *since
		}
	}
	if full.Jobs > 0 {
		reasons = append(reasons, full)
	}
	return reasons
}
