package worker_test

import (
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/worker"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// reported is the report of the one worker that there is.
func (b *bench) reported() (w store.Worker, found bool) {
	b.t.Helper()
	workers, err := b.store.Workers(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	if len(workers) != 1 {
		return w, false
	}
	return workers[0], true
}

func lotIn(w store.Worker, kind store.Kind) (lot store.WorkerLot) {
	for _, l := range w.Lots {
		if l.Kind == kind {
			lot = l
		}
	}
	return lot
}

func TestWorkerReportsHowItStands(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	gate := b.sandbox.Hold(sandbox.OpWhois, sandbox.BeforeReply)
	o := b.options()
	o.Name = "host/1"
	o.Whois = worker.Tuning{BatchSize: 5, Linger: 10 * time.Millisecond, Concurrency: 2}
	o.UpstreamTimeout = time.Minute
	address, err := queue.ParseRedisURL(b.redis)
	if err != nil {
		t.Fatal(err)
	}
	inspector := asynq.NewInspector(address)
	defer func() {
		if err := inspector.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := inspector.PauseQueue("register-bulk"); err != nil {
		t.Fatal(err)
	}
	stop := b.work(o)
	order := b.submit(queue.Whois, "o", names("a", 60))
	<-gate.Held()
	b.eventually(func() bool {
		w, found := b.reported()
		l := lotIn(w, store.Whois)
		return found && l.Busy == 2 && l.Waiting > 0 && w.SeenAt.After(l.WaitingSince)
	})
	w, _ := b.reported()
	if w.Name != "host/1" || !w.Alive || w.Stopping || len(w.Lots) != 2 || lotIn(w, store.Whois).Slots != 2 {
		t.Errorf("reported %+v", w)
	}
	if r := lotIn(w, store.Register); len(r.Paused) != 1 || r.Paused[0] != "register-bulk" || r.Waiting != 0 || !r.WaitingSince.IsZero() {
		t.Errorf("reported of registrations: %+v", r)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		stop()
	}()
	b.eventually(func() bool { w, _ := b.reported(); return w.Stopping })
	gate.Release()
	<-ended
	if _, found := b.reported(); found {
		t.Error("the worker has gone, and is still on record")
	}
	b.work(b.options())
	b.settled(order)
}
