package worker

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker/gate"
)

// process is a worker's code without its clocks, queues and goroutines: the world decides what it does next.
type process struct {
	name  string
	w     *world
	parts *Worker
	tasks []*task // that stand still somewhere
}

// task is something that a process does. It stands still at every step until the world lets it go on, or lets the process die.
type task struct {
	what   string
	p      *process
	at     Step
	parked chan Step
	resume chan bool // false: the process dies
	ended  chan struct{}
}

func (w *world) newProcess() *process {
	w.started++
	p := &process{name: fmt.Sprint("p", w.started), w: w}
	o := w.options(p.name)
	o.await = p.await
	o, err := o.withDefaults()
	if err != nil {
		w.t.Fatal(err)
	}
	p.parts = &Worker{options: o}
	p.parts.addPipelines()
	p.parts.dispatcher = newDispatcher(o, p.parts.pipelines, w, w)
	// The plain lane: all orders are small.
	p.parts.dispatcher.routes = slices.DeleteFunc(p.parts.dispatcher.routes, func(l route) bool { return l.Lane != record.Plain })
	p.parts.rescuer = &rescuer{store: o.Store, reconcileAfter: o.ReconcileAfter, rescued: func() {}, log: o.Log}
	for _, prober := range p.parts.probers {
		prober.announced = true
	}
	return p
}

// The times of simulated workers, as by default.
const (
	simTimeout   = 30 * time.Second
	simReconcile = 10 * time.Minute
)

func (w *world) options(name string) Options {
	o := Options{
		Store: w.db.store, Name: name, Log: zerolog.Nop(),
		Kinds: []queue.Kind{queue.Register},
		// Few slots: who finds none waits in line for a task that stands still somewhere, for as long as the world likes.
		Whois:    Tuning{BatchSize: 100, Concurrency: 1 + w.rng.IntN(2)},
		Register: Tuning{BatchSize: 50, Concurrency: 1},

		UpstreamTimeout: simTimeout, ReconcileAfter: simReconcile, ReconcileEvery: time.Minute, ReconcileChecks: 2,
		RetryBase: 2 * time.Second, RetryMax: 10 * time.Minute, MaxAttempts: 12, HoldInterval: 5 * time.Minute,
		Clock: func() time.Time { return w.db.now }, Luck: w.rng.Float64, Reached: w.reached,
		rest: func(context.Context, time.Duration) { w.stand(simResting) },
	}
	for _, a := range w.accounts {
		o.Accounts = append(o.Accounts, Account{Name: a, Upstream: w.registry})
	}
	if w.tokens != nil {
		w.tokens.serve(&o)
	}
	if w.paced {
		o.pace = func(account string) gate.Pacer { return w.metronomes[account] }
	}
	w.tune(&o)
	return o
}

// simSent is when the bytes of a registration have left, and no answer has come.
const simSent Step = "sent"

// simWaiting is in line at a gate, simResting before something is tried again.
const (
	simWaiting Step = "waiting"
	simResting Step = "resting"
)

// start lets a process begin something, and returns when that stands still or has ended.
func (p *process) start(what string, do func(context.Context)) {
	t := &task{what: what, p: p, parked: make(chan Step), resume: make(chan bool), ended: make(chan struct{})}
	p.tasks = append(p.tasks, t)
	p.w.log("%s: %s", p.name, what)
	p.w.current = t
	go func() {
		defer close(t.ended)
		do(p.w.t.Context())
	}()
	t.wait()
}

// goOn lets a task take its next step, or lets it die.
func (t *task) goOn(alive bool) {
	t.p.w.current = t
	t.resume <- alive
	t.wait()
}

func (t *task) wait() {
	select {
	case t.at = <-t.parked:
		t.p.w.log("%s: %s stands at %s", t.p.name, t.what, t.at)
	case <-t.ended:
		t.p.tasks = slices.DeleteFunc(t.p.tasks, func(other *task) bool { return other == t })
	}
}

// kill ends a process where it stands. What it had sent has left.
func (p *process) kill() {
	p.w.log("%s: killed", p.name)
	for len(p.tasks) > 0 {
		p.tasks[0].goOn(false)
	}
}

// reached is where tasks stand still. A killed one never returns from it, and writes nothing on its way out.
func (w *world) reached(s Step) {
	if w.quiet || s == StepEnqueued { // of several chunks at once
		return
	}
	w.stand(s)
}

// stand lets the task that is under way stand still, in quiet times as well.
func (w *world) stand(s Step) {
	t := w.current
	t.parked <- s
	if !<-t.resume {
		runtime.Goexit()
	}
}

// await is where a task stands in line at a gate, until it is its turn. Whenever it may go on, time has had its part; in quiet
// times it takes the time that the rate or a pause wants.
func (p *process) await(ctx context.Context, ready <-chan struct{}) {
	for {
		var longest time.Duration
		for _, st := range p.parts.standings {
			longest = max(longest, st.gate.Advance(ctx))
		}
		select {
		case <-ready:
			return
		default:
		}
		p.w.waited++
		if p.w.quiet && longest > 0 {
			p.w.pass(longest)
			continue
		}
		p.w.stand(simWaiting)
	}
}

// beat keeps what waits in the process alive.
func (p *process) beat() {
	p.start("beat", func(ctx context.Context) { p.w.tolerate("beat", p.parts.heartbeat.beat(ctx)) })
}

// tolerate notes an error that nothing explains.
func (w *world) tolerate(what string, err error) {
	if err != nil && !errors.Is(err, errSimRedis) && !errors.Is(err, pg.ErrUnavailable) {
		w.fail("%s: %v", what, err)
	}
}

// work is what the server of Asynq does with a chunk, without its coalescer: the world merges deliveries by itself.
func (p *process) work(account string, kind record.Kind, jobs []record.DeliveredJob) {
	for _, pipeline := range p.parts.pipelines {
		if pipeline.kind == kind && pipeline.account == account {
			p.start(fmt.Sprintf("work on %d %s jobs", len(jobs), kind), func(ctx context.Context) {
				pipeline.claimAndProcess(ctx, jobs, nil)
			})
		}
	}
}

func (p *process) dispatch() {
	p.start("dispatch", func(ctx context.Context) {
		_, err := p.parts.dispatcher.dispatch(ctx)
		p.w.tolerate("dispatch", err)
	})
}

func (p *process) rescue() {
	p.start("rescue", func(ctx context.Context) {
		_, err := p.parts.rescuer.rescue(ctx)
		p.w.tolerate("rescue", err)
	})
}

func (p *process) probe() {
	p.start("probe", func(ctx context.Context) {
		standings, err := p.parts.holdWatch.look(ctx)
		p.w.tolerate("read standings", err)
		for _, st := range standings {
			p.w.tolerate("look after holds", p.parts.holdWatch.probers[st.Account].look(ctx, st))
		}
	})
}
