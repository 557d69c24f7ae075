package worker_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/hibiken/asynq"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/worker"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// stopping is a worker that has been told to stop.
type stopping struct {
	t     *testing.T
	begun time.Time
	ended chan struct{}
}

func tellToStop(t *testing.T, stop func()) stopping {
	t.Helper()
	s := stopping{t: t, begun: time.Now(), ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		stop()
	}()
	return s
}

// wantWithin waits for the end, which must come in time.
func (s stopping) wantWithin(limit time.Duration) {
	s.t.Helper()
	select {
	case <-s.ended:
		s.t.Logf("stopping took %v", time.Since(s.begun))
	case <-time.After(limit - time.Since(s.begun)):
		s.t.Fatalf("the worker has not stopped after %v", limit)
	}
}

// waitsInWorker waits until a worker has this many tasks of a queue.
func (b *bench) waitsInWorker(name string, tasks int) {
	b.t.Helper()
	conn, err := asynq.ParseRedisURI(b.redis)
	if err != nil {
		b.t.Fatal(err)
	}
	inspector := asynq.NewInspector(conn)
	defer func() {
		if err := inspector.Close(); err != nil {
			b.t.Error(err)
		}
	}()
	b.eventually(func() bool {
		info, err := inspector.GetQueueInfo(name)
		return err == nil && info.Active == tasks
	})
}

// on makes a channel that is closed when a worker with these options reaches a step.
func on(o *worker.Options, step worker.Step) <-chan struct{} {
	reached := make(chan struct{})
	once := sync.OnceFunc(func() { close(reached) })
	o.Reached = func(s worker.Step) {
		if s == step {
			once()
		}
	}
	return reached
}

// A probe tries one job after the other while their domains turn out to be taken. A worker that is told to stop gives back
// what waits at once, sees the check under way through, and leaves the rest to others.
func TestStopDuringAProbe(t *testing.T) {
	t.Parallel()
	b := setup(t, poor(0))
	o := b.options()
	o.HoldInterval = 3 * time.Second
	o.Whois.Linger = time.Hour
	drained := on(&o, worker.StepDrained)
	stop := b.work(o)
	domains := names("shop", 30)
	b.submit(queue.Register, "r", domains)
	b.eventually(func() bool { return len(b.holds()) == 1 && b.holds()[0].Jobs == 30 })
	b.sandbox.Take(domains...)
	waiting := b.submit(queue.Whois, "w", names("free", 10))
	b.waitsInWorker("whois/default", 1)
	gate := b.sandbox.Hold(sandbox.OpWhois, sandbox.BeforeReply)
	<-gate.Held() // the check of a probe is under way
	before := b.sql(`SELECT count(*) FROM claims`)

	s := tellToStop(t, stop)
	select {
	case <-drained:
	case <-time.After(4 * time.Second): // less than a call may take
		t.Error("what waited was not given back while the probe was under way")
	}
	gate.Release()
	s.wantWithin(20 * time.Second)
	if n := b.sql(`SELECT count(*) FROM claims`); n != before {
		t.Errorf("%d claims were made after the worker was told to stop", n-before)
	}
	if n := b.sql(`SELECT count(*) FROM jobs WHERE state = 'running'`); n != 0 {
		t.Errorf("%d jobs were left running", n)
	}
	if n := b.sql(`SELECT count(*) FROM jobs WHERE order_id = $1 AND state = 'queued' AND wake_at <= now()`, waiting.ID); n != 10 {
		t.Errorf("%d jobs were given back, want 10", n)
	}
	b.invariants()
}

// A worker whose probe can settle nothing any more stops in the time that it may take.
func TestStopDuringAProbeWithoutPostgres(t *testing.T) {
	t.Parallel()
	b := setup(t, poor(0))
	f := newFreezer(t, hostOf(t, b.url))
	through, err := store.Open(t.Context(), f.through(b.url), store.Options{MaxConns: 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(through.Close)
	o := b.options()
	o.Store, o.UpstreamTimeout, o.HoldInterval = through, 2*time.Second, 3*time.Second
	stop := b.work(o)
	b.submit(queue.Register, "r", names("shop", 30))
	b.eventually(func() bool { return len(b.holds()) == 1 && b.holds()[0].Jobs == 30 })
	gate := b.sandbox.Hold(sandbox.OpRegister, sandbox.BeforeReply)
	<-gate.Held()
	f.freeze(true)
	s := tellToStop(t, stop)
	gate.Release()
	s.wantWithin(worker.DrainTime(o.UpstreamTimeout) + 5*time.Second)
}

// A Redis that does not answer keeps no worker from stopping in time, and none from settling what it has called for.
func TestStopWithoutRedis(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	f := newFreezer(t, hostOf(t, b.redis))
	o := b.options()
	o.RedisURL, o.UpstreamTimeout = f.through(b.redis), 2*time.Second
	stop := b.work(o)
	gate := b.sandbox.Hold(sandbox.OpRegister, sandbox.BeforeReply)
	order := b.submit(queue.Register, "r", names("shop", 30))
	<-gate.Held()
	f.freeze(true)
	s := tellToStop(t, stop)
	gate.Release()
	s.wantWithin(worker.DrainTime(o.UpstreamTimeout) + 5*time.Second)
	if n := b.sql(`SELECT count(*) FROM jobs WHERE outcome = 'registered'`); n != 30 {
		t.Errorf("%d of order %s are settled, want 30", n, order.Reference)
	}
	b.invariants()
}

// What a worker has not sent when it is told to stop it does not send any more, not even what it has just checked, or the other
// half of a batch that was refused. Others get it, and no attempt has been used up.
func TestStopBeginsNoOtherCall(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		op      sandbox.Op // of the call that is under way
		domains []string
		sent    int // register calls
	}{
		"during the check":      {sandbox.OpWhois, names("shop", 20), 0},
		"during a registration": {sandbox.OpRegister, append(names("shop", 19), "poison-a.nl"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, sandbox.Options{})
			gate := b.sandbox.Hold(c.op, sandbox.BeforeReply)
			o := b.options()
			o.UpstreamTimeout = 30 * time.Second // the call must not end by itself: Asynq takes 5 s to say that a server has taken note
			stop := b.work(o)
			order := b.submit(queue.Register, "r", c.domains)
			<-gate.Held()
			stopped := tellToStop(t, stop)
			b.eventually(func() bool { // it has taken note, and the call goes on
				conn, err := asynq.ParseRedisURI(b.redis)
				if err != nil {
					t.Fatal(err)
				}
				inspector := asynq.NewInspector(conn)
				defer inspector.Close()
				servers, err := inspector.Servers()
				return err == nil && len(servers) > 0 && !slices.ContainsFunc(servers, func(s *asynq.ServerInfo) bool { return s.Status == "active" })
			})
			gate.Release()
			stopped.wantWithin(worker.DrainTime(b.options().UpstreamTimeout))
			if n := calls(b.sandbox.Ledger(), sandbox.OpRegister); n != c.sent {
				t.Errorf("%d register calls, want %d", n, c.sent)
			}
			if n := b.sql(`SELECT count(*) FROM jobs WHERE finished_at IS NULL AND attempts = 0`); n != 20 {
				t.Errorf("%d of 20 jobs wait without an attempt used up", n)
			}
			b.work(b.options())
			if sum := b.settled(order)[0]; sum.Outcomes[record.Registered]+sum.Outcomes[record.Rejected] != 20 {
				t.Errorf("ended as %v %v", sum.Counts, sum.Outcomes)
			}
			b.invariants()
		})
	}
}
