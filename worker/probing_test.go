package worker

import (
	"testing"

	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/worker/registrar"
)

// The check before a probe's paid call is answered, and the call is not made: the process stood still too long. That says nothing
// of an upstream that registers nothing.
func TestProbeThatIsNotSentProvesNothing(t *testing.T) {
	t.Parallel()
	probe := &probing{scope: store.ScopeRegister, reason: store.HoldOutage}
	probe.hear(false)
	fates := fatesOfRegistrations([]string{"a.nl"}, registrar.RegisterReply{}, errTooLate)
	(&pipeline{}).heedOutage(t.Context(), batch{probe: probe}, store.OpRegister, fates, registrar.Answer{})
	probe.note(store.OpRegister, fates)
	if probe.passed {
		t.Error("the probe passed without a call")
	}
}
