package torture

import (
	"syscall"
	"time"

	"github.com/bulkreg/bulkreg/worker"
)

// stops stop a worker at each step for longer than its lease. Another one takes over, then the first wakes up.
func stops() []scenario {
	var all []scenario
	for _, step := range []worker.Step{
		worker.StepTaken, worker.StepEnqueued, worker.StepClaimed, worker.StepChecked, worker.StepIntended,
		worker.StepSending, worker.StepReplied, worker.StepSettled,
	} {
		all = append(all, scenario{
			name: "stopped at " + string(step), quick: step == worker.StepSending,
			run: func(w *world) { stopAt(w, step) },
			// A reply that the first had read already is late, and wins.
			want: expectation{redelivered: true},
		})
	}
	return append(all,
		scenario{
			name: "stopped after the bytes and before the reply", run: stopInFlight,
			want: expectation{unconfirmed: batchSize, redelivered: true},
		},
		scenario{
			name: "stopped at split", run: stopAtSplit,
			want: expectation{redelivered: true},
		})
}

func stopAt(w *world, step worker.Step) {
	sleeper := w.workerOf("register", "STOP_AT="+string(step))
	w.register("order", names("a", batchSize)...)
	w.sleepThroughLease(sleeper, "worker stopped at "+string(step))
}

func stopInFlight(w *world) {
	sleeper := w.inFlight()
	w.signal(sleeper, syscall.SIGSTOP)
	w.sleepThroughLease(sleeper, "worker stopped with a call in flight")
}

func stopAtSplit(w *world) {
	sleeper := w.workerOf("register", "STOP_AT=split")
	w.register("order", append(names("a", batchSize-1), "poison-a.nl")...)
	w.sleepThroughLease(sleeper, "worker stopped at split")
}

// sleepThroughLease leaves a worker stopped until another has done all of its work, and its lease is over.
func (w *world) sleepThroughLease(sleeper *process, fault string) {
	w.t.Helper()
	w.stands(sleeper, fault)
	since := time.Now()
	w.worker()
	w.settled()
	await(w.t, "the lease is over", 2*lease, func() (bool, error) { return time.Since(since) > lease+time.Second, nil })
	if still, err := sleeper.stopped(); err != nil || !still {
		w.t.Errorf("%s did not stay stopped: %v", sleeper.name, err)
	}
	w.resume(sleeper)
}

// resume wakes a stopped worker, and ends it in an orderly way.
func (w *world) resume(p *process) {
	w.t.Helper()
	w.signal(p, syscall.SIGCONT)
	w.stop(p)
}
