package worker

import (
	"context"
	"slices"

	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/record"
)

// part is what became of a part of a batch.
type part struct {
	split   []ledger.ClaimedJob // refused together: look for the bad ones
	refused []refusal           // refused alone: perhaps a bad one was found
	bad     bool                // a bad one was found, and settled
	settled bool                // every job of the part but those in split and refused has been settled
}

// refusal is a job that the upstream refused alone. It goes on running under its claim: only when the whole batch has been
// looked through is it known whether the job is bad, or whatever is asked is refused.
type refusal struct {
	job  ledger.ClaimedJob
	op   record.Op // of the call
	fate fate
	end  ledger.Transition // if the job is bad
}

// bisect carries out a batch and, as long as something in it is bad, what once returns to be split: in halves,
// until the bad jobs stand alone. Whatever is still running under the claim afterwards is given back.
//
// A batch that was refused although all its parts are good may have been too large, see batchLimit. The size that went
// through is then remembered while the process lives.
func (p *pipeline) bisect(ctx context.Context, b batch, once func(context.Context, batch) part) {
	todo := [][]ledger.ClaimedJob{b.jobs}
	whole, bad, heard, taken := true, false, false, 0
	var refused []refusal
	for len(todo) > 0 {
		if p.batches.isClosed() { // this worker is stopping: no other call is begun
			p.breakOff(ctx, b, refused)
			return
		}
		jobs := todo[0]
		if len(jobs) < len(b.jobs) {
			p.options.reached(StepSplit)
		}
		res := once(ctx, b.of(jobs))
		todo = todo[1:]
		refused = append(refused, res.refused...)
		if n := len(res.split); n > 0 {
			todo = append(todo, res.split[:(n+1)/2], res.split[(n+1)/2:])
		} else if res.settled && len(res.refused) == 0 {
			heard = true // there was an answer for a part of the batch, at least
			if !res.bad {
				taken = max(taken, len(jobs))
			}
		}
		bad = bad || res.bad || len(res.refused) > 0
		whole = whole && res.settled && len(res.split) == 0
	}
	if len(refused) > 0 {
		whole = p.settleRefused(ctx, b, refused, !heard) && whole
	}
	if whole {
		if bad {
			return
		}
		if size, changed := p.limit.took(len(b.jobs)); changed {
			p.log.Info().Int("size", size).Msg("the upstream takes full batches: trying larger ones")
			p.batches.resize(size)
		}
		return
	}
	if !bad && taken > 0 && taken < len(b.jobs) {
		if size, proven := p.limit.refused(len(b.jobs), taken); proven {
			p.log.Warn().Int("refused", len(b.jobs)).Int("taken", taken).Msg("the upstream takes smaller batches: using those for a while")
			p.batches.resize(size)
		}
	}
	p.release(ctx, b)
}

// breakOff gives back what is not settled of a batch that was not looked through. What was refused alone so far may not be to
// blame, and is tried again.
func (p *pipeline) breakOff(ctx context.Context, b batch, refused []refusal) {
	jobs := make([]ledger.ClaimedJob, len(refused))
	for i, r := range refused {
		jobs[i] = r.job
	}
	if len(jobs) > 0 && !p.settle(ctx, batch{claim: b.claim}, func(ctx context.Context) (int, error) {
		return 0, p.options.Store.Holds.Forgive(ctx, b.claim, idsOf(jobs))
	}) {
		return
	}
	p.release(ctx, b)
}

// settleRefused ends what the upstream refused one by one. Where that was all of the batch, and no fault of the jobs', they
// wait for a hold instead. What was said of them is kept: they end so if the hold is lifted for another job's sake.
func (p *pipeline) settleRefused(ctx context.Context, b batch, refused []refusal, all bool) bool {
	jobs, fates := make([]ledger.ClaimedJob, len(refused)), make([]fate, len(refused))
	transitions := make([]ledger.Transition, len(refused))
	for i, r := range refused {
		jobs[i], fates[i], transitions[i] = r.job, r.fate, r.end
		fates[i].course = courseReject // it stood alone
	}
	op := refused[0].op
	oneOp := !slices.ContainsFunc(refused, func(r refusal) bool { return r.op != op })
	if all && oneOp && p.blameAccount(ctx, op, jobs, fates) {
		luck := p.options.Luck()
		for i, j := range jobs {
			transitions[i] = p.policy.again(j, fates[i], luck)
		}
		p.lay(ctx, b, op, fates[0])
	}
	if !p.settle(ctx, b.of(jobs), func(ctx context.Context) (int, error) {
		return p.options.Store.Ledger.Settle(ctx, b.claim, ledger.CallResult{}, transitions)
	}) {
		return false
	}
	p.standing.upstream.Unconfirmed(b.claim, unconfirmed(transitions))
	return true
}
