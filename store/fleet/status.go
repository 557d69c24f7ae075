package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/jackc/pgx/v5"
)

// Status is what needs a person and what is in progress, over all orders. Reading it costs the same however many jobs there are:
// what is counted is counted up to StatusMost.
type Status struct {
	At          time.Time          // by the database's clock
	Unconfirmed []UnconfirmedOrder // that have jobs which a person must decide on, oldest first
	Holds       []holds.View       // oldest first; Jobs is bounded, Orders is left out
	Paused      []holds.OrderHold  // orders that are paused by themselves, oldest first; Jobs is not counted
	Pipelines   []PipelineStatus   // kinds and accounts that have work
	Orders      []OrderProgress    // the newest ones in progress, newest first, at most StatusInProgress
	Workers     []WorkerStatus     // live ones, and those that went away without a word
	Rescue      Rescue
}

// UnconfirmedOrder is an order with jobs that a person must decide on.
type UnconfirmedOrder struct {
	record.Order
	Jobs int
}

// PipelineStatus is the work of one kind and account.
type PipelineStatus struct {
	Kind    record.Kind
	Account string
	Running int // jobs that are being called for
	Queued  int // delivered, or to be delivered
	Waiting int // with a time of their own: a next attempt, or one that was taken back
	Held    int
	// Since is when the oldest of its orders that was found came, and Due when the first of the waiting jobs may go.
	Since time.Time
	Due   time.Time
	// Workers are the live ones that could carry it out. Moving says that calls for it are under way.
	Workers int
	Moving  bool
	Paused  []string // queues that somebody paused from outside
	// Free says that no hold stops it.
	Free bool
}

// WorkerStatus is a worker as its last report shows it.
type WorkerStatus struct {
	Name    string
	SeenAt  time.Time
	Alive   bool
	Trouble string
	lots    []reportedPipelines
}

type reportedPipelines struct {
	Kind    record.Kind `json:"kind"`
	Account string      `json:"account"`
	ReportedPipeline
}

// Rescue is what should have been taken back by now: each worker looks for it every second.
type Rescue struct {
	Claims int       // whose lease has passed
	Chunks int       // that were delivered, and not claimed in time
	Since  time.Time // the oldest of them; zero: there is none
}

const (
	// StatusMost is up to where a Status counts: one more stands for more.
	StatusMost = 10_000
	// StatusOrders bounds the orders that a Status lists.
	StatusOrders = 100
	// overdueAfter is how long after its time something counts as overdue.
	overdueAfter = time.Minute
	// overdueInLine is the same of a job that waits in line behind others while calls are under way.
	overdueInLine = time.Hour
)

// Status reads what needs a person, and what is in progress.
func (s *Fleet) Status(ctx context.Context) (Status, error) {
	var (
		st    Status
		batch pgx.Batch
	)
	batch.Queue(`SELECT now()`)
	batch.Queue(unconfirmedOrders, StatusMost+1, StatusOrders)
	batch.Queue(boundedHolds, StatusMost+1)
	batch.Queue(`
		SELECT `+holds.OrderHoldColumns+` FROM order_holds oh JOIN orders o ON o.id = oh.order_id ORDER BY oh.since, o.id LIMIT $1`, StatusOrders)
	batch.Queue(ordersInProgress, StatusMost+1, StatusInProgress)
	batch.Queue(`SELECT name, seen_at, stopping, coalesce(trouble, ''), lots FROM workers ORDER BY seen_at DESC LIMIT $1`, stillnessWorkers)
	batch.Queue(overdueRescue, pg.Seconds(overdueAfter), StatusMost+1)
	for _, part := range lotParts() {
		batch.Queue(part.sql, StatusMost+1)
	}
	err := s.db.ReadBatch(ctx, &batch, st.read)
	return st, pg.Failure("read status", err)
}

// unconfirmedOrders looks at no job but those that a person must decide on.
const unconfirmedOrders = `
	SELECT ` + record.OrderColumns + `, u.jobs FROM (
		SELECT order_id, count(*) AS jobs FROM (
			SELECT unconfirmed_order AS order_id FROM jobs WHERE unconfirmed_order IS NOT NULL LIMIT $1
		) AS counted GROUP BY order_id ORDER BY order_id LIMIT $2
	) AS u JOIN orders o ON o.id = u.order_id ORDER BY o.created_at, o.id`

// boundedHolds are all holds, with the jobs that wait for each.
const boundedHolds = `
	SELECT ` + holds.HoldColumns + `, least($1, (SELECT count(*) FROM (
			SELECT FROM jobs j WHERE j.held_account = h.account AND (h.scope = 'all' OR j.kind = h.scope) LIMIT $1) AS held)
		+ (SELECT coalesce(sum(last_seq - first_seq + 1), 0) FROM (
			SELECT c.first_seq, c.last_seq FROM unnest(ARRAY['whois', 'register', 'token']) AS k (kind)
			CROSS JOIN unnest(ARRAY['plain', 'bulk']) AS l (lane)
			JOIN chunks c ON c.kind = k.kind AND c.lane = l.lane AND c.account = h.account AND c.wake_at IS NULL
			WHERE h.scope = 'all' OR k.kind = h.scope LIMIT $1) AS fresh))
	FROM holds h ORDER BY h.since, h.account, h.reason`

