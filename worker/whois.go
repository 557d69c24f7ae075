package worker

import (
	"context"
	"maps"
	"slices"

	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/worker/gate"
	"github.com/bulkreg/bulkreg/worker/registrar"
)

func whoisWork() work {
	return work{
		tuning: func(o Options) Tuning { return o.Whois }, class: gate.Plain, served: callsRegistrar,
		runners: func(o Options) int { return batchesFor(o.Whois) },
		process: func(p *pipeline) func(context.Context, batch) { return p.whois },
	}
}

// whois carries out a batch of WHOIS checks: one bulk call, one settling. Where something in the batch is bad,
// its halves follow under the same claim.
func (p *pipeline) whois(ctx context.Context, b batch) {
	p.bisect(ctx, b, p.whoisOnce)
}

func (p *pipeline) whoisOnce(ctx context.Context, b batch) (res part) {
	fates, call, ok := p.check(ctx, b, record.OpWhois)
	if !ok {
		return part{}
	}
	luck := p.options.Luck()
	transitions := make([]ledger.Transition, 0, len(b.jobs))
	for i, j := range b.jobs {
		switch f := fates[i]; {
		case f.course == courseDone && f.taken:
			transitions = append(transitions, ledger.Saying(ledger.Succeed(j.ID, record.Taken), f.aside()))
		case f.course == courseDone:
			transitions = append(transitions, ledger.Saying(ledger.Succeed(j.ID, record.Available), f.aside()))
		case f.course == courseSplit && len(b.jobs) > 1:
			res.split = append(res.split, j)
		case f.course == courseSplit, f.course == courseReject:
			res.refused = append(res.refused, refusal{job: j, op: record.OpWhois, fate: f, end: ledger.Fail(j.ID, record.Rejected, f.words)})
		default:
			transitions = append(transitions, p.policy.againOrEnd(j, f, luck))
		}
	}
	res.settled = p.settle(ctx, b, func(ctx context.Context) (int, error) {
		n, err := p.together.Settle(ctx, b.claim, call, transitions)
		return n + len(res.split) + len(res.refused), err
	})
	return res
}

// check makes one bulk WHOIS call for a batch and returns each job's fate, in the order of the jobs. Settling is the
// caller's. It returns false when the call was not started: no permit was to be had, the claim has ended, or Postgres is
// away.
func (p *pipeline) check(ctx context.Context, b batch, op record.Op) ([]fate, ledger.CallResult, bool) {
	permit, err := p.pass(ctx, b, op)
	if err != nil {
		return nil, ledger.CallResult{}, false
	}
	defer permit.Release()
	return p.checkWith(ctx, b, op, permit)
}

// checkWith makes the call of check with its permit.
func (p *pipeline) checkWith(ctx context.Context, b batch, op record.Op, permit *gate.Permit) ([]fate, ledger.CallResult, bool) {
	domains := domainsOf(b.jobs)
	call := newID()
	if err := p.startCall(ctx, b, call, op); err != nil {
		permit.Release()
		p.notStarted(ctx, b, err)
		return nil, ledger.CallResult{}, false
	}
	if p.standing.gate.Closed() {
		p.notBegun(ctx, b, call)
		return nil, ledger.CallResult{}, false
	}
	calling, cancel := context.WithTimeout(ctx, p.options.UpstreamTimeout)
	calling, end := p.traceCall(calling, b, op, call)
	reply, err := p.upstream.CheckBulk(calling, domains, slices.Collect(maps.Values(b.known))...)
	end(reply.Answer, err)
	cancel()
	fates := fatesOfChecks(domains, reply, err)
	p.heedPause(fates)
	permit.Release()
	p.noteCall(ctx, b, op, call, reply.Answer, err)
	p.options.reached(StepChecked)
	p.heed(ctx, b, op, fates, reply.Answer)
	return fates, callResult(call, reply.Answer, err), true
}

func (p *pipeline) startCall(ctx context.Context, b batch, call uuid.UUID, op record.Op) error {
	starting, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	return p.options.Store.Ledger.StartCall(starting, ledger.NewCall{
		ID: call, ClaimID: b.claim, Op: op, Size: len(b.jobs), Jobs: b.some(), Probe: b.probe.permission(),
		Timeout: p.options.UpstreamTimeout, Lease: p.options.lease(),
	})
}

// notBegun notes that a call was not made although its row is written: the worker was told to stop meanwhile.
func (p *pipeline) notBegun(ctx context.Context, b batch, call uuid.UUID) {
	p.settle(ctx, batch{claim: b.claim}, func(ctx context.Context) (int, error) {
		return p.options.Store.Ledger.Settle(ctx, b.claim, ledger.CallResult{ID: call, Error: errStopping.Error()}, nil)
	})
}

// release gives a batch back that was not called for.
func (p *pipeline) release(ctx context.Context, b batch) {
	p.settle(ctx, b, func(ctx context.Context) (int, error) {
		_, err := p.options.Store.Ledger.Release(ctx, b.claim, p.policy.backoff.delay(1, p.options.Luck()), "")
		return len(b.jobs), err
	})
}

func callResult(id uuid.UUID, a registrar.Answer, err error) ledger.CallResult {
	res := ledger.CallResult{ID: id, Status: a.Status, Duration: a.Duration, Error: a.Message}
	if err != nil && res.Error == "" {
		res.Error = err.Error()
	}
	return res
}
