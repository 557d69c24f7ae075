package worker

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/worker/gate"
	"github.com/bulkreg/bulkreg/worker/registrar"
)

func registerWork() work {
	return work{
		tuning: func(o Options) Tuning { return o.Register }, class: gate.Paid, served: callsRegistrar,
		// Before registrations come checks, in slots of their own. Should these all come free at once, as many batches have to stand
		// in line for them.
		runners: func(o Options) int { return batchesFor(o.Register) + o.Whois.Concurrency },
		process: func(p *pipeline) func(context.Context, batch) {
			p.holders = openHolderDesk()
			return p.register
		},
	}
}

// register carries out a batch of registrations: holders that came with their details are found or created, what earlier
// calls left behind is read, a fresh bulk WHOIS check is made, the intent to pay is committed, and only what it
// returns is sent. Where something in the batch is bad, its halves follow, each by the same way.
func (p *pipeline) register(ctx context.Context, b batch) {
	reading, cancel := context.WithTimeout(ctx, databaseTime)
	var err error
	b.known, err = p.knownHolders(reading, b.jobs)
	cancel()
	if err != nil {
		p.log.Error().Err(err).Stringer("claim", b.claim).Msg("reading holders failed; nothing was sent")
		p.release(ctx, b)
		return
	}
	p.bisect(ctx, b, p.registerResolved)
}

func (p *pipeline) registerOnce(ctx context.Context, b batch) part {
	reading, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	histories, err := p.options.Store.Ledger.Histories(reading, b.claim, p.policy.proof)
	if err != nil {
		p.log.Error().Err(err).Stringer("claim", b.claim).Msg("reading histories failed; nothing was sent")
		return part{}
	}
	fates, call, ok := p.check(ctx, b, record.OpCheck)
	if !ok {
		return part{}
	}
	plan := p.plan(b.jobs, fates, histories)
	if !p.settleCheck(ctx, b, call, plan) {
		return part{}
	}
	if len(plan.split) > 0 || len(plan.send) == 0 {
		return part{split: plan.split, refused: plan.refused, settled: true}
	}
	return p.pay(ctx, b.of(plan.send), plan.cleared, histories)
}

// plan is what a fresh WHOIS check makes of a batch.
type plan struct {
	send     []ledger.ClaimedJob // available, and free to be paid for
	cleared  []uuid.UUID         // those of them whose unanswered attempts the readings should clear
	split    []ledger.ClaimedJob // the check itself was refused: look for the bad one
	refused  []refusal           // perhaps this is the bad one
	ended    []ledger.Transition // the rest
	readings []ledger.Reading    // evidence about domains of which an earlier call may have had an effect
}

func (p *pipeline) plan(jobs []ledger.ClaimedJob, fates []fate, histories map[uuid.UUID]ledger.History) plan {
	var made plan
	luck := p.options.Luck()
	for i, j := range jobs {
		d := p.policy.decide(j, histories[j.ID], answer{op: record.OpCheck, fate: fates[i], alone: len(jobs) == 1, luck: luck})
		if d.reading != "" {
			made.readings = append(made.readings, ledger.Reading{Job: j.ID, Availability: d.reading, Status: fates[i].words})
		}
		switch d.move {
		case moveSplit:
			made.split = append(made.split, j)
		case moveSuspect:
			made.refused = append(made.refused, refusal{job: j, op: record.OpCheck, fate: fates[i], end: d.end})
		case moveSend:
			made.send = append(made.send, j)
			if d.clears {
				made.cleared = append(made.cleared, j.ID)
			}
		default:
			made.ended = append(made.ended, d.end)
		}
	}
	return made
}

// settleCheck writes down what a fresh check brought. It reports false unless all of it was: a job that the readings do not
// clear after all, by Postgres' judgement, stays with the batch and goes back with it.
func (p *pipeline) settleCheck(ctx context.Context, b batch, call ledger.CallResult, made plan) bool {
	settled := 0
	written := p.settle(ctx, batch{claim: b.claim}, func(ctx context.Context) (n int, err error) {
		settled, err = p.options.Store.Ledger.SettleCheck(ctx, b.claim, ledger.CheckResult{
			Call: call, Readings: made.readings, Transitions: made.ended, Proof: p.policy.proof,
		})
		return settled, err
	})
	if written {
		p.standing.upstream.Unconfirmed(b.claim, unconfirmed(made.ended))
	}
	return written && settled == len(made.ended)
}

