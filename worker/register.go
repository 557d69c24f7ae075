package worker

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/worker/registrar"
)

// register carries out a batch of registrations: holders that came with their details are found or created, what earlier
// calls left behind is read, a fresh bulk WHOIS check is made, the intent to pay is committed, and only what it
// returns is sent. Where something in the batch is bad, its halves follow, each by the same way.
func (p *pipeline) register(ctx context.Context, b batch) {
	p.bisect(ctx, b, p.registerResolved)
}

func (p *pipeline) registerOnce(ctx context.Context, b batch) part {
	reading, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	histories, err := p.options.Store.Histories(reading, b.claim, p.options.proof())
	if err != nil {
		p.log.Error().Err(err).Stringer("claim", b.claim).Msg("reading histories failed; nothing was sent")
		return part{}
	}
	if b.known, err = p.knownHolders(reading, b.jobs); err != nil {
		p.log.Error().Err(err).Stringer("claim", b.claim).Msg("reading holders failed; nothing was sent")
		return part{}
	}
	fates, call, ok := p.check(ctx, b, store.OpCheck)
	if !ok {
		return part{}
	}
	plan := p.planRegistration(b.jobs, fates, histories)
	if !p.settleCheck(ctx, b, call, plan) {
		return part{}
	}
	if len(plan.split) > 0 || len(plan.send) == 0 {
		return part{split: plan.split, refused: plan.refused, settled: true}
	}
	return p.pay(ctx, b.of(plan.send), plan.cleared, histories)
}

// registrationPlan is what a fresh WHOIS check makes of a batch.
type registrationPlan struct {
	send     []store.ClaimedJob // available, and free to be paid for
	cleared  []uuid.UUID        // those of them whose unknown attempt the readings have cleared
	resolved []uuid.UUID        // the same, of those that end
	split    []store.ClaimedJob // the check itself was refused: look for the bad one
	refused  []refusal          // perhaps this is the bad one
	ended    []store.Transition // the rest
	readings []store.Reading    // evidence about domains of which an earlier call may have had an effect
}

func (p *pipeline) planRegistration(jobs []store.ClaimedJob, fates []fate, histories map[uuid.UUID]store.History) registrationPlan {
	var plan registrationPlan
	luck := p.options.Luck()
	for i, j := range jobs {
		f, h := fates[i], histories[j.ID]
		if !h.Clean() && f.course == courseDone {
			reading := store.Reading{Job: j.ID, Availability: store.Available, Status: f.words}
			if f.taken {
				reading.Availability = store.Taken
			}
			plan.readings = append(plan.readings, reading)
		}
		switch {
		case h.Registered:
			plan.ended = append(plan.ended, store.Succeed(j.ID, store.Registered))
		case h.Ours:
			plan.ended = append(plan.ended, store.Unconfirm(j.ID, "an earlier call for this domain succeeded after its job had ended: it is ours, or was"))
		case h.Canceled && h.Clean():
			plan.ended = append(plan.ended, store.Cancel(j.ID, h.CanceledHow))
		case f.course == courseSplit && len(jobs) > 1:
			plan.split = append(plan.split, j)
		case f.course == courseSplit && h.Clean():
			plan.refused = append(plan.refused, refusal{job: j, op: store.OpCheck, fate: f, end: store.Fail(j.ID, store.Rejected, f.words)})
		case f.course == courseSplit:
			end := store.Unconfirm(j.ID, "it was sent before, and WHOIS refuses to say whether it is taken: "+f.words)
			plan.refused = append(plan.refused, refusal{job: j, op: store.OpCheck, fate: f, end: end})
		case f.course != courseDone:
			plan.ended = append(plan.ended, p.retryCheck(j, f, h, luck))
		case f.taken && h.Clean():
			plan.ended = append(plan.ended, store.Fail(j.ID, store.Taken, "WHOIS says that the domain is taken"))
		case f.taken, h.Taken:
			plan.ended = append(plan.ended, store.Unconfirm(j.ID, "it was sent before without a definite answer, and is taken now: ours or somebody else's?"))
		case h.Unknown && !p.proven(h):
			plan.ended = append(plan.ended, p.askAgain(j, h, "an earlier call has no answer"))
		default:
			p.planFree(&plan, j, h)
		}
	}
	return plan
}

// planFree plans for a job whose domain is free, so that no earlier call for it can have had an effect.
func (p *pipeline) planFree(plan *registrationPlan, j store.ClaimedJob, h store.History) {
	var end store.Transition
	switch ends := h.Canceled || h.Refused || j.Attempts > p.options.MaxAttempts; {
	case ends && h.Unsettled && !p.proven(h):
		end = p.askAgain(j, h, "an earlier call may have had an effect")
	case h.Canceled:
		end = store.Cancel(j.ID, h.CanceledHow)
	case h.Refused:
		end = store.Fail(j.ID, store.Rejected, h.Refusal)
	case j.Attempts > p.options.MaxAttempts:
		end = store.Fail(j.ID, store.Exhausted, h.Refusal)
	default:
		plan.send = append(plan.send, j)
		if h.Unknown {
			plan.cleared = append(plan.cleared, j.ID)
		}
		return
	}
	plan.ended = append(plan.ended, end)
	if h.Unknown {
		plan.resolved = append(plan.resolved, j.ID)
	}
}

