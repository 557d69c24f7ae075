package torture

import (
	"fmt"
	"syscall"
	"time"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker"
)

// crashes kill a worker at each step of a registration. Another one takes over.
func crashes() []scenario {
	// What was sent before the crash has no answer.
	unanswered := map[worker.Step]int{worker.StepReplied: batchSize}
	var all []scenario
	for _, step := range []worker.Step{
		worker.StepTaken, worker.StepEnqueued, worker.StepClaimed, worker.StepChecked, worker.StepIntended,
		worker.StepSending, worker.StepReplied, worker.StepSettled,
	} {
		all = append(all, scenario{
			name: "crash at " + string(step),
			run:  func(w *world) { crashAt(w, step) },
			want: expectation{unconfirmed: unanswered[step], redelivered: true},
		})
	}
	return append(all,
		scenario{
			name: "crashes at every step", quick: true, run: crashEverywhere,
			want: expectation{unconfirmed: 3 * batchSize, redelivered: true},
		},
		scenario{
			name: "crash after the bytes and before the reply", run: crashInFlight,
			want: expectation{unconfirmed: batchSize, redelivered: true},
		},
		scenario{
			name: "crash at split", run: crashAtSplit,
			want: expectation{redelivered: true},
		},
		scenario{
			name: "crash at drained", quick: true, run: crashAtDrained,
			want: expectation{redelivered: true},
		},
		scenario{
			name: "crash at second intended of many", run: crashAmongMany,
			want: expectation{unconfirmed: 2 * batchSize, redelivered: true},
		},
		scenario{
			name: "crash in whois at each step", run: crashWhois,
			want: expectation{redelivered: true},
		},
		scenario{
			name: "two workers crash one after the other", run: crashTwice,
			want: expectation{unconfirmed: batchSize, redelivered: true},
		})
}

func crashAt(w *world, step worker.Step) {
	crasher := w.workerOf("register", "CRASH_AT="+string(step))
	w.register("order", names("a", batchSize)...)
	w.crashed(crasher, "worker killed at "+string(step))
	since := time.Now()
	w.worker()
	if step == worker.StepClaimed || step == worker.StepChecked {
		w.settledBy(since, lease+5*time.Second)
	}
}

// crashEverywhere kills one worker after the other, each with an order of its own, well within the first one's lease.
// The last one has all of it to clean up.
func crashEverywhere(w *world) {
	for _, step := range []worker.Step{
		worker.StepTaken, worker.StepSettled, worker.StepSplit, worker.StepReplied, worker.StepIntended,
		worker.StepChecked, worker.StepClaimed, worker.StepEnqueued,
	} {
		crasher := w.workerOf("register", "CRASH_AT="+string(step))
		domains := names(string(step), batchSize)
		if step == worker.StepSplit {
			domains[0] = "poison-split.nl"
		}
		w.register(string(step), domains...)
		w.crashed(crasher, "worker killed at "+string(step))
	}
	crasher := w.inFlight()
	w.signal(crasher, syscall.SIGKILL)
	w.crashed(crasher, "worker killed with a call in flight")
	w.worker()
}

// settledBy waits until everything is settled. It fails when that takes longer than is promised, but not on a machine
// that has other things to do.
func (w *world) settledBy(since time.Time, promised time.Duration) {
	w.t.Helper()
	w.settled()
	if took := time.Since(since); took > promised && thorough() {
		w.t.Errorf("settled after %v, promised is %v", took, promised)
	}
}

// crashInFlight kills a worker whose call the upstream has carried out and not answered.
func crashInFlight(w *world) {
	crasher := w.inFlight()
	w.signal(crasher, syscall.SIGKILL)
	w.crashed(crasher, "worker killed with a call in flight")
	w.worker()
}

// inFlight starts a worker and returns it while its call is carried out and not answered.
func (w *world) inFlight() *process {
	w.t.Helper()
	fired := w.slowRegister(800 * time.Millisecond)
	p := w.workerOf("register")
	w.register("order", names("a", batchSize)...)
	w.hit(fired)
	return p
}

func crashAtSplit(w *world) {
	crasher := w.workerOf("register", "CRASH_AT=split")
	w.register("order", append(names("a", batchSize-1), "poison-a.nl")...)
	w.crashed(crasher, "worker killed at split")
	w.worker()
}

// The worker waits for more jobs when it is told to stop, gives back what it has, and dies.
func crashAtDrained(w *world) {
	crasher := w.workerOf("register", "CRASH_AT=drained", "REGISTER_LINGER=1m")
	for i, domain := range names("a", batchSize/2) {
		w.register(fmt.Sprint("order ", i), domain)
	}
	w.await("the worker has taken the orders' tasks", func() (bool, error) {
		n, err := w.activeTasks()
		return n == batchSize/2, err
	})
	w.signal(crasher, syscall.SIGTERM)
	w.crashed(crasher, "worker killed at drained")
	w.worker()
}

func crashAmongMany(w *world) {
	crasher := w.workerOf("register", "CRASH_AT=intended:2")
	w.worker()
	w.register("order", names("a", 20*batchSize)...)
	w.crashed(crasher, "worker killed at intended")
}

func crashWhois(w *world) {
	for _, step := range []worker.Step{worker.StepClaimed, worker.StepChecked, worker.StepSettled} {
		crasher := w.workerOf("whois", "CRASH_AT="+string(step))
		w.order(queue.Whois, string(step), names(string(step), 20)...)
		w.crashed(crasher, "whois worker killed at "+string(step))
	}
	w.worker()
}

func crashTwice(w *world) {
	for _, step := range []worker.Step{worker.StepReplied, worker.StepChecked} {
		crasher := w.workerOf("register", "CRASH_AT="+string(step))
		if len(w.orders) == 0 {
			w.register("order", names("a", batchSize)...)
		}
		w.crashed(crasher, "worker killed at "+string(step))
	}
	w.worker()
}
