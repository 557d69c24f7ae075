package orders

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store/delivery"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"
)

// Adoption is a chunk that a producer enqueued by itself: jobs of one order.
type Adoption struct {
	Order NewOrder // without a digest
	Jobs  []NewJob
}

// AdoptJobs writes the rows of jobs that a worker sees for the first time in a producer's own task. The order
// is created with its first chunk and grows with the others; rows that are there already stay as they are.
// The new jobs are delivered like any order's, in chunks of n.ChunkSize, or (0) in one. It fails with
// a *ReferenceConflictError when the reference belongs to an order of another kind or account, or to
// one that was submitted whole.
func (s *Orders) AdoptJobs(ctx context.Context, n NewOrder, jobs []NewJob) (record.Order, error) {
	orders, errs := s.adoptAll(ctx, []Adoption{{Order: n, Jobs: jobs}}, pg.Begin)
	return orders[0], errs[0]
}

// AdoptAll is AdoptJobs of many chunks in one transaction. Each has its own error, in the same place; what one of them breaks, or
// has to wait for, is not the others' loss. Jobs of the same order are cut into chunks together.
func (s *Orders) AdoptAll(ctx context.Context, adoptions []Adoption) []error {
	wait := min(cmp.Or(s.db.Use.LockTimeout, adoptionWait), adoptionWait)
	_, errs := s.adoptAll(ctx, adoptions, fmt.Sprintf("%s; SET LOCAL lock_timeout = %d", pg.Begin, wait.Milliseconds()))
	return errs
}

// adoptionWait is how long many chunks wait for a lock that one of them needs. Whoever has it may be an order of a million jobs on
// its way in, of the same name or with the same domains, and keep it for minutes.
const adoptionWait = time.Second

// adoptAll halves what the database refuses as a whole, or what has to wait for somebody's lock, until that stands alone.
func (s *Orders) adoptAll(ctx context.Context, adoptions []Adoption, begin string) ([]record.Order, []error) {
	orders, errs, err := s.adoptAtOnce(ctx, adoptions, begin)
	if err == nil {
		return orders, errs
	}
	if half := len(adoptions) / 2; half > 0 && (!errors.Is(err, pg.ErrUnavailable) || isLocked(err)) && ctx.Err() == nil {
		firstOrders, firstErrs := s.adoptAll(ctx, adoptions[:half], begin)
		otherOrders, otherErrs := s.adoptAll(ctx, adoptions[half:], begin)
		return append(firstOrders, otherOrders...), append(firstErrs, otherErrs...)
	}
	return make([]record.Order, len(adoptions)), slices.Repeat([]error{err}, len(adoptions))
}

// isLocked says whether somebody else's lock was in the way.
func isLocked(err error) bool {
	var unavailable *pg.UnavailableError
	return errors.As(err, &unavailable) && unavailable.Code == pgerrcode.LockNotAvailable
}

func (s *Orders) adoptAtOnce(ctx context.Context, adoptions []Adoption, begin string) ([]record.Order, []error, error) {
	// In their order, so that of two transactions with the same orders one waits for the other before it holds anything.
	growing := map[orderName]*grown{}
	for _, a := range adoptions {
		name := orderName{a.Order.Source, a.Order.Reference}
		if growing[name] == nil {
			growing[name] = &grown{wanted: a.Order}
		}
	}
	names := make([]orderName, 0, len(growing))
	for name := range growing {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b orderName) int {
		return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.reference, b.reference))
	})
	for _, name := range names {
		end, err := s.adopting.take(ctx, name)
		if err != nil {
			return nil, nil, pg.Failure("adopt jobs", err)
		}
		defer end()
	}
	orders, errs := make([]record.Order, len(adoptions)), make([]error, len(adoptions))
	err := s.db.InTxOf(ctx, begin, "adopt jobs", func(tx pgx.Tx) error {
		if err := growOrders(ctx, tx, names, growing); err != nil {
			return err
		}
		for i, a := range adoptions {
			g := growing[orderName{a.Order.Source, a.Order.Reference}]
			if !g.takes(a.Order) {
				if errs[i] = adoptable(ctx, tx, a.Order, g.order, a.Jobs); errs[i] != nil && !errors.As(errs[i], new(*record.ReferenceConflictError)) {
					return errs[i]
				}
				continue
			}
			g.jobs = append(g.jobs, a.Jobs...)
		}
		return addAdopted(ctx, tx, names, growing)
	})
	if err == nil {
		for _, g := range growing {
			if g.waiting > 0 {
				s.db.Wake(g.order.Kind)
			}
		}
	}
	for i, a := range adoptions {
		orders[i] = growing[orderName{a.Order.Source, a.Order.Reference}].order
	}
	for i := range errs {
		errs[i] = pg.Failure("adopt jobs", errs[i])
	}
	return orders, errs, err
}

// grown is an order that grows by what producers hand over.
type grown struct {
	wanted NewOrder     // as its first chunk would have it
	order  record.Order // as it is
	whole  bool         // it was submitted whole, or its jobs are not kept any more, or whom its tokens were for was purged: a repeat would not be recognized
	jobs   []NewJob

	first, waiting int // the places that chunks have to cover
}

