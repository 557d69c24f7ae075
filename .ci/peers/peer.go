package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// peer is one way to work off many jobs.
type peer struct {
	name string
	jobs int
	// does and settings are what a reader has to know beside its figures.
	does, settings string
	// run works off the jobs and says how long that took, from before the first one is given until the last one is done.
	run func(ctx context.Context, s *servers, jobs int) (time.Duration, error)
	// alone has it start its own servers.
	alone func(ctx context.Context, jobs int) (measurement, error)
}

// measurement is one peer in one round.
type measurement struct {
	took    time.Duration
	machine machine
}

// How much of the machine peers may use. More connections or workers made none of them faster on two cores.
const (
	workers     = 32   // of Asynq, and connections of the queue by hand
	connections = 20   // of River's pool, as many as a worker of bulkreg has by default
	warmUp      = 2000 // jobs before the measured ones at most, as `bulkreg bench` has them
	insertBatch = 5000 // rows at once, as `river bench` inserts them
	groupSize   = 100  // tasks in one, as many as bulkreg has domains in a call
)

func peers(o options) []peer {
	return []peer{
		{
			name: reference, jobs: o.jobs, alone: bulkregRow(o.bulkreg),
			does: "a row per job; reads and checks the input; real HTTP calls, of 100 jobs each, to a simulated registrar in another process; " +
				"the outcome of each job, each call, counts and events of the order in Postgres; lines for each account in Redis",
			settings: "defaults: 4 calls in flight, 20 connections",
		},
		{
			name: "river", jobs: o.jobs, run: runRiver,
			does:     "a row per job, inserted, fetched and completed in batches; no call, no outcome, no counts, no events",
			settings: fmt.Sprintf("those of `river bench`: FetchCooldown 2 ms, FetchPollInterval 20 ms, MaxWorkers 2,000; InsertManyFast of %d, %d connections", insertBatch, connections),
		},
		{
			name: "asynq", jobs: o.jobs, run: runAsynq,
			does:     "a task per job in Redis, which keeps it in memory alone; nothing in Postgres, nothing left afterwards; no call",
			settings: fmt.Sprintf("Concurrency %d, %d goroutines that enqueue", workers, enqueuers),
		},
		{
			name: "asynq-groups", jobs: o.grouped, run: runGroups,
			does:     fmt.Sprintf("as asynq, handed over %d jobs at a time; no more than one such batch of a group in a second, whatever the machine", groupSize),
			settings: fmt.Sprintf("GroupMaxSize %d, GroupGracePeriod 1 s, the least that there is; one group", groupSize),
		},
		{
			name: "by-hand", jobs: o.jobs, run: runByHand,
			does:     "a row per job, and a transaction for each: SELECT ... FOR UPDATE SKIP LOCKED LIMIT 1, UPDATE, COMMIT; no call, no outcome",
			settings: fmt.Sprintf("%d workers with a connection each; COPY of %d", workers, insertBatch),
		},
	}
}

// measured measures a peer once, with servers that nobody has used before.
func (p *peer) measured(ctx context.Context) (m measurement, err error) {
	if p.alone != nil {
		return p.alone(ctx, p.jobs)
	}
	s, err := startServers(ctx)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if m.machine, err = s.machine(ctx); err != nil {
		return m, err
	}
	m.took, err = p.run(ctx, s, p.jobs)
	return m, err
}
