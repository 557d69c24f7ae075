package worker

import (
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/worker/registrar"
)

// inWords says in a word or two what was decided.
func inWords(d decision) string {
	switch {
	case d.move == moveSend && d.clears:
		return "cleared and sent"
	case d.move == moveSend:
		return "sent"
	case d.move == moveSplit:
		return "split"
	case d.move == moveSuspect && d.end.State() == record.Retrying:
		return "suspect"
	case d.end.NeedsReadings():
		return "cleared and " + string(d.end.State())
	}
	return string(d.end.State())
}

var testPolicy = newPolicy(record.Register, Options{
	UpstreamTimeout: 30 * time.Second, ReconcileAfter: 10 * time.Minute, ReconcileEvery: time.Minute, ReconcileChecks: 2,
	MaxAttempts: 12, RetryBase: time.Second, RetryMax: time.Minute, HoldInterval: time.Minute,
})

// Every answer to a registration that a worker can get, with everything that earlier calls can have left behind. Nothing is
// sent, and no job ends, on the word of one reading, where a call before may have had an effect that WHOIS does not show yet.
func TestDecisions(t *testing.T) {
	t.Parallel()
	const (
		// What the fresh check says.
		available = "available"
		premium   = "premium" // available, and a word that bars
		taken     = "taken"
		silent    = "silent"  // WHOIS does not say
		refused   = "refused" // WHOIS refuses the question
		away      = "away"    // the upstream does not answer at all
		// What the paid call brings.
		paid       = "paid"
		accepted   = "paid: accepted"
		unanswered = "paid: unanswered"
		gone       = "paid: away"
		rejected   = "paid: item refused"
		together   = "paid: call refused" // with others in it
		alone      = "paid: refused alone"
		broke      = "paid: 402"
		busy       = "paid: 429"
		unsent     = "paid: not sent"
	)
	answers := map[string]answer{
		available:  {op: record.OpCheck, fate: said(registrar.Available, "free")},
		premium:    {op: record.OpCheck, fate: said(registrar.Available, "premium, 1200.00 EUR")},
		taken:      {op: record.OpCheck, fate: said(registrar.Taken, "active")},
		silent:     {op: record.OpCheck, fate: fate{course: courseRetry, words: "busy"}},
		refused:    {op: record.OpCheck, fate: fate{course: courseSplit, words: "what?"}, alone: true},
		away:       {op: record.OpCheck, fate: fate{course: courseHold, hold: holds.Outage}},
		paid:       {op: record.OpRegister, fate: fate{course: courseDone, sent: true, definite: true}},
		accepted:   {op: record.OpRegister, fate: fate{course: courseAccepted, sent: true}},
		unanswered: {op: record.OpRegister, fate: fate{course: courseUnknown, sent: true}},
		gone:       {op: record.OpRegister, fate: fate{course: courseUnknown, hold: holds.Outage, sent: true}},
		rejected:   {op: record.OpRegister, fate: fate{course: courseReject, sent: true, definite: true, status: 422}},
		together:   {op: record.OpRegister, fate: fate{course: courseSplit, sent: true, status: 422}},
		alone:      {op: record.OpRegister, fate: fate{course: courseSplit, sent: true, status: 422}, alone: true},
		broke:      {op: record.OpRegister, fate: fate{course: courseHold, hold: holds.Payment, sent: true, status: 402}},
		busy:       {op: record.OpRegister, fate: fate{course: courseWait, sent: true, status: 429}},
		unsent:     {op: record.OpRegister, fate: fate{course: courseRetry}},
	}
	// Unsettled is what Histories says with every unknown attempt, and with some that were refused.
	unknown := ledger.History{Unknown: true, Unsettled: true}
	doubtful := ledger.History{Doubtful: true, Unsettled: true} // went down with its whole call
	pending := ledger.History{Unknown: true, Accepted: true, Unsettled: true}
	for _, c := range []struct {
		name     string
		history  ledger.History
		attempts int // 0: 1
		want     map[string]string
	}{
		{"never sent", ledger.History{}, 0, map[string]string{
			available: "sent", premium: "failed", taken: "failed", silent: "retrying", refused: "failed", away: "held",
			paid: "succeeded", accepted: "retrying", unanswered: "retrying", gone: "retrying", rejected: "failed", together: "split",
			alone: "suspect", broke: "held", busy: "retrying", unsent: "retrying"}},
		{"never sent, too often checked", ledger.History{}, 13, map[string]string{available: "failed", silent: "failed", away: "held"}},
		{"registered by a late reply", ledger.History{Registered: true}, 0, map[string]string{
			available: "succeeded", premium: "succeeded", taken: "succeeded", silent: "succeeded"}},
		{"registered for a job that had ended", ledger.History{Ours: true}, 0, map[string]string{
			available: "unconfirmed", taken: "unconfirmed", silent: "unconfirmed"}},
		{"sent without an answer", unknown, 0, map[string]string{
			available: "retrying", premium: "retrying", taken: "unconfirmed", silent: "retrying", refused: "unconfirmed", away: "held"}},
		{"sent without an answer, read once", with(unknown, func(h *ledger.History) { h.Readings = 1 }), 0, map[string]string{
			available: "cleared and sent", premium: "cleared and failed", taken: "unconfirmed", rejected: "retrying"}},
		{"sent without an answer, read too early", with(unknown, func(h *ledger.History) { h.Readings, h.Wait = 1, time.Second }), 0,
			map[string]string{available: "retrying"}},
		{"sent without an answer, and called taken since", with(unknown, func(h *ledger.History) { h.Readings, h.Taken = 5, true }), 0,
			map[string]string{available: "unconfirmed"}},
		{"sent without an answer too often", with(unknown, func(h *ledger.History) { h.Readings = 1 }), 13,
			map[string]string{available: "cleared and failed", silent: "retrying"}},
		{"accepted", pending, 0, map[string]string{available: "retrying", premium: "retrying", taken: "unconfirmed", silent: "retrying"}},
		{"accepted, and read often enough", with(pending, func(h *ledger.History) { h.Readings = 5 }), 0,
			map[string]string{available: "unconfirmed", taken: "unconfirmed"}},
		{"accepted, canceled, and read often enough", with(pending, func(h *ledger.History) { h.Readings, h.Canceled = 5, true }), 0,
			map[string]string{available: "unconfirmed"}},
		{"refused with its whole call", doubtful, 0, map[string]string{
			available: "sent", premium: "retrying", taken: "unconfirmed", silent: "retrying", rejected: "retrying", alone: "suspect"}},
		{"refused alone", ledger.History{Doubtful: true, Refused: true, Refusal: "no"}, 0, map[string]string{available: "failed", taken: "unconfirmed"}},
		{"refused with its whole call, then alone", with(doubtful, func(h *ledger.History) { h.Refused, h.Refusal = true, "no" }), 0,
			map[string]string{available: "retrying", taken: "unconfirmed"}},
		{"refused with its whole call, then alone, read too early", with(doubtful, func(h *ledger.History) { h.Refused, h.Readings, h.Wait = true, 1, time.Second }), 0,
			map[string]string{available: "retrying"}},
		{"refused with its whole call, then alone, and read", with(doubtful, func(h *ledger.History) { h.Refused, h.Readings = true, 1 }), 0,
			map[string]string{available: "failed", taken: "unconfirmed"}},
		{"canceled, never sent", ledger.History{Canceled: true}, 0, map[string]string{available: "canceled", taken: "canceled", silent: "canceled"}},
		{"canceled, refused with its whole call", with(doubtful, func(h *ledger.History) { h.Canceled = true }), 0,
			map[string]string{available: "retrying", taken: "unconfirmed"}},
		{"canceled, refused with its whole call, and read", with(doubtful, func(h *ledger.History) { h.Canceled, h.Readings = true, 1 }), 0,
			map[string]string{available: "canceled"}},
		{"canceled, without an answer, and read", with(unknown, func(h *ledger.History) { h.Canceled, h.Readings = true, 1 }), 0,
			map[string]string{available: "cleared and canceled"}},
	} {
		got := map[string]string{}
		for said := range c.want {
			job := ledger.ClaimedJob{ID: uuid.New(), Domain: "a.nl", Attempts: max(c.attempts, 1)}
			got[said] = inWords(testPolicy.decide(job, c.history, answers[said]))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// What a paid call leaves behind in its attempt, and whether that bars the domain.
func TestAttemptsAfterAPaidCall(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		fate fate
		want record.AttemptState
		code int
	}{
		{"registered", fate{course: courseDone, sent: true, definite: true, status: 200}, record.AttemptRegistered, 200},
		{"accepted", fate{course: courseAccepted, sent: true, status: 202}, record.AttemptUnknown, 202},
		{"unanswered", fate{course: courseUnknown, sent: true, status: 500}, record.AttemptUnknown, 500},
		{"item refused", fate{course: courseReject, sent: true, definite: true, status: 422}, record.AttemptFailed, 422},
		{"call refused", fate{course: courseSplit, sent: true, status: 400}, record.AttemptRefused, 400},
		{"no money", fate{course: courseHold, hold: holds.Payment, sent: true, status: 402}, record.AttemptRefused, 0},
		{"no money for the item", fate{course: courseHold, hold: holds.Payment, sent: true, definite: true, status: 402}, record.AttemptFailed, 0},
		{"everybody refused", fate{course: courseHold, hold: holds.Contract, own: true, sent: true, definite: true, status: 422}, record.AttemptFailed, 422},
		{"not sent", fate{course: courseRetry}, record.AttemptNotSent, 0},
	} {
		d := testPolicy.decide(ledger.ClaimedJob{ID: uuid.New()}, ledger.History{}, answer{op: record.OpRegister, fate: c.fate})
		if d.attempt != c.want || d.code != c.code {
			t.Errorf("%s: %s with %d, want %s with %d", c.name, d.attempt, d.code, c.want, c.code)
		}
	}
}

// A word of WHOIS that bars does so unless the order allows it.
func TestAllowedStatus(t *testing.T) {
	t.Parallel()
	a := answer{op: record.OpCheck, fate: said(registrar.Available, "premium, 1200.00 EUR")}
	for allowed, want := range map[string]string{"premium": "sent", "reserved": "failed", "": "failed"} {
		job := ledger.ClaimedJob{ID: uuid.New(), Attempts: 1, AllowStatus: []string{allowed}}
		if got := inWords(testPolicy.decide(job, ledger.History{}, a)); got != want {
			t.Errorf("with %q allowed it is %s, want %s", allowed, got, want)
		}
	}
}

// said is what a check found.
func said(a registrar.Availability, status string) fate {
	return fateOfCheck(registrar.Check{Domain: "a.nl", Availability: a, Status: status}, 200)
}

func with(h ledger.History, change func(*ledger.History)) ledger.History {
	change(&h)
	return h
}
