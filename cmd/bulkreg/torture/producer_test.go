package torture

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// producerFaults hit those who give orders, and those who deliver them.
func producerFaults() []scenario {
	return []scenario{
		{name: "producer killed after its commit", run: killProducer},
		{name: "COMMIT's reply dropped at submit", run: loseSubmit},
		{name: "API killed between the commit of an order and its answer", quick: true, run: killAPI},
		{name: "COMMIT's reply dropped under the API", run: loseAPICommit},
		{name: "two dispatchers at once", run: twoDispatchers},
		{
			name: "one of two dispatchers killed between enqueues", run: killDispatcher,
			want: expectation{redelivered: true},
		},
	}
}

// enqueue gives an order by the command line.
func (w *world) enqueue(domains []string, changes ...string) *process {
	w.t.Helper()
	file := filepath.Join(w.dir, "order.txt")
	if err := os.WriteFile(file, []byte(strings.Join(domains, "\n")+"\n"), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return w.start("enqueue", w.environ(changes...), "enqueue", "register", file, "--order", "order", "--source", "torture",
		"--holder", sandbox.DefaultHolder, "--yes")
}

// enqueueAgain repeats an order until it is taken in, as an order system would.
func (w *world) enqueueAgain(domains []string) {
	w.t.Helper()
	again := w.enqueue(domains)
	w.ended(again)
	if again.Err() != nil {
		w.t.Fatalf("the order was not taken in: %v\n%s", again.Err(), again.said(w.t))
	}
	order, err := w.store.Orders.Find(w.t.Context(), "torture", "order")
	if err != nil {
		w.t.Fatal(err)
	}
	if order.Total != len(domains) {
		w.t.Errorf("the order has %d jobs, want %d", order.Total, len(domains))
	}
	w.orders = append(w.orders, order)
}

func killProducer(w *world) {
	domains := names("a", 3*batchSize)
	w.crashed(w.enqueue(domains, "CRASH_AT=submitted"), "producer killed after its commit")
	w.worker()
	w.enqueueAgain(domains)
}

func loseSubmit(w *world) {
	domains := names("a", 3*batchSize)
	w.toDatabase.DropCommit("INSERT INTO orders")
	first := w.enqueue(domains)
	w.ended(first)
	w.proveCount("reply to a COMMIT dropped at submit", w.toDatabase.Counts().Dropped)
	w.worker()
	w.enqueueAgain(domains)
}

func twoDispatchers(w *world) {
	w.worker()
	w.worker()
	for _, reference := range []string{"a", "b", "c"} {
		w.register(reference, names(reference, 30*batchSize)...)
	}
	w.settled()
	n, err := w.sql(`SELECT count(DISTINCT worker) FROM claims`)
	if err != nil {
		w.t.Fatal(err)
	}
	w.proveCount("two dispatchers at once", n-1)
}

// Which of the two gets to enqueue the order is anyone's guess.
func killDispatcher(w *world) {
	w.register("order", names("a", 30*batchSize)...)
	doomed := []*process{w.worker("CRASH_AT=enqueued:3"), w.worker("CRASH_AT=enqueued:3")}
	w.await("one of the dispatchers is dead", func() (bool, error) {
		return slices.ContainsFunc(doomed, func(p *process) bool { return !p.alive() }), nil
	})
	for _, p := range doomed {
		if !p.alive() {
			w.crashed(p, "dispatcher killed between enqueues")
		}
	}
	w.worker()
}
