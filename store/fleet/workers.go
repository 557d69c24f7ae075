package fleet

import (
	"context"
	"encoding/json"
	"time"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/jackc/pgx/v5"
)

const (
	// ReportInterval is how often a worker reports itself. It may miss a few until it counts as gone, see workerAlive.
	ReportInterval = 5 * time.Second
	// keepWorkers is how long a worker that went away without a word is remembered: whoever asks why nothing moves is told
	// when it was last seen.
	keepWorkers = 7 * 24 * time.Hour
)

// WorkerReport is what a worker says of itself.
type WorkerReport struct {
	Name      string
	Stopping  bool // it takes nothing more
	Pipelines []PipelineReport
	Trouble   string // what keeps it from working; "" if nothing does
}

// PipelineReport is what a worker says of one kind and account.
type PipelineReport struct {
	Kind    record.Kind
	Account string
	Slots   int           // calls in flight at most
	Busy    int           // calls in flight
	Waiting int           // jobs that wait in the worker for a slot
	Waited  time.Duration // how long the first of them has
	Paused  []string      // Asynq queues that somebody has paused
}

// ReportWorker writes down what a worker says of itself, forgets workers that were not seen for days, and returns the call
// slots of the fleet. All of it is one statement: every worker reports each few seconds.
func (s *Fleet) ReportWorker(ctx context.Context, r WorkerReport) ([]Capacity, error) {
	lots, err := json.Marshal(columnsOfPipelines(r.Pipelines))
	if err != nil {
		return nil, &pg.Error{Action: "report worker", Code: "22P02", Message: err.Error()}
	}
	rows, err := s.db.Pool.Query(ctx, `
		WITH said AS (
			SELECT coalesce(jsonb_agg(jsonb_build_object('kind', l.kind, 'account', l.account, 'slots', l.slots, 'busy', l.busy,
				'waiting', l.waiting, 'waiting_since', CASE WHEN l.waiting > 0 THEN now() - make_interval(secs => l.waited) END,
				'paused', coalesce(l.paused, '{}'))), '[]') AS lots
			FROM jsonb_to_recordset($3) AS l (kind text, account text, slots integer, busy integer, waiting integer, waited float8, paused text[])
		), written AS (
			INSERT INTO workers (name, stopping, lots, trouble) SELECT $1, $2, lots, nullif($4, '') FROM said
			ON CONFLICT (name) DO UPDATE SET stopping = excluded.stopping, lots = excluded.lots, trouble = excluded.trouble, seen_at = now(),
				started_at = CASE WHEN workers.stopping AND NOT excluded.stopping THEN now() ELSE workers.started_at END
		), forgotten AS (
			DELETE FROM workers WHERE seen_at < now() - make_interval(secs => $6) AND name <> $1
		), live AS (
			SELECT lots FROM workers WHERE name <> $1 AND NOT stopping AND seen_at > now() - make_interval(secs => $5)
			UNION ALL
			SELECT lots FROM said WHERE NOT $2
		)
		SELECT l.kind, l.account, sum(l.slots) AS slots
		FROM live CROSS JOIN LATERAL jsonb_to_recordset(live.lots) AS l (kind text, account text, slots integer)
		GROUP BY l.kind, l.account`,
		r.Name, r.Stopping, lots, record.Clip(r.Trouble), pg.Seconds(workerAlive), pg.Seconds(keepWorkers))
	if err != nil {
		return nil, pg.Failure("report worker", err)
	}
	fleet, err := pgx.CollectRows(rows, pgx.RowToStructByName[Capacity])
	return fleet, pg.Failure("report worker", err)
}

// Capacity is how many calls for a kind and account the whole fleet may have in flight.
type Capacity struct {
	Kind    record.Kind
	Account string
	Slots   int
}

// pipelineColumns is a PipelineReport on its way to the database, which makes times of durations: the clocks of workers may differ.
type pipelineColumns struct {
	Kind    record.Kind `json:"kind"`
	Account string      `json:"account"`
	Slots   int         `json:"slots"`
	Busy    int         `json:"busy"`
	Waiting int         `json:"waiting"`
	Waited  float64     `json:"waited"`
	Paused  []string    `json:"paused"`
}

func columnsOfPipelines(lots []PipelineReport) []pipelineColumns {
	rows := make([]pipelineColumns, len(lots))
	for i, l := range lots {
		rows[i] = pipelineColumns{l.Kind, l.Account, l.Slots, l.Busy, l.Waiting, pg.Seconds(l.Waited), l.Paused}
	}
	return rows
}
