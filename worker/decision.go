package worker

import (
	"time"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/worker/registrar"
)

// decide is the one place where the fate of a registration is decided: from the job, from what earlier paid calls left behind
// for its domain, and from the newest answer. It is pure.
//
// What it rests on: no domain is sent on the word of one reading where a call before may have had an effect, and no job ends
// on it. What was refused with its whole call goes again only after a fresh check. Whoever needs readings gets them from
// Postgres' clock: ByReadings, and the intent, judge again what is decided here.
func (p *policy) decide(j ledger.ClaimedJob, h ledger.History, a answer) decision {
	if a.op == record.OpRegister {
		return p.decidePaid(j, h, a)
	}
	d := p.decideChecked(j, h, a)
	if !h.Clean() && a.fate.course == courseDone {
		d.reading = record.Available
		if a.fate.taken {
			d.reading = record.Taken
		}
	}
	return d
}

// answer is the newest that is known of a job.
type answer struct {
	op    record.Op // the fresh check, or the paid call
	fate  fate
	alone bool    // the call was about this job only
	luck  float64 // a random number in [0, 1) that the jobs of one call share
}

// move is what is to be done with a job.
type move string

const (
	moveSettle  move = "settle"  // write the transition
	moveSend    move = "send"    // it is free to be paid for
	moveSplit   move = "split"   // its call was refused as a whole: look for the bad one
	moveSuspect move = "suspect" // it was refused alone: it ends so, unless everything else is refused in the same words
)

// decision is what becomes of a registration.
type decision struct {
	move    move
	end     ledger.Transition   // with moveSettle, and with moveSuspect if the job is bad
	attempt record.AttemptState // of a paid call
	code    int                 // the status code to keep with the attempt; 0: it was not the job that was refused
	reading record.Outcome      // what WHOIS said, where an earlier call left doubt; "" where it did not
	clears  bool                // with moveSend: the readings should clear what is unanswered
}

// policy is what decisions depend on beside the job.
type policy struct {
	kind        record.Kind
	timeout     time.Duration // of an upstream call
	proof       ledger.Proof
	maxAttempts int
	retryMax    time.Duration
	hold        time.Duration // until a job is tried again that a hold for another kind stopped
	backoff     backoff
}

func newPolicy(kind record.Kind, o Options) *policy {
	return &policy{
		kind: kind, timeout: o.UpstreamTimeout, proof: o.proof(), maxAttempts: o.MaxAttempts, retryMax: o.RetryMax, hold: o.HoldInterval,
		backoff: backoff{base: o.RetryBase, ceiling: o.RetryMax},
	}
}

// proof is what it takes to show that a paid call had no effect.
func (o Options) proof() ledger.Proof {
	return ledger.Proof{After: o.ReconcileAfter, Every: o.ReconcileEvery, Checks: o.ReconcileChecks}
}

// proven reports whether WHOIS, which has just called the domain available, has done so often enough.
func (p *policy) proven(h ledger.History) bool { return h.Wait <= 0 && h.Readings+1 >= p.proof.Checks }

// decideChecked decides after a fresh check.
func (p *policy) decideChecked(j ledger.ClaimedJob, h ledger.History, a answer) decision {
	f := a.fate
	switch {
	case h.Registered:
		return settle(ledger.Succeed(j.ID, record.Registered))
	case h.Ours:
		return settle(ledger.Unconfirm(j.ID, "an earlier call for this domain succeeded after its job had ended: it is ours, or was"))
	case h.Canceled && h.Clean():
		return settle(ledger.Cancel(j.ID, h.CanceledHow))
	case f.course == courseSplit && !a.alone:
		return decision{move: moveSplit}
	case f.course == courseSplit && h.Clean():
		return decision{move: moveSuspect, end: ledger.Fail(j.ID, record.Rejected, f.words)}
	case f.course == courseSplit:
		return decision{move: moveSuspect, end: ledger.Unconfirm(j.ID, "it was sent before, and WHOIS refuses to say whether it is taken: "+f.words)}
	case f.course != courseDone:
		return settle(p.checkAgain(j, h, f, a.luck))
	case f.taken && h.Clean():
		return settle(ledger.Saying(ledger.Fail(j.ID, record.Taken, "WHOIS says that the domain is taken"), f.aside()))
	case f.taken, h.Taken:
		return settle(ledger.Saying(ledger.Unconfirm(j.ID, "it was sent before without a definite answer, and is taken now: ours or somebody else's?"), f.aside()))
	case h.Accepted:
		return settle(p.acceptedStill(j, h))
	case h.Unknown && !p.proven(h):
		return settle(p.askAgain(j, h, "an earlier call has no answer"))
	default:
		return p.decideFree(j, h, f)
	}
}

// decideFree decides on a job whose domain is free, so that no earlier call for it can have had an effect.
func (p *policy) decideFree(j ledger.ClaimedJob, h ledger.History, f fate) decision {
	var end ledger.Transition
	words, barred := registrar.Barred(f.check, j.AllowStatus)
	switch ends := h.Canceled || h.Refused || barred || j.Attempts > p.maxAttempts; {
	case ends && h.Unsettled && !p.proven(h):
		return settle(p.askAgain(j, h, "an earlier call may have had an effect"))
	case h.Canceled:
		end = ledger.Cancel(j.ID, h.CanceledHow)
	case h.Refused:
		end = ledger.Fail(j.ID, record.Rejected, h.Refusal)
	case barred:
		end = ledger.Fail(j.ID, record.Rejected, "WHOIS says available, but "+words+": the order does not allow it")
	case j.Attempts > p.maxAttempts:
		end = ledger.Fail(j.ID, record.Exhausted, h.Refusal)
	default:
		return decision{move: moveSend, clears: h.Unknown}
	}
	if h.Unknown {
		end = ledger.ByReadings(end)
	}
	return settle(ledger.Saying(end, f.aside()))
}

