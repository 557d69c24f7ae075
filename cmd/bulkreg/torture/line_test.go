package torture

import (
	"time"
)

// bulkRegister is how a paid call begins.
const bulkRegister = "POST /domain/bulk"

// brokenLines break the line to the upstream during a paid call. What became of it has to be found out.
func brokenLines() []scenario {
	unanswered := expectation{unconfirmed: batchSize}
	return []scenario{
		{name: "upstream's line cut during a paid call", run: cutUpstream, want: unanswered},
		{name: "upstream's reply lost on the way", run: loseReply, want: unanswered},
		{name: "upstream a black hole", run: blackHoleUpstream, want: unanswered},
		{name: "upstream's line trickles", run: trickleUpstream, want: unanswered},
		{name: "upstream's line slower than the timeout", run: delayUpstream, want: unanswered},
		{name: "upstream refuses connections", run: refuseUpstream},
		{name: "upstream killed and restarted", run: restartUpstream, want: unanswered},
	}
}

func cutUpstream(w *world) {
	fired := w.slowRegister(800 * time.Millisecond)
	w.worker()
	w.register("order", names("a", batchSize)...)
	w.hit(fired)
	w.proveCount("lines to the upstream cut", w.toUpstream.Cut())
}

func loseReply(w *world) {
	w.toUpstream.DropReply(bulkRegister)
	w.worker()
	w.register("order", names("a", 2*batchSize)...)
	w.settled()
	w.proveCount("reply of the upstream dropped", w.toUpstream.Counts().Dropped)
}

func blackHoleUpstream(w *world) {
	w.worker()
	fired := w.slowRegister(500 * time.Millisecond)
	w.register("order", names("a", batchSize)...)
	w.hit(fired)
	w.toUpstream.BlackHole()
	pass(w.t, 3*time.Second)
	w.proveCount("bytes to and from the upstream swallowed", w.toUpstream.Counts().Swallowed)
	w.toUpstream.Heal()
}

func trickleUpstream(w *world) {
	w.worker()
	fired := w.slowRegister(300 * time.Millisecond)
	w.register("order", names("a", batchSize)...)
	w.hit(fired)
	w.toUpstream.Trickle(time.Second)
	pass(w.t, 2500*time.Millisecond)
	w.proveCount("bytes of the upstream's replies that came one by one", w.toUpstream.Counts().Trickled)
	w.toUpstream.Heal()
}

func delayUpstream(w *world) {
	w.worker()
	fired := w.slowRegister(300 * time.Millisecond)
	w.register("order", names("a", batchSize)...)
	w.hit(fired)
	w.toUpstream.Delay(1500 * time.Millisecond)
	w.await("something is delayed", func() (bool, error) { return w.toUpstream.Counts().Delayed > 2, nil })
	w.toUpstream.Heal()
	w.proveCount("pieces of data to and from the upstream delayed", w.toUpstream.Counts().Delayed)
}

func refuseUpstream(w *world) {
	w.toUpstream.Refuse()
	w.worker()
	w.register("order", names("a", batchSize)...)
	w.await("connections are refused", func() (bool, error) { return w.toUpstream.Counts().Refused > 3, nil })
	w.toUpstream.Heal()
	w.proveCount("connections to the upstream refused", w.toUpstream.Counts().Refused)
}

// The tokens of the sandbox die with it, and its ledger lives on.
func restartUpstream(w *world) {
	w.worker()
	fired := w.slowRegister(800 * time.Millisecond)
	w.register("order", names("a", 5*batchSize)...)
	w.hit(fired)
	if err := w.upstream.Kill(); err != nil {
		w.t.Fatal(err)
	}
	w.startSandbox(address(w.remote.BaseURL))
	w.prove("upstream killed and restarted")
}