func unconfirmed(transitions []ledger.Transition) int {
	n := 0
	for _, t := range transitions {
		if t.State() == record.Unconfirmed {
			n++
		}
	}
	return n
}

// paidCall is what became of an intent and its call.
type paidCall struct {
	sent  []ledger.ClaimedJob // nothing else was sent
	over  []ledger.ClaimedJob // more than the day's: they still run under the claim
	fates []fate              // what the reply, or its absence, means for each that was sent
	reply registrar.RegisterReply
	err   error
}

// pay commits the intent, sends what it returns, and settles what came back. The permit is held for the intent
// as well: it belongs right before the call.
func (p *pipeline) pay(ctx context.Context, b batch, cleared []uuid.UUID, histories map[uuid.UUID]ledger.History) part {
	call := newID()
	c := p.sendPaid(ctx, b, call, cleared)
	if len(c.sent) == 0 {
		p.holdForDay(ctx, b, c.over)
		return part{}
	}
	if !errors.Is(c.err, errTooLate) && !errors.Is(c.err, errStopping) {
		p.noteCall(ctx, b.of(c.sent), record.OpRegister, call, c.reply.Answer, c.err)
	}
	p.options.reached(StepReplied)
	strays := straysOf(domainsOf(c.sent), c.reply)
	p.reportStrays(b, strays)
	p.blameAccount(ctx, record.OpRegister, c.sent, c.fates)
	p.heed(ctx, b, record.OpRegister, c.fates, c.reply.Answer)
	transitions, res := p.paidTransitions(c.sent, c.fates, histories)
	result := callResult(call, c.reply.Answer, c.err)
	result.Strays = strays
	res.settled = p.settlePaid(ctx, batch{claim: b.claim, jobs: c.sent}, result, transitions, len(res.split)+len(res.refused)) &&
		len(c.sent) == len(b.jobs)
	p.holdForDay(ctx, b, c.over)
	return res
}

// sendPaid waits for the permit, commits the intent and makes the paid call for what that returns. Where that is nothing, nothing
// was sent.
func (p *pipeline) sendPaid(ctx context.Context, b batch, call uuid.UUID, cleared []uuid.UUID) (c paidCall) {
	permit, err := p.pass(ctx, b, record.OpRegister)
	if err != nil {
		return c
	}
	defer permit.Release()
	begun := p.options.Clock()
	if c.sent, c.over = p.intend(ctx, b, call, cleared); len(c.sent) == 0 {
		return c
	}
	p.options.reached(StepIntended)
	if p.standing.gate.Closed() {
		c.err = errStopping
		c.fates = fatesOfRegistrations(domainsOf(c.sent), c.reply, c.err)
		return c
	}
	c.reply, c.err = p.callRegister(ctx, b.of(c.sent), call, begun)
	c.fates = fatesOfRegistrations(domainsOf(c.sent), c.reply, c.err)
	p.heedPause(c.fates)
	return c
}

// reportStrays makes a noise about domains that a reply calls registered although nobody asked for them. Their names are in
// the database, and not personal data, but whose words they are is not known.
func (p *pipeline) reportStrays(b batch, strays []ledger.Stray) {
	if len(strays) > 0 {
		p.log.Error().Stringer("claim", b.claim).Int("domains", len(strays)).
			Msg("the registrar calls domains registered that were not ordered in this call; the table stray_registrations names them")
	}
}

// intend returns the jobs that may be sent, and those that would be more than the day's. When it cannot tell whether the intent was
// committed, it withdraws it.
func (p *pipeline) intend(ctx context.Context, b batch, call uuid.UUID, cleared []uuid.UUID) (sent, over []ledger.ClaimedJob) {
	intending, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	allowed, tooMany, err := p.options.Store.Ledger.Intend(intending, ledger.Intent{
		Call: ledger.NewCall{
			ID: call, ClaimID: b.claim, Op: record.OpRegister, Size: len(b.jobs),
			Timeout: p.options.UpstreamTimeout, Lease: p.options.lease(), Probe: b.probe.permission(),
		},
		Jobs: idsOf(b.jobs), Cleared: cleared, Proof: p.policy.proof, DailyLimit: p.options.DailyLimit,
	})
	if err != nil {
		if !p.notStarted(ctx, b, err) && !errors.Is(err, ledger.ErrFenced) {
			p.withdraw(ctx, b, call, "the intent could not be recorded")
		}
		return nil, nil
	}
	return jobsOf(b.jobs, allowed), jobsOf(b.jobs, tooMany)
}