const overdueRescue = `
	SELECT count(*) FILTER (WHERE what = 'claim'), count(*) FILTER (WHERE what = 'chunk'), coalesce(min(at), ` + holds.Never + `) FROM (
		(SELECT 'claim' AS what, lease_until AS at FROM claims
		WHERE closed_at IS NULL AND lease_until < now() - make_interval(secs => $1) ORDER BY lease_until LIMIT $2)
		UNION ALL
		(SELECT 'chunk', wake_at FROM chunks WHERE wake_at < now() - make_interval(secs => $1) ORDER BY wake_at LIMIT $2)
	) AS overdue`

func (st *Status) read(results pgx.BatchResults) error {
	if err := results.QueryRow().Scan(&st.At); err != nil {
		return err
	}
	var err error
	st.Unconfirmed, err = collected(results, func(row pgx.CollectableRow) (UnconfirmedOrder, error) {
		var u UnconfirmedOrder
		return u, row.Scan(append(u.Fields(), &u.Jobs)...)
	})
	if err != nil {
		return err
	}
	st.Holds, err = collected(results, func(row pgx.CollectableRow) (holds.View, error) {
		var h holds.View
		return h, row.Scan(append(h.Fields(), &h.Jobs)...)
	})
	if err != nil {
		return err
	}
	if st.Paused, err = collected(results, holds.ScanOrderHold); err != nil {
		return err
	}
	if st.Orders, err = collected(results, scanOrderProgress); err != nil {
		return err
	}
	if st.Workers, err = collected(results, st.scanWorker); err != nil {
		return err
	}
	var since time.Time
	if err := results.QueryRow().Scan(&st.Rescue.Claims, &st.Rescue.Chunks, &since); err != nil {
		return err
	}
	if st.Rescue.Claims+st.Rescue.Chunks > 0 {
		st.Rescue.Since = since
	}
	return st.readLots(results)
}

func collected[T any](results pgx.BatchResults, scan pgx.RowToFunc[T]) ([]T, error) {
	rows, err := results.Query()
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

func (st *Status) scanWorker(row pgx.CollectableRow) (WorkerStatus, error) {
	var (
		w        WorkerStatus
		stopping bool
		lots     []byte
	)
	if err := row.Scan(&w.Name, &w.SeenAt, &stopping, &w.Trouble, &lots); err != nil {
		return w, err
	}
	if err := json.Unmarshal(lots, &w.lots); err != nil {
		return w, pg.Untouched(fmt.Errorf("read report of worker %s: %w", w.Name, err))
	}
	w.Alive = !stopping && st.At.Sub(w.SeenAt) < workerAlive
	return w, nil
}

// readLots puts the parts of each kind and account together, with the workers and holds that were read before.
func (st *Status) readLots(results pgx.BatchResults) error {
	type key struct {
		kind    record.Kind
		account string
	}
	lots := map[key]*PipelineStatus{}
	for _, part := range lotParts() {
		rows, err := results.Query()
		if err != nil {
			return err
		}
		var (
			k     key
			n     int
			since time.Time
			due   *time.Time
		)
		_, err = pgx.ForEachRow(rows, []any{&k.kind, &k.account, &n, &since, &due}, func() error {
			if lots[k] == nil {
				lots[k] = &PipelineStatus{Kind: k.kind, Account: k.account}
			}
			l := lots[k]
			part.add(l, n, due)
			l.Since = earlier(l.Since, since)
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, l := range lots {
		l.Free = !holds.StoppedBy(st.Holds, l.Account, l.Kind)
		l.served(st.Workers)
		st.Pipelines = append(st.Pipelines, *l)
	}
	slices.SortFunc(st.Pipelines, func(a, b PipelineStatus) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Kind, b.Kind))
	})
	return nil
}

// served notes which live workers could carry a lot out.
func (l *PipelineStatus) served(workers []WorkerStatus) {
	for _, w := range workers {
		for _, lot := range w.lots {
			if !w.Alive || lot.Kind != l.Kind || lot.Account != l.Account {
				continue
			}
			l.Workers++
			l.Moving = l.Moving || lot.Busy > 0
			l.Paused = append(l.Paused, lot.ReportedPipeline.Paused...)
		}
	}
	slices.Sort(l.Paused)
	l.Paused = slices.Compact(l.Paused)
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// Overdue says since when the first waiting job of a lot should have gone, zero where it may still wait in line, or for a hold.
func (l PipelineStatus) Overdue(at time.Time) time.Time {
	grace := overdueAfter
	if l.Moving || l.Running > 0 {
		grace = overdueInLine
	}
	if !l.Free || l.Due.IsZero() || at.Sub(l.Due) < grace {
		return time.Time{}
	}
	return l.Due
}