// acceptedStill is for a domain that the registrar has accepted and that WHOIS calls available: it may come yet, and no reading
// proves that it will not. When there are as many readings as would do for a call without an answer, a person must decide.
func (p *policy) acceptedStill(j ledger.ClaimedJob, h ledger.History) ledger.Transition {
	if p.proven(h) {
		return ledger.Unconfirm(j.ID, "the registrar accepted it and has not registered it yet, as far as WHOIS says: ask whether it will")
	}
	return p.askAgain(j, h, "the registrar has accepted it")
}

// decidePaid decides after a paid call. A job ends badly here only if the upstream refused it by itself and no earlier call for
// its domain may have had an effect. Others pass one more fresh check, which may show that they were registered all the same.
func (p *policy) decidePaid(j ledger.ClaimedJob, h ledger.History, a answer) decision {
	f := a.fate
	d := decision{move: moveSettle, code: f.status}
	switch {
	case f.course == courseDone:
		d.attempt, d.end = record.AttemptRegistered, ledger.Succeed(j.ID, record.Registered)
	case f.course == courseAccepted:
		d.attempt, d.end = record.AttemptUnknown, ledger.RetryFree(j.ID, p.unanswered(f), "accepted by the registrar, not registered yet: "+f.words)
	case f.course == courseUnknown && f.hold != "":
		// The upstream is away: that is no fault of the job's.
		d.attempt, d.end = record.AttemptUnknown, ledger.RetryFree(j.ID, p.unanswered(f), "sent, and not answered: "+f.words)
	case f.course == courseUnknown:
		d.attempt, d.end = record.AttemptUnknown, ledger.Retry(j.ID, p.unanswered(f), "sent, and not answered: "+f.words)
	case f.course == courseReject && f.definite && h.Clean():
		d.attempt, d.end = record.AttemptFailed, ledger.Fail(j.ID, record.Rejected, f.words)
	case f.course == courseSplit && !a.alone:
		d.move, d.attempt, d.end = moveSplit, record.AttemptRefused, ledger.Stay(j.ID)
	case f.course == courseSplit, f.course == courseReject:
		d.attempt, d.end = attemptOf(f), ledger.RetryFree(j.ID, p.proof.Every, f.words)
		if a.alone {
			d.move = moveSuspect
		}
	case f.course == courseHold:
		d.attempt, d.end = attemptOf(f), p.again(j, f, a.luck)
		if !f.own {
			d.code = 0 // the call's row has the status
		}
	default:
		d.attempt, d.end = attemptOf(f), p.again(j, f, a.luck)
	}
	return d
}

// unanswered is how long a job waits after a paid call without an answer. What the upstream asks for only makes it longer.
func (p *policy) unanswered(f fate) time.Duration {
	return max(p.timeout+p.proof.After, f.after)
}

// askAgain lets a job wait for the next reading that counts.
func (p *policy) askAgain(j ledger.ClaimedJob, h ledger.History, why string) ledger.Transition {
	words := why + "; WHOIS says available, and is asked again to be sure"
	if h.Refused {
		words = h.Refusal + " (" + words + ")"
	}
	return ledger.RetryFree(j.ID, max(h.Wait, p.proof.Every), words)
}

// checkAgain is for a domain that WHOIS cannot tell about now. Nothing is sent for it. One with an unanswered
// call waits for as long as it takes: it must not end while nobody knows.
func (p *policy) checkAgain(j ledger.ClaimedJob, h ledger.History, f fate, luck float64) ledger.Transition {
	t := p.againOrEnd(j, f, luck)
	if t.State() == record.Failed && !h.Clean() {
		return ledger.RetryFree(j.ID, p.retryMax, f.words)
	}
	return t
}

// again is the transition of a job that goes again.
func (p *policy) again(j ledger.ClaimedJob, f fate, luck float64) ledger.Transition {
	switch f.course {
	case courseReauth:
		return ledger.RetryFree(j.ID, 0, f.words)
	case courseHold:
		if scopeOf(f.hold, "") == holds.ScopeRegister && p.kind != record.Register {
			// A hold on registrations never stops WHOIS.
			return ledger.RetryFree(j.ID, p.hold, f.words)
		}
		return ledger.Hold(j.ID, f.words)
	case courseWait:
		return ledger.RetryFree(j.ID, max(f.after, p.backoff.delay(1, luck)), f.words)
	default:
		return ledger.Retry(j.ID, max(f.after, p.backoff.delay(j.Attempts, luck)), f.words)
	}
}

// againOrEnd is again, or the end of a job that went often enough.
func (p *policy) againOrEnd(j ledger.ClaimedJob, f fate, luck float64) ledger.Transition {
	if f.course == courseRetry && j.Attempts >= p.maxAttempts {
		return ledger.Fail(j.ID, record.Exhausted, f.words)
	}
	return p.again(j, f, luck)
}

func settle(t ledger.Transition) decision { return decision{move: moveSettle, end: t} }

func attemptOf(f fate) record.AttemptState {
	switch {
	case !f.sent:
		return record.AttemptNotSent
	case f.definite:
		return record.AttemptFailed
	default:
		return record.AttemptRefused
	}
}
