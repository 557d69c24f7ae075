package operator

import (
	"context"
	"time"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// RecordedReading is a reading as a reader of records sees it.
type RecordedReading struct {
	Call         uuid.UUID
	Availability record.Outcome // Available or Taken
	Status       string         // the upstream's word for it; "" where it had none
	ReadAt       time.Time
}

// Readings returns what WHOIS said of a job's domain since a paid call for it had no definite answer, oldest first.
func (s *Operator) Readings(ctx context.Context, job uuid.UUID) ([]RecordedReading, error) {
	rows, err := s.db.Pool.Query(ctx, `
		SELECT call_id, availability, coalesce(status, ''), read_at FROM readings WHERE job_id = $1 ORDER BY read_at, call_id`, job)
	if err != nil {
		return nil, pg.Failure("list readings", err)
	}
	readings, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (RecordedReading, error) {
		var r RecordedReading
		return r, row.Scan(pg.BytesOf(&r.Call), &r.Availability, &r.Status, &r.ReadAt)
	})
	return readings, pg.Failure("list readings", err)
}

// RecordedAct is what an operator did to a job.
type RecordedAct struct {
	Act           Act
	Operator      string
	Reason        string // "" where none was given
	StateBefore   record.State
	OutcomeBefore record.Outcome // "" where it was not final, or canceled
	ErrorBefore   string         // the job's last error, which a new life clears
	At            time.Time
}

// Acts returns what operators did to a job, oldest first.
func (s *Operator) Acts(ctx context.Context, job uuid.UUID) ([]RecordedAct, error) {
	rows, err := s.db.Pool.Query(ctx, `
		SELECT act, operator, coalesce(reason, ''), state_before, coalesce(outcome_before, ''), coalesce(error_before, ''), at
		FROM operator_acts WHERE job_id = $1 ORDER BY at, id`, job)
	if err != nil {
		return nil, pg.Failure("list operators' acts", err)
	}
	acts, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (RecordedAct, error) {
		var a RecordedAct
		return a, row.Scan(&a.Act, &a.Operator, &a.Reason, &a.StateBefore, &a.OutcomeBefore, &a.ErrorBefore, &a.At)
	})
	return acts, pg.Failure("list operators' acts", err)
}

// OrdersOf returns the order of each of the jobs; those that do not exist are left out.
func (s *Operator) OrdersOf(ctx context.Context, jobs []uuid.UUID) (map[uuid.UUID]int64, error) {
	rows, err := s.db.Pool.Query(ctx, `SELECT id, order_id FROM jobs WHERE id = ANY($1)`, pg.ToUUIDs(jobs, pg.AsIs))
	if err != nil {
		return nil, pg.Failure("find jobs", err)
	}
	orders := map[uuid.UUID]int64{}
	var (
		id    uuid.UUID
		order int64
	)
	_, err = pgx.ForEachRow(rows, []any{pg.BytesOf(&id), &order}, func() error {
		orders[id] = order
		return nil
	})
	return orders, pg.Failure("find jobs", err)
}
