package worker

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/store"
)

// plannedFor says in a word what a fresh check makes of one job.
func plannedFor(plan registrationPlan) string {
	switch {
	case len(plan.split) > 0:
		return "split"
	case len(plan.refused) > 0: // and so unless its whole batch is
		return string(plan.refused[0].end.State())
	case len(plan.send) > 0 && len(plan.cleared) > 0:
		return "cleared and sent"
	case len(plan.send) > 0:
		return "sent"
	case len(plan.ended) == 1 && len(plan.resolved) > 0:
		return "cleared and " + string(plan.ended[0].State())
	case len(plan.ended) == 1:
		return string(plan.ended[0].State())
	}
	return "nothing"
}

// What a fresh check makes of a job depends on what earlier calls left behind. Nothing is sent, and no job ends, on the word
// of one reading, where a call before may have had an effect that WHOIS does not show yet.
func TestPlanOfARegistration(t *testing.T) {
	t.Parallel()
	const (
		available = "available"
		taken     = "taken"
		silent    = "silent"  // WHOIS does not say
		refused   = "refused" // WHOIS refuses the question
	)
	// Unsettled is what Histories says with every unknown attempt, and with some that were refused.
	unknown := store.History{Unknown: true, Unsettled: true}
	together := store.History{Doubtful: true, Unsettled: true} // went down with its whole call
	for _, c := range []struct {
		name     string
		history  store.History
		attempts int // 0: 1
		want     map[string]string
	}{
		{"never sent", store.History{}, 0, map[string]string{available: "sent", taken: "failed", silent: "retrying", refused: "failed"}},
		{"never sent, too often checked", store.History{}, 13, map[string]string{available: "failed", silent: "failed"}},
		{"registered by a late reply", store.History{Registered: true}, 0, map[string]string{available: "succeeded", taken: "succeeded", silent: "succeeded"}},
		{"registered for a job that had ended", store.History{Ours: true}, 0, map[string]string{available: "unconfirmed", taken: "unconfirmed", silent: "unconfirmed"}},
		{"sent without an answer", unknown, 0, map[string]string{available: "retrying", taken: "unconfirmed", silent: "retrying", refused: "unconfirmed"}},
		{"sent without an answer, read once", with(unknown, func(h *store.History) { h.Readings = 1 }), 0, map[string]string{available: "cleared and sent", taken: "unconfirmed"}},
		{"sent without an answer, read too early", with(unknown, func(h *store.History) { h.Readings, h.Wait = 1, time.Second }), 0, map[string]string{available: "retrying"}},
		{"sent without an answer, and called taken since", with(unknown, func(h *store.History) { h.Readings, h.Taken = 5, true }), 0, map[string]string{available: "unconfirmed"}},
		{"sent without an answer too often", with(unknown, func(h *store.History) { h.Readings = 1 }), 13, map[string]string{available: "cleared and failed", silent: "retrying"}},
		{"refused with its whole call", together, 0, map[string]string{available: "sent", taken: "unconfirmed", silent: "retrying"}},
		{"refused alone", store.History{Doubtful: true, Refused: true, Refusal: "no"}, 0, map[string]string{available: "failed", taken: "unconfirmed"}},
		{"refused with its whole call, then alone", with(together, func(h *store.History) { h.Refused, h.Refusal = true, "no" }), 0,
			map[string]string{available: "retrying", taken: "unconfirmed"}},
		{"refused with its whole call, then alone, read too early", with(together, func(h *store.History) { h.Refused, h.Readings, h.Wait = true, 1, time.Second }), 0,
			map[string]string{available: "retrying"}},
		{"refused with its whole call, then alone, and read", with(together, func(h *store.History) { h.Refused, h.Readings = true, 1 }), 0,
			map[string]string{available: "failed", taken: "unconfirmed"}},
		{"canceled, never sent", store.History{Canceled: true}, 0, map[string]string{available: "canceled", taken: "canceled", silent: "canceled"}},
		{"canceled, refused with its whole call", with(together, func(h *store.History) { h.Canceled = true }), 0, map[string]string{available: "retrying", taken: "unconfirmed"}},
		{"canceled, refused with its whole call, and read", with(together, func(h *store.History) { h.Canceled, h.Readings = true, 1 }), 0, map[string]string{available: "canceled"}},
		{"canceled, without an answer, and read", with(unknown, func(h *store.History) { h.Canceled, h.Readings = true, 1 }), 0, map[string]string{available: "cleared and canceled"}},
	} {
		got := map[string]string{}
		for said := range c.want {
			f := map[string]fate{
				available: {course: courseDone}, taken: {course: courseDone, taken: true},
				silent: {course: courseRetry, words: "busy"}, refused: {course: courseSplit, words: "what?"},
			}[said]
			job := store.ClaimedJob{ID: uuid.New(), Domain: "a.nl", Attempts: max(c.attempts, 1)}
			p := &pipeline{kind: store.Register, options: Options{MaxAttempts: 12, ReconcileChecks: 2, ReconcileEvery: time.Minute, Luck: func() float64 { return 1 }}}
			got[said] = plannedFor(p.planRegistration([]store.ClaimedJob{job}, []fate{f}, map[uuid.UUID]store.History{job.ID: c.history}))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func with(h store.History, change func(*store.History)) store.History {
	change(&h)
	return h
}
