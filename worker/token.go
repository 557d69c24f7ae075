package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/store/seal"
	"github.com/bulkreg/bulkreg/worker/gate"
	"github.com/bulkreg/bulkreg/worker/gettoken"
)

// Tokens is what a worker asks of GetToken. A method makes one request and never repeats it.
type Tokens interface {
	GetToken(ctx context.Context, p gettoken.Person) (gettoken.Reply, error)
	Renewed(generation uint64) bool
}

var _ Tokens = (*gettoken.Client)(nil)

// How tokens are worked on. There is no bulk call: jobs are claimed some at once, to ask Postgres less often, and called for one by
// one. So whatever is delivered or claimed before another source's turn counts as that many calls: it is kept to what the slots
// need.
const (
	tokenBatch         = 5
	tokenLinger        = 20 * time.Millisecond
	tokenWindowPerSlot = 4
)

// TokenTuning is how calls for tokens are made, with so many in flight.
func TokenTuning(concurrency int) Tuning {
	return Tuning{BatchSize: tokenBatch, Linger: tokenLinger, Concurrency: concurrency}
}

func tokenWork() work {
	return work{
		tuning: func(o Options) Tuning { return o.Token }, class: gate.Plain,
		served:  func(a Account) bool { return a.Tokens != nil },
		runners: func(o Options) int { return 2*o.Token.Concurrency/tokenBatch + 3 }, // twice what is in flight, and what begins and ends
		window:  tokenWindowPerSlot,
		process: func(p *pipeline) func(context.Context, batch) { return p.askForTokens },
	}
}

// tokenJob is a job and whom its token is for.
type tokenJob struct {
	ledger.ClaimedJob
	sealed seal.Job
	person gettoken.Person
}

// tokenEnd is what a call brought, or why there was none.
type tokenEnd struct {
	result ledger.TokenResult
	sent   time.Time // when the call was sent, by this machine's clock; for the token's age
	// unstarted is why no call was made; nil where one was, or where none will ever be.
	unstarted error
}

// askForTokens carries out a batch: each job in a call of its own, as many at once as there are slots. What they bring is settled
// together as it comes, so that Postgres is asked seldom and a token waits for nothing.
func (p *pipeline) askForTokens(ctx context.Context, b batch) {
	jobs, ends, err := p.people(ctx, b)
	if err != nil {
		p.log.Warn().Err(err).Int("jobs", len(b.jobs)).Msg("reading whom tokens are for failed; giving the jobs back")
		p.release(ctx, b)
		return
	}
	came := make(chan tokenEnd, len(b.jobs))
	for _, end := range ends {
		came <- end
	}
	next := make(chan tokenJob, len(jobs))
	for _, j := range jobs {
		next <- j
	}
	close(next)
	var calling sync.WaitGroup
	for range min(len(jobs), p.tuning.Concurrency) {
		calling.Go(func() {
			for j := range next {
				came <- p.askFor(ctx, b, j)
			}
		})
	}
	go func() {
		calling.Wait()
		close(came)
	}()
	p.settleTokens(ctx, b, came)
}

// settleTokens settles what comes until no more does, all that is there at a time.
func (p *pipeline) settleTokens(ctx context.Context, b batch, came <-chan tokenEnd) {
	var unstarted unstartedCalls
	defer func() { unstarted.log(p.log, b.claim) }()
	for end := range came {
		ends := []tokenEnd{end}
		for more := true; more; {
			select {
			case another, open := <-came:
				if more = open; open {
					ends = append(ends, another)
				}
			default:
				more = false
			}
		}
		unstarted.note(ends)
		p.settle(ctx, batch{claim: b.claim, jobs: make([]ledger.ClaimedJob, len(ends))}, func(ctx context.Context) (int, error) {
			results := make([]ledger.TokenResult, len(ends))
			for i, end := range ends { // anew for each try: tokens grow old while Postgres is away
				results[i] = end.result
				results[i].Age = p.options.since(end.sent)
			}
			return p.options.Store.Ledger.SettleTokens(ctx, b.claim, results)
		})
	}
}

// unstartedCalls counts the calls of a batch that were not made, to say so in one line.
type unstartedCalls struct {
	jobs int
	err  error // the newest
}

func (r *unstartedCalls) note(ends []tokenEnd) {
	for _, end := range ends {
		if err := end.unstarted; err != nil && !errors.Is(err, gate.ErrHeld) && !errors.Is(err, holds.ErrHeld) && !errors.Is(err, errStopping) {
			r.jobs, r.err = r.jobs+1, err
		}
	}
}

func (r *unstartedCalls) log(to zerolog.Logger, claim uuid.UUID) {
	if r.jobs > 0 {
		to.Warn().Err(r.err).Stringer("claim", claim).Int("jobs", r.jobs).Msg("calls not started")
	}
}

