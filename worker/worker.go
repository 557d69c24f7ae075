// Package worker is what happens: chunks of jobs come from Asynq, are coalesced into full batches, claimed in
// Postgres, called for upstream in bulk, and settled in bulk.
//
// One Asynq server and one pipeline per kind and account, one server per kind that adopts producers' own chunks, one
// dispatcher, one rescuer, one recaller, one finder, one sweeper, one bookkeeper, one forgetter, one deliverer of webhooks, one surveyor and one reporter make a Worker; any number of Workers may share the work.
//
// A claim is the only licence to call, and for a registration only what the intent returns may be sent. No answer,
// timeout or crash may lead to a blind second register call: what was sent and not answered waits for
// evidence. Nothing here may retry a paid call by itself.
//
// How the times relate: a claim's lease (UpstreamTimeout + 15 s) is renewed when a call starts, and so outlasts it; a
// statement to Postgres may take 15 s; a delivery that nobody claims within 30 s, or within a lease if that is shorter, is made again; on shutdown
// a batch under way has the time of its check, its registration and one statement to end.
package worker

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/record"
	"github.com/bulkreg/bulkreg/worker/webhook"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/queue"
)

// Worker works on jobs until its context ends.
type Worker struct {
	options    Options
	redis      redis.UniversalClient // of the roles: each exchange ends with its context
	asynq      redis.UniversalClient // of the Asynq servers
	producer   *queue.Producer
	dispatcher *dispatcher
	rescuer    *rescuer
	recaller   *recaller
	finder     *finder
	sweeper    *sweeper
	reporter   *reporter
	probers    []*prober
	servers    []server
	pipelines  []*pipeline
	standings  []*standing
	heartbeat  *heartbeat
	eraser     *eraser
	forgetter  *forgetter
	books      *bookkeeper
	surveyor   *surveyor
	hooks      *webhook.Deliverer
	holdWatch  *holdWatch
	log        zerolog.Logger
}

// New checks the options and connects the parts. It sends nothing; Run does.
func New(o Options) (*Worker, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	address, err := queue.ParseRedisURL(o.RedisURL)
	if err != nil {
		return nil, err
	}
	w := &Worker{options: o, log: o.Log, redis: address.Bounded().Client(), asynq: address.Client()}
	w.producer = queue.ProducerOn(w.redis)
	gauge := queue.NewGauge(w.redis)
	w.addPipelines()
	w.dispatcher = newDispatcher(o, w.pipelines, accountQueues{w.producer}, gauge)
	w.dispatcher.fleet, w.dispatcher.pauses = &fleetSlots{}, gauge
	w.rescuer = &rescuer{
		store: o.Store, reconcileAfter: o.ReconcileAfter, rescued: w.dispatcher.nudge, wake: make(chan struct{}, 1),
		troubles: o.troubles, log: o.Log.With().Str("role", "rescuer").Logger(),
	}
	w.finder = newFinder(o, w.redis)
	w.sweeper = newSweeper(o, w.redis)
	w.recaller = newRecaller(o, w.redis, w.rescuer.nudge)
	w.reporter = &reporter{
		store: o.Store, name: o.Name, pipelines: w.pipelines, pauses: gauge, fleet: w.dispatcher.fleet,
		troubles: o.troubles, still: o.standstill, log: o.Log.With().Str("role", "reporter").Logger(),
	}
	w.addServers(w.asynq)
	return w, nil
}

// addPipelines makes each account's pipelines, and the prober that looks after its holds.
func (w *Worker) addPipelines() {
	o := w.options
	w.heartbeat, w.holdWatch, w.eraser, w.books = newHeartbeat(o), newHoldWatch(o), newEraser(o), newBookkeeper(o)
	w.forgetter = newForgetter(o)
	w.hooks, w.surveyor = newDeliverer(o), newSurveyor(o)
	for _, a := range o.Accounts {
		st := newStanding(a, w.redis, o)
		w.standings = append(w.standings, st)
		prober := &prober{
			store: o.Store, account: a.Name, pipelines: map[record.Kind]*pipeline{}, gate: st.gate, told: make(chan holds.Standing, 1),
			ceiling: probeCeiling * o.HoldInterval, dailyLimit: o.DailyLimit, redeliver: o.redelivery(), woken: func() { w.dispatcher.nudge() },
			troubles: o.troubles, log: o.Log.With().Str("role", "prober").Str("account", a.Name).Logger(),
		}
		for _, kind := range o.kindsOf(a) {
			p := newPipeline(kind, a, st, w.heartbeat, o)
			prober.kinds = append(prober.kinds, p.kind)
			prober.pipelines[p.kind] = p
			w.pipelines = append(w.pipelines, p)
		}
		w.probers = append(w.probers, prober)
		w.holdWatch.add(prober)
	}
}