// proof is what it takes to show that a paid call had no effect.
func (o Options) proof() store.Proof {
	return store.Proof{After: o.ReconcileAfter, Every: o.ReconcileEvery}
}

// proven says whether WHOIS, which has just called the domain available, has done so often enough.
func (p *pipeline) proven(h store.History) bool {
	return h.Wait <= 0 && h.Readings+1 >= p.options.ReconcileChecks
}

// askAgain lets a job wait for the next reading that counts.
func (p *pipeline) askAgain(j store.ClaimedJob, h store.History, why string) store.Transition {
	words := why + "; WHOIS says available, and is asked again to be sure"
	if h.Refused {
		words = h.Refusal + " (" + words + ")"
	}
	return store.RetryFree(j.ID, max(h.Wait, p.options.ReconcileEvery), words)
}

// retryCheck is for a domain that WHOIS cannot tell about now. Nothing is sent for it. One with an unanswered
// call waits for as long as it takes: it must not end while nobody knows.
func (p *pipeline) retryCheck(j store.ClaimedJob, f fate, h store.History, luck float64) store.Transition {
	t := p.retryOrEnd(j, f, luck)
	if t.State() == store.Failed && !h.Clean() {
		return store.RetryFree(j.ID, p.options.RetryMax, f.words)
	}
	return t
}

func (p *pipeline) settleCheck(ctx context.Context, b batch, call store.CallResult, plan registrationPlan) bool {
	return p.settle(ctx, batch{claim: b.claim}, func(ctx context.Context) (int, error) {
		if err := p.options.Store.RecordReadings(ctx, call.ID, plan.readings); err != nil {
			return 0, err
		}
		if err := p.options.Store.Clear(ctx, b.claim, plan.resolved); err != nil {
			return 0, err
		}
		return p.options.Store.Settle(ctx, b.claim, call, plan.ended)
	})
}

// pay commits the intent, sends what it returns, and settles what came back. The slot is held for the intent
// as well: it belongs right before the call, and a call that waits for a slot must not look as if it
// had been sent.
func (p *pipeline) pay(ctx context.Context, b batch, cleared []uuid.UUID, histories map[uuid.UUID]store.History) part {
	call := newID()
	var (
		sent  []store.ClaimedJob
		reply registrar.RegisterReply
		err   error
	)
	if p.slots.do(ctx, func() {
		if p.batches.isClosed() {
			return // this worker is stopping: what was not sent goes back
		}
		begun := p.options.Clock()
		if sent = p.intend(ctx, b, call, cleared); len(sent) > 0 {
			p.options.reached(StepIntended)
			reply, err = p.callRegister(ctx, b.of(sent), begun)
		}
	}) != nil || len(sent) == 0 {
		return part{}
	}
	p.options.reached(StepReplied)
	fates := fatesOfRegistrations(domainsOf(sent), reply, err)
	if alike(sent, fates) {
		for i := range fates {
			fates[i].course, fates[i].hold = courseHold, store.HoldContract
		}
	}
	p.heed(ctx, b, store.OpRegister, fates, reply.Answer)
	transitions, res := p.paidTransitions(sent, fates, histories)
	res.settled = p.settle(ctx, batch{claim: b.claim, jobs: sent}, func(ctx context.Context) (int, error) {
		n, err := p.options.Store.SettlePaid(ctx, b.claim, callResult(call, reply.Answer, err), transitions)
		return n + len(res.split) + len(res.refused), err
	}) && len(sent) == len(b.jobs)
	return res
}

// intend returns the jobs that may be sent. When it cannot tell whether the intent was committed, it
// withdraws it.
func (p *pipeline) intend(ctx context.Context, b batch, call uuid.UUID, cleared []uuid.UUID) []store.ClaimedJob {
	intending, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	allowed, err := p.options.Store.Intend(intending, store.Intent{
		Call: store.NewCall{
			ID: call, ClaimID: b.claim, Op: store.OpRegister, Size: len(b.jobs),
			Timeout: p.options.UpstreamTimeout, Lease: p.options.lease(), Probe: b.probe.permission(),
		},
		Jobs: idsOf(b.jobs), Cleared: cleared,
	})
	if err != nil {
		if !p.refused(ctx, b, err) && !errors.Is(err, store.ErrFenced) {
			p.withdraw(ctx, b, call, "the intent could not be recorded")
		}
		return nil
	}
	ok := make(map[uuid.UUID]bool, len(allowed))
	for _, id := range allowed {
		ok[id] = true
	}
	sent := make([]store.ClaimedJob, 0, len(allowed))
	for _, j := range b.jobs {
		if ok[j.ID] {
			sent = append(sent, j)
		}
	}
	return sent
}

