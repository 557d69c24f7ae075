package worker

import (
	"context"
	"sync"
	"time"

	"github.com/bulkreg/bulkreg/store/fleet"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/store"
)

// reporter tells Postgres how this worker stands, and learns how many call slots the fleet has. Dispatchers let their windows
// grow with these, and whoever asks why nothing moves is told which workers could move it.
type reporter struct {
	store     *store.Store
	name      string
	pipelines []*pipeline
	pauses    pauseGauge
	fleet     *fleetSlots
	troubles  *troubles
	still     *standstill
	log       zerolog.Logger

	mu       sync.Mutex // one report at a time
	stopping bool
}

// pauseGauge says which queues somebody has paused: a *queue.Gauge.
type pauseGauge interface {
	Paused(ctx context.Context, queues []string) ([]string, error)
}

// partingTime is what a worker that stops takes to say so. If Postgres does not hear it, the worker counts as gone soon.
const partingTime = 2 * time.Second

// run reports until ctx ends.
func (r *reporter) run(ctx context.Context) {
	down := outage{log: r.log, what: "reporting this worker", troubles: r.troubles}
	for ; ctx.Err() == nil; pause(ctx, fleet.ReportInterval) {
		down.note(ctx, r.report(ctx))
	}
}

// stop reports that this worker takes nothing more. It stays on record: whoever asks why nothing moves is told when a worker
// was last seen.
func (r *reporter) stop(ctx context.Context) {
	r.mu.Lock()
	r.stopping = true
	r.mu.Unlock()
	parting, cancel := context.WithTimeout(ctx, partingTime)
	defer cancel()
	if err := r.report(parting); err != nil {
		r.log.Warn().Err(err).Msg("could not report that this worker stops; it counts as gone soon")
	}
}

func (r *reporter) report(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	paused := r.paused(ctx)
	said := fleet.WorkerReport{Name: r.name, Stopping: r.stopping, Trouble: r.troubles.words(), Pipelines: make([]fleet.PipelineReport, len(r.pipelines))}
	for i, p := range r.pipelines {
		load := p.load()
		said.Pipelines[i] = fleet.PipelineReport{
			Kind: p.kind, Account: p.account, Slots: load.slots, Busy: load.busy, Waiting: load.waiting, Waited: load.waited,
		}
		for _, name := range queuesOf(p.kind, p.account) {
			if paused[name] {
				said.Pipelines[i].Paused = append(said.Pipelines[i].Paused, name)
			}
		}
		r.still.NotePipeline(p.kind, p.account, said.Pipelines[i].Paused, load.waiting, load.waited)
	}
	reporting, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	capacities, err := r.store.Fleet.ReportWorker(reporting, said)
	if err == nil {
		r.fleet.set(capacities)
	}
	return err
}

// paused asks Redis, all queues at once. While Redis is away, the dispatcher says so.
func (r *reporter) paused(ctx context.Context) map[string]bool {
	var names []string
	for _, p := range r.pipelines {
		names = append(names, queuesOf(p.kind, p.account)...)
	}
	asking, cancel := context.WithTimeout(ctx, redisTime)
	defer cancel()
	found, err := r.pauses.Paused(asking, names)
	if err != nil {
		r.log.Debug().Err(err).Msg("could not ask which queues are paused")
	}
	paused := map[string]bool{}
	for _, name := range found {
		paused[name] = true
	}
	return paused
}

// fleetSlots is how many call slots all workers together have, as of the last report. It is safe for concurrent use; nil knows of
// none.
type fleetSlots struct {
	mu    sync.Mutex
	known map[fleetOf]int
}

type fleetOf struct {
	kind    record.Kind
	account string
}

func (f *fleetSlots) set(all []fleet.Capacity) {
	known := make(map[fleetOf]int, len(all))
	for _, l := range all {
		known[fleetOf{l.Kind, l.Account}] = l.Slots
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known = known
}

func (f *fleetSlots) slots(kind record.Kind, account string) int {
	if f == nil {
		return 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.known[fleetOf{kind, account}]
}