// Run works until ctx ends. Then it takes nothing more, gives back what it has not called for, sees the calls in flight
// through and settles them, and returns. It fails only when it could not begin.
func (w *Worker) Run(ctx context.Context) error {
	defer w.close()
	keeper := newKeeper(w.options)
	if err := keeper.begin(ctx); err != nil {
		w.shutdown(tick) // none has begun
		return fmt.Errorf("begin to work: %w", err)
	}
	work, hardStop := context.WithCancel(context.WithoutCancel(ctx))
	defer hardStop()
	var running sync.WaitGroup
	for _, p := range w.pipelines {
		running.Go(func() { p.run(work) })
	}
	w.recaller.begin(ctx)
	roles, stopRoles := context.WithCancel(ctx)
	defer stopRoles()
	for _, role := range []func(context.Context){
		w.heartbeat.run, w.holdWatch.run, w.dispatcher.run, w.dispatcher.listen, w.rescuer.run, w.recaller.run, w.finder.run, w.sweeper.run, w.reporter.run,
		w.eraser.run, w.forgetter.run, w.books.run, w.hooks.Run, w.surveyor.run,
	} {
		running.Go(func() { role(roles) })
	}
	for _, p := range w.probers {
		running.Go(func() { p.run(roles, work) })
	}
	for _, st := range w.standings {
		running.Go(func() { st.gate.Run(roles) })
	}
	running.Go(func() { keeper.run(roles) })
	err := w.serve(ctx)
	stopRoles()
	w.drain(work, hardStop, &running)
	return err
}

// serve takes tasks until ctx ends.
func (w *Worker) serve(ctx context.Context) error {
	for _, s := range w.servers {
		if err := s.Start(s.handler); err != nil {
			return fmt.Errorf("start asynq server: %w", err)
		}
	}
	w.log.Info().Str("worker", w.options.Name).Msg("working")
	<-ctx.Done()
	return nil
}

// drain ends everything, within the time that a batch under way may take. The gates are closed first: no call begins any more.
// Then the pipelines are, which wait for nobody: from then on nothing more is claimed, whatever the servers still bring and
// however long a role, a probe or Redis takes.
func (w *Worker) drain(work context.Context, hardStop func(), running *sync.WaitGroup) {
	for _, st := range w.standings {
		st.gate.Close()
	}
	w.log.Info().Msg("stopping: giving back what was not sent, waiting for calls in flight")
	deadline := time.Now().Add(w.options.drainTime())
	for _, p := range w.pipelines {
		running.Go(func() { p.drain(work) })
	}
	for _, s := range w.servers {
		running.Go(s.Stop)
	}
	running.Go(func() { w.reporter.stop(work) })
	ended := endOf(running)
	sleep(work, w.options.drainTime(), ended)
	hardStop() // breaks off what is left, if anything is
	<-ended
	w.shutdown(max(time.Until(deadline), tick))
	w.log.Info().Msg("stopped")
}

// shutdown ends the servers, whose tasks are all done, and closes their connections. Asynq has no bound for what it still says to
// Redis. While Redis does not answer, nothing is lost by not waiting for it: its tasks come back, and find that their jobs have
// moved on. The connections are left alone then, because a server that loses them to somebody else panics.
func (w *Worker) shutdown(patience time.Duration) {
	var servers sync.WaitGroup
	for _, s := range w.servers {
		servers.Go(s.Shutdown)
	}
	ended := endOf(&servers)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-ended:
		if err := w.asynq.Close(); err != nil {
			w.log.Warn().Err(err).Msg("closing redis connections of Asynq failed")
		}
	case <-timer.C:
		w.log.Warn().Msg("Redis does not answer; leaving it to find out by itself that this worker is gone")
	}
}

// endOf makes a channel that is closed when all of a group have ended.
func endOf(group *sync.WaitGroup) <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		group.Wait()
	}()
	return ended
}

func (w *Worker) close() {
	if err := w.redis.Close(); err != nil {
		w.log.Warn().Err(err).Msg("closing redis connection failed")
	}
}
