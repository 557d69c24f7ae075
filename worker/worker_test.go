package worker_test

import (
	"slices"
	"testing"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

func TestMixedOrdersEndAsTheyShould(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	b.work(b.options())

	checks := slices.Concat(names("free", 120), names("taken", 30))
	registrations := slices.Concat(names("shop", 110), names("taken", 12), names("refused", 8))
	whois := b.submit(queue.Whois, "checks", checks)
	register := b.submit(queue.Register, "registrations", registrations)
	b.settled(whois, register)

	b.want(whois, outcomes(checks, func(d string) store.Outcome {
		if labelled("taken")(d) {
			return store.Taken
		}
		return store.Available
	}))
	b.want(register, outcomes(registrations, func(d string) store.Outcome {
		switch {
		case labelled("taken")(d):
			return store.Taken
		case labelled("refused")(d):
			return store.Rejected
		default:
			return store.Registered
		}
	}))
	b.invariants()
	if paid := b.sandbox.Ledger().PaidDomains(); len(paid) != 110 {
		t.Errorf("%d domains were paid for, want 110", len(paid))
	}
}
