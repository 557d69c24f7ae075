package worker_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// Twenty faults at random, over WHOIS and registrations at once. TEST_SEED repeats a sequence.
func TestRandomFaults(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if given := os.Getenv("TEST_SEED"); given != "" {
		var err error
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	for i := range uint64(3) {
		t.Run(fmt.Sprint("TEST_SEED=", seed+i), func(t *testing.T) {
			t.Parallel()
			randomFaults(t, rand.New(rand.NewPCG(seed+i, 0)))
		})
	}
}

func randomFaults(t *testing.T, rng *rand.Rand) {
	b := setup(t, sandbox.Options{ChargeTwice: true, Seed: rng.Uint64()})
	var injected []*sandbox.Injected
	for range 20 {
		f, err := b.sandbox.Inject(randomFault(rng))
		if err != nil {
			t.Fatal(err)
		}
		injected = append(injected, f)
	}
	for i := range 2 {
		o := b.options()
		o.Name = fmt.Sprint("worker ", i)
		o.UpstreamTimeout = time.Second
		o.MaxAttempts = 50
		b.work(o)
	}
	domains := append(append(append(names("shop", 180), names("taken", 10)...), names("refused", 5)...), names("poison", 2)...)
	sums := b.settled(b.submit(queue.Register, "r", domains), b.submit(queue.Whois, "w", names("free", 500)))
	fired := 0
	for _, f := range injected {
		fired += f.Fired()
	}
	if fired < 5 {
		t.Errorf("only %d faults happened", fired)
	}
	b.invariants()
	if n := len(b.sandbox.Ledger().Resends()); n > 0 {
		t.Errorf("%d domains were sent again after they had been registered", n)
	}
	// A fault that refuses a call of one domain refuses that domain: there may be a few.
	if refused := sums[1].Outcomes[record.Rejected]; sums[1].Counts[record.Succeeded]+refused != 500 || refused > 5 {
		t.Errorf("WHOIS checks ended as %v", sums[1].Outcomes)
	}
	t.Logf("%d faults; registrations ended as %v %v", fired, sums[0].Counts, sums[0].Outcomes)
}

func randomFault(rng *rand.Rand) sandbox.Fault {
	pick := func(from ...sandbox.Kind) sandbox.Kind { return from[rng.IntN(len(from))] }
	f := sandbox.Fault{Op: sandbox.OpWhois, Skip: rng.IntN(6), Count: 1 + rng.IntN(2), K: 1 + rng.IntN(40), Items: 1 + rng.IntN(5)}
	if rng.IntN(3) > 0 {
		f.Op = sandbox.OpRegister
	}
	f.Kind = pick(sandbox.KindStatus, sandbox.KindStatus, sandbox.KindCut, sandbox.KindReset, sandbox.KindHTML,
		sandbox.KindSlow, sandbox.KindTruncate, sandbox.KindHalfJSON, sandbox.KindMissing, sandbox.KindDoubled, sandbox.KindExtra, sandbox.KindUpper)
	switch f.Kind {
	case sandbox.KindStatus:
		statuses := []int{400, 401, 402, 404, 405, 422, 429, 500, 502, 503}
		f.Status = statuses[rng.IntN(len(statuses))]
		f.Bare = rng.IntN(4) == 0
		fallthrough
	case sandbox.KindCut, sandbox.KindReset:
		effects := []sandbox.Effect{sandbox.EffectNone, sandbox.EffectAll, sandbox.EffectFirst}
		f.Effect = effects[rng.IntN(len(effects))]
	case sandbox.KindSlow:
		f.Delay = time.Duration(1+rng.IntN(1500)) * time.Millisecond
	}
	return f
}
