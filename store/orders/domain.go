package orders

import (
	"cmp"
	"context"
	"slices"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// idsPerLook is how many ids of jobs one statement looks up.
const idsPerLook = 5_000

// JobsOfDomain finds the jobs for a domain, over all orders, the oldest first. No index leads from a domain to its jobs, as taking
// orders in would pay for it. But a job's id follows from its order and its domain: idOf says which one it would be. It is
// looked for in every order; jobs of a domain that was sent, or that is live or registered, are found whatever their id is.
func (s *Orders) JobsOfDomain(ctx context.Context, domain string, idOf func(record.Order) uuid.UUID) ([]record.Job, error) {
	jobs := map[uuid.UUID]record.Job{}
	err := s.findJobs(ctx, jobs, `
		j.id IN (SELECT a.job_id FROM attempts a WHERE a.domain = $1 UNION SELECT live.id FROM jobs live WHERE live.live_domain = $1)`, domain)
	if err != nil {
		return nil, pg.Failure("find jobs of domain", err)
	}
	ids := make([]uuid.UUID, 0, idsPerLook)
	look := func() error {
		err := s.findJobs(ctx, jobs, `j.domain = $1 AND j.id = ANY($2)`, domain, pg.ToUUIDs(ids, pg.AsIs))
		ids = ids[:0]
		return err
	}
	err = s.eachOrder(ctx, func(o record.Order) error {
		if ids = append(ids, idOf(o)); len(ids) < idsPerLook {
			return nil
		}
		return look()
	})
	if err == nil {
		err = look()
	}
	if err != nil {
		return nil, pg.Failure("find jobs of domain", err)
	}
	found := make([]record.Job, 0, len(jobs))
	for _, j := range jobs {
		found = append(found, j)
	}
	slices.SortFunc(found, func(a, b record.Job) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.OrderID, b.OrderID), cmp.Compare(a.Seq, b.Seq))
	})
	return found, nil
}

func (s *Orders) findJobs(ctx context.Context, into map[uuid.UUID]record.Job, where string, args ...any) error {
	rows, err := s.db.Pool.Query(ctx, `SELECT `+jobColumns()+` FROM jobs j JOIN orders o ON o.id = j.order_id WHERE `+where, args...)
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, scanJob)
	for _, j := range found {
		into[j.ID] = j
	}
	return err
}

// ordersPerLook is how many orders eachOrder reads at once.
const ordersPerLook = 10_000

// eachOrder reads what identifies every order: its source, reference and kind.
func (s *Orders) eachOrder(ctx context.Context, visit func(record.Order) error) error {
	for last, full := int64(0), true; full; {
		rows, err := s.db.Pool.Query(ctx, `
			SELECT id, source, reference, kind FROM orders WHERE id > $1 ORDER BY id LIMIT $2`, last, ordersPerLook)
		if err != nil {
			return err
		}
		orders, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (record.Order, error) {
			var o record.Order
			return o, row.Scan(&o.ID, &o.Source, &o.Reference, &o.Kind)
		})
		if err != nil {
			return err
		}
		for _, o := range orders {
			if err := visit(o); err != nil {
				return err
			}
			last = o.ID
		}
		full = len(orders) == ordersPerLook
	}
	return nil
}