// jobsOf are those of jobs that have one of these ids.
func jobsOf(jobs []ledger.ClaimedJob, ids []uuid.UUID) []ledger.ClaimedJob {
	wanted := make(map[uuid.UUID]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	found := make([]ledger.ClaimedJob, 0, len(ids))
	for _, j := range jobs {
		if wanted[j.ID] {
			found = append(found, j)
		}
	}
	return found
}

// errStopping says that the worker was told to stop after it had written that a call begins, and did not make it.
var errStopping = errors.New("the worker is stopping; nothing was sent")

// errTooLate says that so much time went by between the intent and the call that it was not made.
var errTooLate = errors.New("the process stood still between intent and call; nothing was sent")

// callRegister makes the paid call, on a deadline of its own that nothing else shortens. It counts from before the
// intent: a process that was stopped in between wakes up past its lease, when others have taken over,
// and must not send any more.
func (p *pipeline) callRegister(ctx context.Context, b batch, call uuid.UUID, begun time.Time) (registrar.RegisterReply, error) {
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
	registrations[0].Others = slices.Collect(maps.Values(b.known)) // of other parts of the batch, too
	calling, cancel := context.WithTimeout(ctx, p.options.UpstreamTimeout)
	defer cancel()
	calling, end := p.traceCall(calling, b, record.OpRegister, call)
	reply, err := p.upstream.RegisterBulk(calling, registrations)
	end(reply.Answer, err)
	return reply, err
}

// withdraw resolves an intent that was perhaps committed and certainly not followed by a call.
func (p *pipeline) withdraw(ctx context.Context, b batch, call uuid.UUID, why string) {
	transitions := make([]ledger.PaidTransition, len(b.jobs))
	for i, j := range b.jobs {
		transitions[i] = ledger.PaidTransition{
			Transition: ledger.RetryFree(j.ID, p.policy.backoff.delay(1, p.options.Luck()), why),
			Attempt:    record.AttemptNotSent, Message: why,
		}
	}
	p.settlePaid(ctx, b, ledger.CallResult{ID: call, Error: why}, transitions, 0)
}

// paidTransitions turns the fates of a paid call into what is written, and into what is still to be done.
func (p *pipeline) paidTransitions(jobs []ledger.ClaimedJob, fates []fate, histories map[uuid.UUID]ledger.History) (transitions []ledger.PaidTransition, res part) {
	luck := p.options.Luck()
	for i, j := range jobs {
		f := fates[i]
		d := p.policy.decide(j, histories[j.ID], answer{op: record.OpRegister, fate: f, alone: len(jobs) == 1, luck: luck})
		t := ledger.PaidTransition{Transition: d.end, Attempt: d.attempt, Accepted: f.course == courseAccepted, StatusCode: d.code, Message: f.words}
		switch {
		case d.move == moveSplit:
			res.split = append(res.split, j)
		case d.move == moveSuspect:
			t.Transition = ledger.Stay(j.ID)
			res.refused = append(res.refused, refusal{job: j, op: record.OpRegister, fate: f, end: d.end})
		case f.course == courseReject && d.end.State() != record.Failed:
			res.bad = true // its call may have been refused for it
		}
		transitions = append(transitions, t)
	}
	return transitions, res
}

func domainsOf(jobs []ledger.ClaimedJob) []string {
	domains := make([]string, len(jobs))
	for i, j := range jobs {
		domains[i] = j.Domain
	}
	return domains
}

func idsOf(jobs []ledger.ClaimedJob) []uuid.UUID {
	ids := make([]uuid.UUID, len(jobs))
	for i, j := range jobs {
		ids[i] = j.ID
	}
	return ids
}
