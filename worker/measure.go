package worker

import (
	"context"
	"sync"
	"time"

	"github.com/bulkreg/bulkreg/store/fleet"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/worker/gate"
	"github.com/bulkreg/bulkreg/worker/upstream"
	"github.com/bulkreg/bulkreg/worker/webhook"
)

// Meter is told what a worker does, when it does it. Its methods must not block, and are called concurrently. Nothing that it is
// told is about a domain, an order or a person.
type Meter interface {
	// Called tells of a call to the upstream that has ended, or could not be sent, and how many jobs it was about.
	Called(account string, op record.Op, jobs int, a upstream.Answer)
	// Claimed tells of a batch, and how many jobs it could have had.
	Claimed(account string, kind record.Kind, jobs, most int)
	// Settled tells that it was written down what came of jobs.
	Settled(account string, kind record.Kind, jobs int)
	// Attempted tells how registrations fared in one paid call.
	Attempted(account string, how record.AttemptState, jobs int)
}

// Measures is who measures a worker. Each of them may be nil.
type Measures struct {
	Meter Meter
	Gate  func(account string) gate.Meter
	Hooks webhook.Meter
	// Figures is given what the database says of everybody's work, in the one worker of all that asks for it, and nil elsewhere.
	Figures func(*fleet.Figures)
}

func (m Measures) withDefaults() Measures {
	if m.Meter == nil {
		m.Meter = unmetered{}
	}
	if m.Gate == nil {
		m.Gate = func(string) gate.Meter { return nil }
	}
	return m
}

// unmetered is a Meter for nobody.
type unmetered struct{}

func (unmetered) Called(string, record.Op, int, upstream.Answer) {}
func (unmetered) Claimed(string, record.Kind, int, int)          {}
func (unmetered) Settled(string, record.Kind, int)               {}
func (unmetered) Attempted(string, record.AttemptState, int)     {}

// Load is how busy a worker is now.
type Load struct {
	Gates  []GateLoad
	Routes []RouteLoad
	// Dispatched is when the dispatcher last looked for work without a failure; zero: it has not.
	Dispatched time.Time
}

// GateLoad is how busy an account's gate is.
type GateLoad struct {
	Account string
	Pools   map[gate.Pool]PoolLoad
	Waiting map[gate.Class]int // batches in line
}

// PoolLoad is how many slots are there, and how many are taken.
type PoolLoad struct{ Slots, Busy int }

// RouteLoad is what waits in Redis for a kind, lane and account, as the dispatcher last saw it, and in this worker.
type RouteLoad struct {
	Kind    record.Kind
	Lane    record.Lane
	Account string
	Window  int // tasks that may wait in Redis
	Tasks   int // those that did
	Backlog int // jobs that wait in this worker, of both lanes
}

// Load reads how busy the worker is. It asks nobody.
func (w *Worker) Load() Load {
	var l Load
	for i, st := range w.standings {
		g := GateLoad{Account: w.options.Accounts[i].Name, Pools: map[gate.Pool]PoolLoad{}, Waiting: map[gate.Class]int{}}
		for _, p := range gate.Pools() {
			slots, busy := st.gate.PoolLoad(p)
			g.Pools[p] = PoolLoad{slots, busy}
		}
		for _, c := range gate.Classes() {
			g.Waiting[c] = st.gate.Load(c).Waiting
		}
		l.Gates = append(l.Gates, g)
	}
	l.Routes, l.Dispatched = w.dispatcher.load()
	return l
}

// noteCall takes in how a call ended. The error is nil where the upstream did what was asked.
func (p *pipeline) noteCall(ctx context.Context, b batch, op record.Op, call uuid.UUID, a upstream.Answer, err error) {
	p.logCall(ctx, b, op, call, a, err)
	p.standing.upstream.Note(op, a.Status, err)
	p.options.Measures.Meter.Called(p.account, op, len(b.jobs), a)
}

// noteAttempts counts how registrations fared in a paid call.
func (p *pipeline) noteAttempts(transitions []ledger.PaidTransition) {
	fared := map[record.AttemptState]int{}
	for _, t := range transitions {
		fared[t.Attempt]++
	}
	for how, n := range fared {
		p.options.Measures.Meter.Attempted(p.account, how, n)
	}
}

// seenRoutes is what the dispatcher last saw of Redis. It is safe for concurrent use.
type seenRoutes struct {
	mu    sync.Mutex
	at    time.Time      // when all was well
	tasks map[string]int // in each queue
}

func (s *seenRoutes) looked(at time.Time, err error) {
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = at
}

func (s *seenRoutes) note(queue string, tasks int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tasks == nil {
		s.tasks = map[string]int{}
	}
	s.tasks[queue] = tasks
}

// load is what the dispatcher last saw, and when.
func (d *dispatcher) load() ([]RouteLoad, time.Time) {
	d.seen.mu.Lock()
	defer d.seen.mu.Unlock()
	routes := make([]RouteLoad, len(d.routes))
	for i := range d.routes {
		l := &d.routes[i]
		routes[i] = RouteLoad{Kind: l.Kind, Lane: l.Lane, Account: l.Account, Window: d.windowOf(l), Tasks: d.seen.tasks[l.queue], Backlog: l.backlog()}
	}
	return routes, d.seen.at
}