// people reads and opens whom the tokens of a batch are for. Jobs that cannot go on come as ends.
func (p *pipeline) people(ctx context.Context, b batch) ([]tokenJob, []tokenEnd, error) {
	reading, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	kept, err := p.options.Store.Tokens.People(reading, b.claim)
	if err != nil {
		return nil, nil, err
	}
	var (
		jobs []tokenJob
		ends []tokenEnd
	)
	for _, claimed := range b.jobs {
		who, there := kept[claimed.ID]
		if !there {
			continue // it runs under this claim no more
		}
		j := tokenJob{ClaimedJob: claimed, sealed: seal.Job{Source: who.Source, Reference: who.Reference, ID: claimed.ID}}
		person, err := p.options.Seal.OpenPerson(who.Person, j.sealed)
		if err != nil {
			ends = append(ends, p.unopened(claimed.ID, who.Person == nil, err))
			continue
		}
		j.person = gettoken.Person{
			Email: person.Email, Originator: person.Originator, LanguageCode: person.LanguageCode,
			FirstName: person.FirstName, LastName: person.LastName, PrivacyConsent: who.PrivacyConsent,
		}
		jobs = append(jobs, j)
	}
	return jobs, ends, nil
}

// unopened is how a job goes on whose person cannot be read. For want of a key it waits: somebody may have taken it away too early.
func (p *pipeline) unopened(job uuid.UUID, purged bool, err error) tokenEnd {
	var t ledger.Transition
	switch {
	case purged:
		t = ledger.Fail(job, record.Rejected, "whom the token is for was removed")
	case errors.Is(err, seal.ErrBroken):
		t = ledger.Fail(job, record.Rejected, "whom the token is for cannot be read: "+err.Error())
	default:
		p.log.Error().Err(err).Stringer("job", job).Msg("whom a token is for cannot be read now")
		t = ledger.RetryFree(job, p.options.RetryMax, err.Error())
	}
	return tokenEnd{result: ledger.TokenResult{Transition: t}, sent: p.options.Clock()}
}

// askFor makes the call of one job.
func (p *pipeline) askFor(ctx context.Context, b batch, j tokenJob) tokenEnd {
	one := b.of([]ledger.ClaimedJob{j.ClaimedJob})
	end := tokenEnd{sent: p.options.Clock()}
	again := func(err error) tokenEnd {
		end.unstarted = err
		end.result.Transition = ledger.RetryFree(j.ID, p.policy.backoff.delay(1, p.options.Luck()), "")
		if errors.Is(err, gate.ErrHeld) || errors.Is(err, holds.ErrHeld) {
			end.result.Transition = ledger.Hold(j.ID, "")
		}
		return end
	}
	permit, err := p.permit(ctx, one)
	if err != nil {
		return again(err)
	}
	defer permit.Release()
	call := newID()
	if err := p.startCall(ctx, one, call, record.OpToken); err != nil {
		return again(err)
	}
	end.result.Call = ledger.CallResult{ID: call, Error: errStopping.Error()}
	if p.standing.gate.Closed() {
		return again(errStopping)
	}
	calling, cancel := context.WithTimeout(ctx, p.options.UpstreamTimeout)
	calling, ended := p.traceCall(calling, one, record.OpToken, call)
	reply, err := p.tokens.GetToken(calling, j.person)
	ended(reply.Answer, err)
	cancel()
	fates := []fate{fateOfToken(reply, err, p.tokens.Renewed)}
	p.heedPause(fates)
	permit.Release()
	if answersForOne(reply.Answer) && fates[0].hold == "" {
		p.noteCall(ctx, one, record.OpToken, call, reply.Answer, nil) // it answers, if not as one would like
	} else {
		p.noteCall(ctx, one, record.OpToken, call, reply.Answer, err)
	}
	p.heedTokenCall(ctx, one, fates, reply)
	end.sent = reply.Started
	end.result = p.tokenResult(j, fates[0], reply, callResult(call, reply.Answer, err))
	return end
}

// permit waits for the permit of one call, and keeps the claim alive meanwhile.
func (p *pipeline) permit(ctx context.Context, b batch) (*gate.Permit, error) {
	defer p.heartbeat.keep(b.claim)()
	return p.standing.gate.Acquire(ctx, gate.Plain, b.probe != nil)
}

// heedTokenCall acts on what an answer says of the account rather than of its job. A failure that is word of this one person says
// nothing of the upstream.
func (p *pipeline) heedTokenCall(ctx context.Context, b batch, fates []fate, reply gettoken.Reply) {
	if answersForOne(reply.Answer) && fates[0].course == courseRetry {
		p.standing.failures.note(false, false)
		b.probe.hear(false)
	} else {
		p.heedOutage(ctx, b, record.OpToken, fates, reply.Answer)
	}
	if f := fates[0]; f.hold != "" {
		p.lay(ctx, b, record.OpToken, f)
	}
	b.probe.note(record.OpToken, fates)
}

// tokenResult is what a call means for its job.
func (p *pipeline) tokenResult(j tokenJob, f fate, reply gettoken.Reply, call ledger.CallResult) ledger.TokenResult {
	r := ledger.TokenResult{Call: call, Life: gettoken.Life}
	switch f.course {
	case courseDone:
		sealed, err := p.options.Seal.SealToken(seal.Token{
			Token: string(reply.Issued.Token), RedirectURL: string(reply.Issued.RedirectURL), AccountURL: string(reply.Issued.AccountURL),
		}, j.sealed)
		if err != nil { // there was a key to open the person with
			r.Transition = ledger.Retry(j.ID, p.options.RetryMax, err.Error())
			break
		}
		r.Sealed, r.Transition = sealed, ledger.Succeed(j.ID, record.Issued)
	case courseReject:
		r.Transition = ledger.Fail(j.ID, record.Rejected, f.words)
	default:
		r.Transition = p.policy.againOrEnd(j.ClaimedJob, f, p.options.Luck())
	}
	return r
}