// takes reports whether the order may grow by a chunk that wants it to be n.
func (g *grown) takes(n NewOrder) bool {
	return g.order.Kind == n.Kind && g.order.Account == n.Account && !g.whole
}

// growOrders makes the orders that are not there yet, and locks all of them.
func growOrders(ctx context.Context, tx pgx.Tx, names []orderName, growing map[orderName]*grown) error {
	n := len(names)
	sources, references := make([]string, n), make([]string, n)
	kinds, lanes, accounts, turns, traces := make([]string, n), make([]string, n), make([]string, n), make([]int16, n), make([]string, n)
	for i, name := range names {
		w := growing[name].wanted
		sources[i], references[i] = w.Source, w.Reference
		kinds[i], lanes[i], accounts[i], turns[i] = string(w.Kind), string(w.Lane), w.Account, delivery.TurnOf(w.Source)
		traces[i] = w.Trace
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO orders (source, reference, kind, lane, account, turn, total, trace)
		SELECT source, reference, kind, lane, account, turn, 0, nullif(trace, '')
		FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::text[]) WITH ORDINALITY
			AS n (source, reference, kind, lane, account, turn, trace, place)
		ORDER BY place
		ON CONFLICT (source, reference) DO NOTHING`, sources, references, kinds, lanes, accounts, turns, traces)
	if err != nil {
		return err
	}
	rows, err := tx.Query(ctx, `
		SELECT `+record.OrderColumns+`, o.whole FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS n (source, reference, place)
		CROSS JOIN LATERAL (
			SELECT o.*, o.digest IS NOT NULL OR o.kind = 'token' AND o.purged_at IS NOT NULL OR o.pruned_at IS NOT NULL AS whole FROM orders o
			WHERE o.source = n.source AND o.reference = n.reference FOR NO KEY UPDATE
		) AS o`, sources, references)
	if err != nil {
		return err
	}
	var (
		o     record.Order
		whole bool
	)
	_, err = pgx.ForEachRow(rows, append(o.Fields(), &whole), func() error {
		g := growing[orderName{o.Source, o.Reference}]
		g.order, g.whole = o, whole
		return nil
	})
	return err
}

// addAdopted inserts those of the jobs whose rows are not there yet. In each order, those that end at once come last.
func addAdopted(ctx context.Context, tx pgx.Tx, names []orderName, growing map[orderName]*grown) error {
	known, err := knownJobs(ctx, tx, growing)
	if err != nil {
		return err
	}
	var waiting, ending []jobRecord
	for _, name := range names {
		g := growing[name]
		unknown, err := unknownJobs(g.order, g.jobs, known)
		if err != nil {
			return err
		}
		good, rejected := splitRejected(unknown)
		g.first, g.waiting = g.order.Total+1, len(good)
		waiting = append(waiting, recordsOf(good, g.order.ID, g.order.Total)...)
		ending = append(ending, recordsOf(rejected, g.order.ID, g.order.Total+len(good))...)
		g.order.Total += len(good) + len(rejected)
	}
	if len(waiting) > 0 {
		_, duplicates, err := insertRecords(ctx, tx, waiting)
		if err != nil {
			return err
		}
		if duplicates > 0 {
			if err := dropEnded(ctx, tx, waiting, growing); err != nil {
				return err
			}
		}
	}
	if err := insertRejected(ctx, tx, ending); err != nil || len(waiting)+len(ending) == 0 {
		return err
	}
	return growBy(ctx, tx, growing)
}

// growBy writes how large the orders have grown, and cuts those of their new jobs that wait into chunks.
func growBy(ctx context.Context, tx pgx.Tx, growing map[orderName]*grown) error {
	var (
		ids                           []int64
		totals, firsts, lasts, chunks []int32
	)
	for _, g := range growing {
		added := g.order.Total - g.first + 1
		if added == 0 {
			continue
		}
		ids, totals = append(ids, g.order.ID), append(totals, int32(g.order.Total))
		firsts, lasts = append(firsts, int32(g.first)), append(lasts, int32(g.first+g.waiting-1))
		chunks = append(chunks, int32(cmp.Or(g.wanted.ChunkSize, added)))
	}
	_, err := tx.Exec(ctx, `
		WITH n AS (
			SELECT * FROM unnest($1::bigint[], $2::integer[], $3::integer[], $4::integer[], $5::integer[]) AS n (id, total, first, last, size)
		), o AS (
			UPDATE orders o SET total = n.total FROM n WHERE o.id = n.id
			RETURNING o.id, o.kind, o.lane, o.account, o.turn, n.first, n.last, n.size
		)
		INSERT INTO chunks (order_id, first_seq, last_seq, kind, lane, account, turn)
		SELECT o.id, place, least(place + o.size - 1, o.last), o.kind, o.lane, o.account, o.turn
		FROM o, generate_series(o.first, o.last, o.size) AS place`, ids, totals, firsts, lasts, chunks)
	return err
}
