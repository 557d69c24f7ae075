package worker_test

import (
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/fleet"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/hibiken/asynq"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// reported is what the one worker that there is says of a kind.
func (b *bench) reported(kind record.Kind) (w fleet.SeenWorker, found bool) {
	b.t.Helper()
	st, err := b.store.Fleet.Stillness(b.t.Context(), record.Order{Kind: kind, Account: "default"})
	if err != nil {
		b.t.Fatal(err)
	}
	if len(st.Workers) != 1 {
		return w, false
	}
	return st.Workers[0], true
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
		w, _ := b.reported(record.Whois)
		return w.Pipeline.Busy == 2 && w.Pipeline.Waiting > 0 && w.SeenAt.After(*w.Pipeline.WaitingSince)
	})
	if w, _ := b.reported(record.Whois); w.Name != "host/1" || !w.Alive || w.Trouble != "" || w.Pipeline.Slots != 2 {
		t.Errorf("reported %+v", w)
	}
	if w, _ := b.reported(record.Register); len(w.Pipeline.Paused) != 1 || w.Pipeline.Paused[0] != "register-bulk" || w.Pipeline.Waiting != 0 || w.Pipeline.WaitingSince != nil {
		t.Errorf("reported of registrations: %+v", w)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		stop()
	}()
	b.eventually(func() bool { w, found := b.reported(record.Whois); return found && !w.Alive })
	gate.Release()
	<-ended
	if w, found := b.reported(record.Whois); !found || w.Alive {
		t.Errorf("the worker has gone, and is on record as %+v", w)
	}
	b.work(b.options())
	b.settled(order)
}

// Who pauses the queue of a kind, with Asynq's own tools, wants all work of that kind to stand still.
func TestPausedQueueStopsDeliveries(t *testing.T) {
	t.Parallel()
	for _, name := range []string{queue.Queue(queue.Whois, queue.Plain), queue.AccountQueue(queue.Whois, queue.Plain, "default")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, sandbox.Options{})
			address, err := queue.ParseRedisURL(b.redis)
			if err != nil {
				t.Fatal(err)
			}
			inspector := asynq.NewInspector(address)
			t.Cleanup(func() {
				if err := inspector.Close(); err != nil {
					t.Error(err)
				}
			})
			if err := inspector.PauseQueue(name); err != nil {
				t.Fatal(err)
			}
			order := b.submit(queue.Whois, "o", names("a", 10))
			other := b.submit(queue.Register, "other", names("b", 10))
			b.work(b.options())
			b.settled(other)
			b.eventually(func() bool {
				w, _ := b.reported(record.Whois)
				return len(w.Pipeline.Paused) == 1 && w.Pipeline.Paused[0] == name
			})
			if sum, err := b.store.Orders.Summarize(t.Context(), order); err != nil || sum.Counts[record.Queued] != 10 {
				t.Errorf("the order stands at %v, %v", sum.Counts, err)
			}
			if n := b.sql(`SELECT count(*) FROM chunks WHERE kind = 'whois' AND wake_at IS NOT NULL`); n != 0 {
				t.Error("it was delivered all the same")
			}
			if err := inspector.UnpauseQueue(name); err != nil {
				t.Fatal(err)
			}
			b.settled(order)
		})
	}
}
