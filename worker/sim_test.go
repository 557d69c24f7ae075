package worker

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/audit"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/queue"
)

// number reads a setting of the tests from the environment.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	given := os.Getenv(name)
	if given == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(given, 10, 64)
	if err != nil {
		t.Fatalf("%s=%q is not a number", name, given)
	}
	return n
}

// newWorld makes a world of a few domains and two processes, with these settings.
func newWorld(t *testing.T, db *simDatabase, seed uint64, tune func(*Options)) *world {
	w := &world{
		t: t, db: db, tune: tune, rng: rand.New(rand.NewPCG(seed, 0)), accounts: []string{fmt.Sprint("s", seed)}, lock: make(chan struct{}, 1),
	}
	if w.rng.IntN(3) == 0 {
		w.accounts = append(w.accounts, w.accounts[0]+"b")
	}
	w.paced, w.metronomes = w.rng.IntN(4) == 0, map[string]*simMetronome{}
	for _, a := range w.accounts {
		w.metronomes[a] = &simMetronome{w: w, every: 20 * time.Second}
	}
	w.registry = newRegistry(w)
	for i := range 1 + w.rng.IntN(4) {
		w.domains = append(w.domains, fmt.Sprintf("d%d-%s.nl", i, w.accounts[0]))
	}
	if w.rng.IntN(5) == 0 {
		w.registry.poison[w.domains[0]] = true
	}
	if w.rng.IntN(4) == 0 {
		w.tokens = newSimTokens(w)
	}
	for range 2 {
		w.procs = append(w.procs, w.newProcess())
	}
	return w
}

// run lets a history happen and says what was wrong with it.
func (w *world) run() []string {
	w.submit()
	if w.tokens != nil {
		w.tokens.submit()
	}
	for range 6 + w.rng.IntN(20) {
		w.event()
	}
	w.calm()
	w.judge()
	return w.failed
}

// judge compares what we believe with what the registry sold.
func (w *world) judge() {
	known := map[string]bool{}
	for _, j := range w.jobs() {
		paid := w.registry.paid[j.Domain]
		switch {
		case j.Outcome == record.Registered:
			known[j.Domain] = true
			if paid == 0 {
				w.fail("%s is called registered and was never sold", j.Domain)
			}
		case j.State == record.Unconfirmed:
			known[j.Domain] = true
		}
	}
	for d, n := range w.registry.paid {
		if n > 1 {
			w.fail("I3: %s was paid for %d times", d, n)
		}
		if !known[d] {
			w.fail("I6: %s was sold, and nobody here knows", d)
		}
	}
	if w.tokens != nil {
		w.tokens.judge()
	}
	w.judgeDays()
}

// Thousands of histories, each from a seed of its own. SIM_SEED repeats one, SIM_HISTORIES makes it more or fewer.
func TestHistories(t *testing.T) {
	t.Parallel()
	first := number(t, "SIM_SEED", uint64(time.Now().UnixNano()))
	n := number(t, "SIM_HISTORIES", histories)
	if os.Getenv("SIM_SEED") != "" {
		n = number(t, "SIM_HISTORIES", 1)
	}
	const lanes = 6
	var waited, refused, frozen atomic.Int64
	t.Cleanup(func() {
		t.Logf("tasks stood in line %d times, Postgres refused %d statements, %d transactions stood still", waited.Load(), refused.Load(), frozen.Load())
		if n >= 1000 && !t.Failed() && min(waited.Load(), refused.Load(), frozen.Load()) == 0 {
			t.Error("a fault that histories should meet never happened")
		}
	})
	server := simServer(t)
	for lane := range uint64(lanes) {
		t.Run(fmt.Sprintf("SIM_SEED=%d+%d", first, lane), func(t *testing.T) {
			t.Parallel()
			db := newSimDatabase(t, server, fmt.Sprint("lane", lane))
			for i := lane; i < n; i += lanes {
				if i/lanes%historiesKept == historiesKept-1 {
					auditAll(t, db)
					db.empty(t)
				}
				seed := first + i
				w := newWorld(t, db, seed, asByDefault)
				failed := w.run()
				waited.Add(int64(w.waited))
				refused.Add(int64(w.refused))
				frozen.Add(int64(w.frozen))
				if len(failed) > 0 {
					t.Fatalf("SIM_SEED=%d: %s\n%s", seed, strings.Join(failed, "; "), strings.Join(w.trace, "\n"))
				}
			}
			auditAll(t, db)
		})
	}
}

// historiesKept is how many histories a database holds before it is emptied: dead rows make each new one slower.
const historiesKept = 150

// auditAll checks all histories of a database at once. A breach names the order, which names the seed.
func auditAll(t *testing.T, db *simDatabase) {
	t.Helper()
	report, err := db.store.Audit.Run(t.Context(), audit.Options{JobID: func(source, reference string, kind record.Kind, subject string) uuid.UUID {
		return queue.JobID(source, reference, queue.Kind(kind), subject)
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range report.Breaches {
		t.Errorf("%+v", b)
	}
}

// The same seed brings the same history.
func TestHistoriesRepeat(t *testing.T) {
	t.Parallel()
	var traces [2][]string
	server := simServer(t)
	for i := range traces {
		w := newWorld(t, newSimDatabase(t, server, fmt.Sprint("run", i)), 42, asByDefault)
		w.run()
		traces[i] = w.trace
	}
	if !slices.Equal(traces[0], traces[1]) {
		t.Errorf("one seed, two histories:\n%s\n\n%s", strings.Join(traces[0], "\n"), strings.Join(traces[1], "\n"))
	}
}

func asByDefault(*Options) {}

// A simulation that finds nothing is worth something only if it finds what is wrong: workers that trust a single reading, or
// do not wait for WHOIS at all, pay twice.
func TestHistoriesFindMistakes(t *testing.T) {
	t.Parallel()
	server := simServer(t)
	for name, tune := range map[string]func(*Options){
		"one_reading": func(o *Options) { o.ReconcileChecks = 1 },
		"no_waiting":  func(o *Options) { o.ReconcileAfter = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := newSimDatabase(t, server, name)
			for seed := range uint64(1000) {
				w := newWorld(t, db, seed, tune)
				w.registry.mute = true
				failed := w.run()
				if slices.ContainsFunc(failed, func(f string) bool { return strings.HasPrefix(f, "I3: ") }) {
					t.Logf("found by seed %d", seed)
					return
				}
			}
			t.Error("the simulation does not find that domains are paid for twice")
		})
	}
}
