package torture

import (
	"strings"
	"syscall"
	"time"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// waitingLines let work wait: for slow calls, for a rate, for a slot, for other accounts. Waiting costs nothing but time.
func waitingLines() []scenario {
	calm := expectation{}
	return []scenario{
		{
			name: "WHOIS slow, with a backlog beside registrations", run: slowWhois, progress: 15 * time.Second, want: calm,
			needs: needs{settings: map[string]string{"UPSTREAM_TIMEOUT": "8s"}},
		},
		{
			name: "REGISTRAR_RATE=5 with three workers", quick: true, progress: 15 * time.Second, want: calm,
			run: func(w *world) { limitedRate(w, 5, 3, 4) }, needs: needs{settings: map[string]string{"REGISTRAR_RATE": "5"}},
		},
		{
			name: "REGISTRAR_RATE=1 with five workers", progress: 30 * time.Second, want: calm,
			run: func(w *world) { limitedRate(w, 1, 5, 8) }, needs: needs{settings: map[string]string{"REGISTRAR_RATE": "1"}},
		},
		{
			name: "more batches claimed than slots, for longer than a lease", run: fewSlots, want: calm,
			needs: needs{settings: map[string]string{"UPSTREAM_TIMEOUT": "11s", "REGISTER_CONCURRENCY": "1"}},
		},
		{name: "429 whose Retry-After outlasts a lease", run: longPause, want: calm},
		{
			name: "SIGTERM while batches wait for a slot", quick: true, run: termWhileWaiting, want: calm,
			needs: needs{settings: map[string]string{"UPSTREAM_TIMEOUT": "5s", "WHOIS_CONCURRENCY": "1", "REGISTER_CONCURRENCY": "1"}},
		},
		{
			name: "a slow account beside a fast one", run: slowAccount, progress: 15 * time.Second, want: calm,
			needs: needs{sandbox: []string{"--account", slowClient + ":secret"}, settings: map[string]string{
				"UPSTREAM_TIMEOUT":          "8s",
				"REGISTRAR_ACCOUNTS_0_NAME": "slow", "REGISTRAR_ACCOUNTS_0_CLIENT_ID": slowClient, "REGISTRAR_ACCOUNTS_0_CLIENT_SECRET": "secret",
			}},
		},
	}
}

const slowClient = "slow-client"

// slowly makes calls of an operation take long from now on.
func (w *world) slowly(op sandbox.Op, account string, d time.Duration) (fired func() int) {
	w.t.Helper()
	return w.inject(sandbox.Fault{Op: op, Account: account, Kind: sandbox.KindSlow, Delay: d, Count: sandbox.Always})
}

// unhurt checks that waiting did nothing to jobs: none was claimed twice, and no claim ended by its lease.
func (w *world) unhurt() {
	w.t.Helper()
	for what, query := range map[string]string{
		"jobs used up more than one attempt": `SELECT count(*) FROM jobs WHERE attempts > 1`,
		"calls were taken for lost":          `SELECT count(*) FROM calls WHERE error = 'the worker that held this job went away'`,
	} {
		if n, err := w.sql(query); err != nil || n > 0 {
			w.t.Errorf("%d %s, %v", n, what, err)
		}
	}
}

// unfinished is how many jobs of an order have not ended.
func (w *world) unfinished(o record.Order) int {
	w.t.Helper()
	n, err := w.sql(`SELECT count(*) FROM jobs WHERE order_id = $1 AND finished_at IS NULL AND state <> 'unconfirmed'`, o.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// Registrations, whose checks are as slow, must not wait for the backlog.
func slowWhois(w *world) {
	fired := w.slowly(sandbox.OpWhois, "", 2*time.Second)
	w.worker()
	backlog := w.order(queue.Whois, "backlog", names("w", 2000)...)
	w.hit(fired)
	w.register("order", names("a", 5*batchSize)...)
	w.overtakes(backlog)
	w.proveCount("WHOIS slow, with a backlog", fired())
	w.healed()
}

// overtakes waits until every order but a backlog is settled, which must be long before the backlog is.
func (w *world) overtakes(backlog record.Order) {
	w.t.Helper()
	w.await("the orders beside the backlog are settled", func() (bool, error) {
		for _, o := range w.orders {
			if o.ID != backlog.ID && w.unfinished(o) > 0 {
				return false, nil
			}
		}
		return true, nil
	})
	if w.unfinished(backlog) == 0 {
		w.t.Error("the backlog was settled before the orders beside it")
	}
	w.unhurt()
}

// healed ends the upstream's faults.
func (w *world) healed() {
	w.t.Helper()
	if _, err := w.remote.ClearFaults(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// The rate is kept over all workers, and what waits for it is not taken for lost.
func limitedRate(w *world, perSecond, workers, batches int) {
	for range workers {
		w.worker()
	}
	w.order(queue.Whois, "checks", names("w", 20*batches)...)
	w.register("order", names("a", batchSize*batches)...)
	w.settled()
	w.unhurt()
	ledger, err := w.remote.Ledger(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	var at []time.Time
	for _, c := range ledger.Calls {
		if c.Op == sandbox.OpWhois || c.Op == sandbox.OpRegister {
			at = append(at, c.At)
		}
	}
	took := at[len(at)-1].Sub(at[0])
	least := time.Duration(len(at)-1-workers) * time.Second / time.Duration(perSecond)
	w.t.Logf("%d calls in %v, at %d a second", len(at), took.Round(time.Millisecond), perSecond)
	if took < least {
		w.t.Errorf("%d calls took %v, want at least %v", len(at), took, least)
	}
	if most := 2*least + 10*time.Second; took > most && thorough() {
		w.t.Errorf("%d calls took %v, want at most %v", len(at), took, most)
	}
	w.proveCount("calls limited by a rate", len(at)-perSecond)
}

// waits is how many claims are open whose batch has no call.
func (w *world) waits() (int, error) {
	return w.sql(`SELECT count(*) FROM claims c WHERE closed_at IS NULL AND NOT EXISTS (
		SELECT FROM calls k WHERE k.claim_id = c.id AND k.finished_at IS NULL)`)
}

// A batch waits for the three before it, each call of which takes almost as long as one may.
func fewSlots(w *world) {
	fired := w.slowly(sandbox.OpRegister, "", 9*time.Second)
	w.worker()
	w.register("order", names("a", 4*batchSize)...)
	w.hit(fired)
	begun := time.Now()
	w.settled()
	w.unhurt()
	long, err := w.sql(`SELECT count(*) FROM claims c WHERE taken_at + make_interval(secs => $1) < (
		SELECT max(k.started_at) FROM calls k WHERE k.claim_id = c.id AND k.op = 'register')`, (11*time.Second + leaseMargin).Seconds())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Logf("all calls took %v", time.Since(begun).Round(time.Millisecond))
	w.proveCount("a batch waited for its slot for longer than a lease", long)
}

func longPause(w *world) {
	fired := w.inject(sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindStatus, Status: 429, RetryAfter: lease + 4*time.Second})
	w.worker()
	begun := time.Now()
	w.register("order", names("a", 6*batchSize)...)
	w.settled()
	if took := time.Since(begun); took < lease+3*time.Second {
		w.t.Errorf("settled after %v, although the upstream asked for a pause of %v", took, lease+4*time.Second)
	}
	w.unhurt()
	w.proveCount("429 whose Retry-After outlasts a lease", fired())
}

// After SIGTERM no call of any kind begins, and what was sent is seen through.
func termWhileWaiting(w *world) {
	whois, register := w.slowly(sandbox.OpWhois, "", 1500*time.Millisecond), w.slowly(sandbox.OpRegister, "", 1500*time.Millisecond)
	first := w.worker()
	w.register("order", names("a", 10*batchSize)...)
	w.order(queue.Whois, "checks", names("w", 200)...)
	w.hit(register)
	waiting := 0
	w.await("batches wait for a slot", func() (_ bool, err error) {
		waiting, err = w.waits()
		return waiting > 1, err
	})
	w.signal(first, syscall.SIGTERM)
	w.await("the worker says that it is stopping", func() (bool, error) {
		return strings.Contains(first.said(w.t), `"message":"stopping`), nil
	})
	before := w.calls()
	w.stopped(first)
	if after := w.calls(); after > before {
		w.t.Errorf("%d calls began after SIGTERM", after-before)
	}
	w.proveCount("SIGTERM while batches wait for a slot", min(waiting, whois(), register()))
	w.healed()
	w.worker()
}

// calls is how many calls the upstream has got so far.
func (w *world) calls() int {
	w.t.Helper()
	ledger, err := w.remote.Ledger(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return len(ledger.Calls)
}

func slowAccount(w *world) {
	fired := w.slowly(sandbox.OpAny, slowClient, 2*time.Second)
	w.worker()
	backlog := w.orderOf("slow", queue.Whois, "backlog", names("w", 3000)...)
	w.hit(fired)
	w.order(queue.Whois, "checks", names("c", 400)...)
	w.register("order", names("a", 5*batchSize)...)
	w.overtakes(backlog)
	w.proveCount("a slow account with a backlog", fired())
	w.healed()
}
