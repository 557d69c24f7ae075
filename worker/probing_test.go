package worker

import (
	"testing"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/worker/registrar"
)

// The check before a probe's paid call is answered, and the call is not made: the process stood still too long. That says nothing
// of an upstream that registers nothing.
func TestProbeThatIsNotSentProvesNothing(t *testing.T) {
	t.Parallel()
	probe := &probing{scope: holds.ScopeRegister, reason: holds.Outage}
	probe.hear(false)
	fates := fatesOfRegistrations([]string{"a.nl"}, registrar.RegisterReply{}, errTooLate)
	(&pipeline{}).heedOutage(t.Context(), batch{probe: probe}, record.OpRegister, fates, registrar.Answer{})
	probe.note(record.OpRegister, fates)
	if probe.passed {
		t.Error("the probe passed without a call")
	}
}
