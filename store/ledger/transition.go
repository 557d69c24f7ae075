package ledger

import (
	"time"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
)

// Transition is a change of one job's state that a call has brought about. Only the constructors below make one.
type Transition struct {
	job     uuid.UUID
	state   record.State
	outcome record.Outcome
	text    string
	delay   time.Duration
	refund  bool
	cleared bool   // it holds only if nothing is unanswered any more
	whois   string // what WHOIS said beside available or taken; "" where it said nothing else
}

// Job is the job that changes.
func (t Transition) Job() uuid.UUID { return t.job }

// State is what the job changes to.
func (t Transition) State() record.State { return t.state }

// NeedsReadings reports whether the transition is ByReadings.
func (t Transition) NeedsReadings() bool { return t.cleared }

// Succeed ends a job well. It may follow every state that is not final, so that a late reply counts.
func Succeed(job uuid.UUID, outcome record.Outcome) Transition {
	return Transition{job: job, state: record.Succeeded, outcome: outcome}
}

// Fail ends a job badly, with the reason in the upstream's words. It may follow every state that is not final.
func Fail(job uuid.UUID, outcome record.Outcome, text string) Transition {
	return Transition{job: job, state: record.Failed, outcome: outcome, text: record.Clip(text)}
}

// Cancel ends a running job that an operator has canceled.
func Cancel(job uuid.UUID, text string) Transition {
	return Transition{job: job, state: record.Canceled, text: record.Clip(text)}
}

// Retry sets a running job's next attempt.
func Retry(job uuid.UUID, delay time.Duration, text string) Transition {
	return Transition{job: job, state: record.Retrying, delay: delay, text: record.Clip(text)}
}

// RetryFree is Retry for what is not the job's fault: the attempt is not counted.
func RetryFree(job uuid.UUID, delay time.Duration, text string) Transition {
	return Transition{job: job, state: record.Retrying, delay: delay, text: record.Clip(text), refund: true}
}

// Hold lets a running job wait until the hold on its account is lifted. The attempt is not counted.
func Hold(job uuid.UUID, text string) Transition {
	return Transition{job: job, state: record.Held, text: record.Clip(text), refund: true}
}

// Unconfirm leaves a running job to a person: it was perhaps paid for, and its domain is taken.
func Unconfirm(job uuid.UUID, text string) Transition {
	return Transition{job: job, state: record.Unconfirmed, text: record.Clip(text)}
}

// ByReadings is a transition that holds only if the readings clear every unanswered attempt on the job's domain: Postgres
// judges that in the same transaction, and leaves the job as it is otherwise.
func ByReadings(t Transition) Transition {
	t.cleared = true
	return t
}

// Saying is a transition with what WHOIS said of the domain beside available or taken, for people.
func Saying(t Transition, words string) Transition {
	t.whois = record.Clip(words)
	return t
}

// Wordless is a transition without words.
func Wordless(t Transition) Transition {
	t.text, t.whois = "", ""
	return t
}

// Stay leaves a job as it is, running under its claim: its half of a batch that was refused follows at once.
func Stay(job uuid.UUID) Transition { return Transition{job: job} }

// PaidTransition is a Transition together with how the job's attempt ended.
type PaidTransition struct {
	Transition
	Attempt    record.AttemptState
	Accepted   bool   // with AttemptUnknown: the upstream will carry it out later
	StatusCode int    // of the item; 0 where it had none
	Message    string // the upstream's words
}