// errTooLate says that so much time went by between the intent and the call that it was not made.
var errTooLate = errors.New("the process stood still between intent and call; nothing was sent")

// callRegister makes the paid call, on a deadline of its own that nothing else shortens. It counts from before the
// intent: a process that was stopped in between wakes up past its lease, when others have taken over,
// and must not send any more.
func (p *pipeline) callRegister(ctx context.Context, b batch, begun time.Time) (registrar.RegisterReply, error) {
	if p.options.since(begun) > leaseMargin {
		return registrar.RegisterReply{}, errTooLate
	}
	registrations := make([]registrar.Registration, len(b.jobs))
	for i, j := range b.jobs {
		registrations[i] = registrar.Registration{
			Domain: j.Domain, HolderID: j.HolderID, PeriodMonths: j.PeriodMonths, Nameservers: j.Nameservers,
			Known: b.known[j.HolderKey],
		}
	}
	calling, cancel := context.WithTimeout(ctx, p.options.UpstreamTimeout)
	defer cancel()
	return p.upstream.RegisterBulk(calling, registrations)
}

// withdraw resolves an intent that was perhaps committed and certainly not followed by a call.
func (p *pipeline) withdraw(ctx context.Context, b batch, call uuid.UUID, why string) {
	transitions := make([]store.PaidTransition, len(b.jobs))
	for i, j := range b.jobs {
		transitions[i] = store.PaidTransition{
			Transition: store.RetryFree(j.ID, p.backoff.delay(1, p.options.Luck()), why),
			Attempt:    store.AttemptNotSent, Message: why,
		}
	}
	p.settle(ctx, b, func(ctx context.Context) (int, error) {
		return p.options.Store.SettlePaid(ctx, b.claim, store.CallResult{ID: call, Error: why}, transitions)
	})
}

// paidTransitions turns the fates of a register call into what is written. A job ends badly here only if the upstream
// refused it by itself and no earlier call for its domain may have had an effect. Others pass one more
// fresh WHOIS check, which may show that they were registered all the same.
func (p *pipeline) paidTransitions(jobs []store.ClaimedJob, fates []fate, histories map[uuid.UUID]store.History) (transitions []store.PaidTransition, res part) {
	luck := p.options.Luck()
	for i, j := range jobs {
		f := fates[i]
		t := store.PaidTransition{StatusCode: f.status, Message: f.words}
		switch {
		case f.course == courseDone:
			t.Attempt, t.Transition = store.AttemptRegistered, store.Succeed(j.ID, store.Registered)
		case f.course == courseUnknown:
			t.Attempt = store.AttemptUnknown
			t.Transition = store.Retry(j.ID, p.options.UpstreamTimeout+p.options.ReconcileAfter, "sent, and not answered: "+f.words)
		case f.course == courseReject && f.definite && histories[j.ID].Clean():
			t.Attempt, t.Transition = store.AttemptFailed, store.Fail(j.ID, store.Rejected, f.words)
		case f.course == courseSplit && len(jobs) > 1:
			t.Attempt, t.Transition = store.AttemptRefused, store.Stay(j.ID)
			res.split = append(res.split, j)
		case f.course == courseSplit, f.course == courseReject:
			end := store.RetryFree(j.ID, p.options.ReconcileEvery, f.words)
			t.Attempt, t.Transition = attemptOf(f), end
			if res.bad = len(jobs) > 1; !res.bad {
				t.Transition = store.Stay(j.ID)
				res.refused = append(res.refused, refusal{job: j, op: store.OpRegister, fate: f, end: end})
			}
		case f.course == courseHold:
			// Not the job's own refusal: the call's row has the status.
			t.StatusCode, t.Attempt, t.Transition = 0, attemptOf(f), p.retry(j, f, luck)
		default:
			t.Attempt, t.Transition = attemptOf(f), p.retry(j, f, luck)
		}
		transitions = append(transitions, t)
	}
	return transitions, res
}

func attemptOf(f fate) store.AttemptState {
	switch {
	case !f.sent:
		return store.AttemptNotSent
	case f.definite:
		return store.AttemptFailed
	default:
		return store.AttemptRefused
	}
}

func domainsOf(jobs []store.ClaimedJob) []string {
	domains := make([]string, len(jobs))
	for i, j := range jobs {
		domains[i] = j.Domain
	}
	return domains
}

func idsOf(jobs []store.ClaimedJob) []uuid.UUID {
	ids := make([]uuid.UUID, len(jobs))
	for i, j := range jobs {
		ids[i] = j.ID
	}
	return ids
}
