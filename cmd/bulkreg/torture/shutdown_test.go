package torture

import (
	"syscall"
	"time"

	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// shutdowns end workers at bad moments.
func shutdowns() []scenario {
	return []scenario{
		{
			name: "SIGTERM during a long call, with a second worker", run: termDuringCall,
			needs: needs{settings: map[string]string{"UPSTREAM_TIMEOUT": "4s"}},
		},
		{
			name: "SIGTERM, and Postgres is gone until the worker gives up", run: termWithoutPostgres,
			want: expectation{unconfirmed: batchSize, redelivered: true},
		},
		{
			name: "SIGTERM and SIGKILL with a half-filled coalescer", quick: true, run: termThenKill,
			needs: needs{settings: map[string]string{"UPSTREAM_TIMEOUT": "4s"}},
			want:  expectation{unconfirmed: batchSize, redelivered: true},
		},
		{
			name: "a second SIGTERM", run: termTwice,
			needs: needs{settings: map[string]string{"UPSTREAM_TIMEOUT": "5s"}},
			want:  expectation{unconfirmed: batchSize, redelivered: true},
		},
	}
}

// slowRegister delays the reply to the next register call, whose work is done at once.
func (w *world) slowRegister(d time.Duration) (fired func() int) {
	w.t.Helper()
	return w.inject(sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindSlow, Delay: d})
}

// The call takes longer than Asynq's own patience would be, and its reply is settled.
func termDuringCall(w *world) {
	first := w.workerOf("register")
	fired := w.slowRegister(3 * time.Second)
	w.register("order", names("a", batchSize)...)
	w.hit(fired)
	second := w.worker()
	w.signal(first, syscall.SIGTERM)
	w.stopped(first)
	w.prove("SIGTERM during a call")
	w.settled()
	w.stop(second)
	w.worker()
}

// The worker cannot settle and must not wait for ever.
func termWithoutPostgres(w *world) {
	first := w.workerOf("register")
	fired := w.slowRegister(700 * time.Millisecond)
	w.register("order", names("a", batchSize)...)
	w.hit(fired)
	w.toDatabase.Refuse()
	w.signal(first, syscall.SIGTERM)
	w.ended(first)
	w.proveCount("SIGTERM with Postgres away", w.toDatabase.Counts().Refused)
	w.toDatabase.Heal()
	w.worker()
}

func termThenKill(w *world) {
	first := w.workerOf("register", "REGISTER_LINGER=1m")
	fired := w.slowRegister(3 * time.Second)
	w.register("full", names("a", batchSize)...)
	w.hit(fired)
	w.register("half", names("b", batchSize/2)...)
	w.await("the half-filled batch waits in the worker", func() (bool, error) {
		n, err := w.activeTasks()
		return n == 2, err
	})
	w.signal(first, syscall.SIGTERM)
	pass(w.t, time.Second)
	w.signal(first, syscall.SIGKILL)
	w.crashed(first, "SIGTERM, and SIGKILL one second later")
	w.worker()
}

func termTwice(w *world) {
	first := w.workerOf("register")
	fired := w.slowRegister(4 * time.Second)
	w.register("order", names("a", batchSize)...)
	w.hit(fired)
	w.signal(first, syscall.SIGTERM)
	pass(w.t, 1500*time.Millisecond)
	w.signal(first, syscall.SIGTERM)
	w.ended(first)
	if first.Err() == nil {
		w.t.Error("the second SIGTERM did not end the worker at once")
	}
	w.prove("second SIGTERM")
	w.worker()
}
