package torture

import (
	"time"

	"github.com/bulkreg/bulkreg/store/holds"

	"github.com/bulkreg/bulkreg/worker/sandbox"
	"github.com/bulkreg/bulkreg/worker/sandbox/judge"
)

// holdFaults stop an account for want of money, or of credentials.
func holdFaults() []scenario {
	broke := func(flags ...string) needs { return needs{sandbox: flags} }
	return []scenario{
		{name: "402 before any, with a restart and FLUSHALL while held", needs: broke("--balance", "0"), run: holdThroughRestart,
			want: expectation{redelivered: true}},
		{name: "402 after k of n, with a restart and FLUSHALL while held", needs: broke("--balance", "3", "--partial-402"), run: holdThroughRestart,
			want: expectation{unconfirmed: 3, redelivered: true}},
		{name: "402, and a probe that times out", needs: broke("--balance", "0"), run: probeTimesOut,
			want: expectation{unconfirmed: 1}},
		{name: "402, and funds for one", needs: broke("--balance", "0"), run: fundsForOne},
		{name: "402, and funds for one that pay in part", needs: broke("--balance", "0", "--partial-402"), run: fundsForOne,
			want: expectation{unconfirmed: 1}},
		{name: "402, and the worker killed at a probe's intent", needs: broke("--balance", "0"), run: crashAtProbe,
			want: expectation{redelivered: true}},
		{name: "401, refresh failing", run: refreshFails},
		{name: "401, credentials refused for a while", run: credentialsRefused},
	}
}

// held waits until the account is on hold, and returns since when.
func (w *world) held(reason holds.Reason) time.Time {
	w.t.Helper()
	var since time.Time
	w.await("the account is on hold", func() (bool, error) {
		holds, err := w.store.Holds.List(w.t.Context())
		for _, h := range holds {
			if h.Reason == reason {
				since = h.Since
			}
		}
		return !since.IsZero(), err
	})
	return since
}

// watchHold checks, after the hold has stood for d, that the upstream was left alone but for the probes (I11).
func (w *world) watchHold(d time.Duration) {
	w.t.Helper()
	from := w.held(holds.Payment).Add(upstreamTimeout) // by then, nothing is in flight any more
	w.await("the hold has stood for a while", func() (bool, error) { return time.Since(from) > d, nil })
	ledger, err := w.remote.Ledger(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, b := range judge.Held(ledger, sandbox.DefaultClientID, from, time.Now(), probeInterval) {
		w.t.Error(b)
	}
}

func (w *world) fund(n int) {
	w.t.Helper()
	if err := w.remote.SetBalance(w.t.Context(), sandbox.DefaultClientID, n); err != nil {
		w.t.Fatal(err)
	}
}

func holdThroughRestart(w *world) {
	first := w.worker()
	w.register("order", names("a", 4*batchSize)...)
	w.held(holds.Payment)
	w.stop(first)
	if err := w.redis.FlushAll(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.worker()
	w.worker()
	w.watchHold(4 * time.Second)
	w.prove("402, restart and FLUSHALL while held")
	w.fund(sandbox.Unlimited)
}

func probeTimesOut(w *world) {
	w.worker()
	w.register("order", names("a", 2*batchSize)...)
	w.held(holds.Payment)
	fired := w.inject(sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindBlackHole})
	w.hit(fired)
	w.proveCount("probe that times out", fired())
	w.watchHold(2 * time.Second)
	w.fund(sandbox.Unlimited)
}

func fundsForOne(w *world) {
	w.worker()
	w.register("order", names("a", 3*batchSize)...)
	w.held(holds.Payment)
	w.fund(1)
	w.await("the one registration is paid for", func() (bool, error) {
		ledger, err := w.remote.Ledger(w.t.Context())
		return err == nil && ledger.Balances[sandbox.DefaultClientID] == 0 && len(ledger.PaidDomains()) > 0, err
	})
	w.prove("probe with funds for one")
	w.watchHold(2 * time.Second)
	w.fund(sandbox.Unlimited)
}

func crashAtProbe(w *world) {
	// The first intent is that of the call that finds no money, the second that of the first probe.
	crasher := w.workerOf("register", "REGISTER_CONCURRENCY=1", "CRASH_AT=intended:2")
	w.register("order", names("a", batchSize)...)
	w.held(holds.Payment)
	w.crashed(crasher, "worker killed at a probe's intent")
	w.worker()
	w.watchHold(2 * time.Second)
	w.fund(sandbox.Unlimited)
}

func refreshFails(w *world) {
	refresh := w.inject(sandbox.Fault{Op: sandbox.OpAuthenticate, Kind: sandbox.KindStatus, Status: 500, Skip: 1, Count: 3})
	refused := w.inject(sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindStatus, Status: 401})
	w.worker()
	w.register("order", names("a", 2*batchSize)...)
	w.settled()
	w.proveCount("401", refused())
	w.proveCount("refresh of the token failing", refresh())
}

func credentialsRefused(w *world) {
	fired := w.inject(sandbox.Fault{Op: sandbox.OpAuthenticate, Kind: sandbox.KindStatus, Status: 401, Count: 4})
	w.worker()
	w.register("order", names("a", 2*batchSize)...)
	w.held(holds.Auth)
	w.settled()
	w.proveCount("credentials refused", fired())
}
