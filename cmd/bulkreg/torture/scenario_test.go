package torture

import (
	"slices"
	"testing"
	"time"
)

// scenario is one fault, or a few that belong together, and how the registrations under it may end.
type scenario struct {
	name  string
	quick bool // run by every `go test`
	needs needs
	run   func(*world) // starts workers, gives orders, and proves its fault
	want  expectation
	// progress is how long work of an account and kind may stand still that could go on (I13); 0: nobody looks.
	progress time.Duration
}

func scenarios() []scenario {
	return slices.Concat(crashes(), stops(), shutdowns(), redisFaults(), databaseFaults(), producerFaults(),
		brokenLines(), upstreamFaults(), quotingRegistrars(), whoisFaults(), holdFaults(),
		waitingLines(), refusals(), frozen(), production(), standstills(), failovers(), tokenFaults(), webhookFaults(), rollouts(), runbooks())
}

// Scenarios are told apart by their names.
func TestScenarioNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range scenarios() {
		if seen[s.name] {
			t.Errorf("two scenarios are called %q", s.name)
		}
		seen[s.name] = true
	}
}

// play runs a scenario and judges it.
func (s scenario) play(t *testing.T, results *tally) {
	t.Helper()
	begun := time.Now()
	w := newWorld(t, s.needs)
	if s.progress > 0 {
		w.watched = w.watchProgress(s.progress)
	}
	s.run(w)
	v := w.verdict(s.want, thorough())
	if len(w.proven) == 0 {
		t.Error("I12: no fault was proven to happen")
	}
	results.add(w, v)
	t.Logf("%v: %d jobs, %d registered, %d unconfirmed (%d of them not paid for); %v",
		time.Since(begun).Round(100*time.Millisecond), v.Jobs, v.Registered, v.Unconfirmed, v.Unpaid, w.faults())
}
