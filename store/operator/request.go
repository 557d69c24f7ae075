package operator

import (
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"
)

// Act is what an operator may do to jobs. Nothing else changes a final state.
type Act string

const (
	// ConfirmRegistered ends unconfirmed jobs: the registrar says that they are ours.
	ConfirmRegistered Act = "confirm registered"
	// ConfirmNotRegistered lets unconfirmed jobs go again, each after its own fresh check: the registrar says
	// that the earlier calls had no effect.
	ConfirmNotRegistered Act = "confirm not registered"
	// Retry gives failed and canceled jobs a new life.
	Retry Act = "retry"
	// RetryNow lets jobs that wait for their next attempt go at once. The wait after a paid call without an answer stays:
	// WHOIS may lag, and a reading before its time proves nothing.
	RetryNow Act = "retry now"
	// Cancel ends jobs that wait. A registration that may have been sent is not called for any more, and ends when
	// a fresh check has shown that no earlier call had an effect; if it shows the opposite, a person must decide.
	Cancel Act = "cancel"
)

// Skip says why an act leaves a job as it is.
type Skip string

// The reasons.
const (
	SkipEnded          Skip = "ended"           // cancel: it is final
	SkipRunning        Skip = "running"         // cancel of a check, confirm: it is being called for right now
	SkipCanceling      Skip = "canceling"       // cancel: it was canceled already, and is being looked into
	SkipUnconfirmed    Skip = "unconfirmed"     // cancel, retry: it must be confirmed first
	SkipSucceeded      Skip = "succeeded"       // retry: there is nothing to try again
	SkipUnfinished     Skip = "unfinished"      // retry: it has not ended
	SkipUnusable       Skip = "unusable"        // retry: what it lacks to be carried out is not there, see NewJob.Rejected
	SkipClaimed        Skip = "claimed"         // retry: another live or registered job has the domain
	SkipNotUnconfirmed Skip = "not_unconfirmed" // confirm: it does not wait for a person
	SkipNotWaiting     Skip = "not_waiting"     // retry now: it does not wait for its next attempt, or its time has come
	SkipUnanswered     Skip = "unanswered"      // retry now: a paid call for its domain has no definite answer, and it waits for that
	SkipMoved          Skip = "moved"           // it changed at that very moment
)

// Request is what an operator wants done, to which jobs.
type Request struct {
	Act      Act
	Operator string         // who, on record with every job
	Reason   string         // why; may be "" for all but confirming
	Orders   []record.Order // all their jobs
	Jobs     []uuid.UUID    // and these, which belong to none of the orders
	State    record.State   // only jobs in this state; "" for all
	Outcome  record.Outcome // only jobs with this outcome; "" for all

	// Looked is told after each page how many jobs were looked at so far, of Size; nil for nobody.
	Looked func(jobs int)
}

// Size is how many jobs a request is about at most.
func (r Request) Size() int {
	n := len(r.Jobs)
	for _, o := range r.Orders {
		n += o.Total
	}
	return n
}

func (r Request) looked(jobs int) {
	if r.Looked != nil {
		r.Looked(jobs)
	}
}

// Check says what is wrong with a request. CarryOut refuses it for the same.
func (r Request) Check() error {
	switch r.Act {
	case ConfirmRegistered, ConfirmNotRegistered, Retry, RetryNow, Cancel:
	default:
		return fmt.Errorf("there is no act %q", r.Act)
	}
	if r.Reason == "" && (r.Act == ConfirmRegistered || r.Act == ConfirmNotRegistered) {
		return errors.New("say how you know: the reason goes on record")
	}
	return record.CheckRecord(r.Operator, r.Reason)
}

// Count counts jobs that stood alike before an act.
type Count struct {
	Kind    record.Kind
	State   record.State
	Outcome record.Outcome
	Skip    Skip // "" for jobs that the act changes
	Jobs    int
	// Later counts those of them that a Cancel ends only after a fresh check: they were sent before, or are being
	// called for right now.
	Later int
}

// Report says what an act changes, or has changed, and what it leaves as it is.
type Report struct {
	Counts  []Count
	Claimed []orders.Claimant // who has the domains of SkipClaimed: the first of them
	Paused  []record.Order    // after an error of a cancel: the large orders that it stopped, and that stay so until it is repeated, or they are resumed
}

// Changed is how many jobs the act changes.
func (r Report) Changed() int {
	n := 0
	for _, c := range r.Counts {
		if c.Skip == "" {
			n += c.Jobs
		}
	}
	return n
}

// Later is how many of the changed jobs a cancel ends only after a fresh check.
func (r Report) Later() int {
	n := 0
	for _, c := range r.Counts {
		if c.Skip == "" {
			n += c.Later
		}
	}
	return n
}

// Skipped counts the jobs that stay as they are, by reason.
func (r Report) Skipped() map[Skip]int {
	skipped := map[Skip]int{}
	for _, c := range r.Counts {
		if c.Skip != "" {
			skipped[c.Skip] += c.Jobs
		}
	}
	return skipped
}

// add merges counts of another page.
func (r *Report) add(counts []Count) {
	for _, c := range counts {
		merged := false
		for i := range r.Counts {
			have := &r.Counts[i]
			if have.Kind == c.Kind && have.State == c.State && have.Outcome == c.Outcome && have.Skip == c.Skip {
				have.Jobs, have.Later, merged = have.Jobs+c.Jobs, have.Later+c.Later, true
			}
		}
		if !merged {
			r.Counts = append(r.Counts, c)
		}
	}
}
