package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker/gate"
	"github.com/bulkreg/bulkreg/worker/registrar"
)

// pipeline carries out the jobs of one kind and account: chunks go in, batches are claimed, called for and settled.
//
// Its runners are more than its call slots: while some wait for the upstream, the others claim the next batches
// and settle the last, so that a slot is never idle for Postgres' sake.
type pipeline struct {
	kind     record.Kind
	account  string
	tuning   Tuning
	options  Options
	work     work
	upstream Upstream // nil where the kind does not call it, as the next
	tokens   Tokens
	batches  *coalescer
	together *ledger.Together // settles checks
	limit    *batchLimit
	policy   *policy
	// standing is shared by the account's pipelines, heartbeat by all of the worker.
	standing  *standing
	heartbeat *heartbeat
	holders   *holderDesk // of registrations; nil for other kinds
	log       zerolog.Logger
	// process carries out one claimed batch. It must settle or release every job of it.
	process func(ctx context.Context, b batch)
}

// batch is a claim and the jobs it got.
type batch struct {
	claim uuid.UUID
	jobs  []ledger.ClaimedJob
	probe *probing // nil unless the batch is the probe of a hold
	part  bool     // these are not all of the claim's
	// known is what is known of holders that came with their details, by key.
	known map[int64]registrar.Holder
	// orders are those of the jobs, by id, as far as their deliveries name them.
	orders map[int64]record.Origin
}

// of is a part of the batch, or all of it.
func (b batch) of(jobs []ledger.ClaimedJob) batch {
	return batch{claim: b.claim, jobs: jobs, probe: b.probe, known: b.known, orders: b.orders, part: b.part || len(jobs) < len(b.jobs)}
}

// some is the jobs of a batch that is a part, and nil for a whole one.
func (b batch) some() []uuid.UUID {
	if !b.part {
		return nil
	}
	return idsOf(b.jobs)
}

func newPipeline(kind queue.Kind, a Account, st *standing, h *heartbeat, o Options) *pipeline {
	p := &pipeline{
		together: o.Store.Ledger.Together(),
		kind:     record.Kind(kind),
		account:  a.Name,
		options:  o,
		upstream: a.Upstream, tokens: a.Tokens, standing: st, heartbeat: h,
		policy: newPolicy(record.Kind(kind), o),
		log:    o.Log.With().Str("kind", string(kind)).Str("account", a.Name).Logger(),
	}
	p.work, _ = workOf(kind) // Options have checked it
	p.tuning, p.process = p.work.tuning(o), p.work.process(p)
	p.limit = newBatchLimit(p.tuning.BatchSize)
	p.batches = newCoalescer(p.tuning.BatchSize, p.tuning.Linger, o.Clock, func() bool { return st.gate.Idle(p.class()) })
	st.gate.Watch(p.batches.poke)
	h.lines = append(h.lines, p.batches)
	return p
}

// class is the line that the pipeline's own calls wait in.
func (p *pipeline) class() gate.Class { return p.work.class }

// runners is how many batches may be under way.
func (p *pipeline) runners() int { return p.work.runners(p.options) }

// run works until the coalescer is closed, and returns when the last batch has been settled. The end of ctx is the
// hard stop: it breaks off what is under way.
func (p *pipeline) run(ctx context.Context) {
	var wg sync.WaitGroup
	for range p.runners() {
		wg.Go(func() {
			for {
				tickets := p.batches.next(ctx)
				if tickets == nil {
					return
				}
				p.carryOut(ctx, tickets)
			}
		})
	}
	wg.Wait()
}

// carryOut claims what a batch of tickets asks for and processes what it got.
func (p *pipeline) carryOut(ctx context.Context, tickets []ticket) {
	defer leave(tickets)
	ctx, span := p.traceBatch(ctx, tickets)
	defer span.End()
	p.claimAndProcess(ctx, deliveredIn(tickets), nil)
	p.options.reached(StepSettled)
}

func (p *pipeline) claimAndProcess(ctx context.Context, jobs []record.DeliveredJob, probe *probing) {
	b := batch{claim: newID(), probe: probe}
	claiming, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	var err error
	b.jobs, err = p.options.Store.Ledger.Claim(claiming, ledger.Claim{
		ID: b.claim, Kind: p.kind, Account: p.account, Worker: p.options.Name, Lease: p.options.lease(),
	}, jobs)
	if err != nil {
		// Whether claimed or not, the jobs come back by themselves: by the lease, or by their delivery's end.
		p.log.Error().Err(err).Int("jobs", len(jobs)).Msg("claiming failed; the jobs come back by themselves")
		p.options.rest(ctx, time.Second)
		return
	}
	if len(b.jobs) > 0 {
		b.orders = b.ordersOf(jobs)
		p.options.Measures.Meter.Claimed(p.account, p.kind, len(b.jobs), p.tuning.BatchSize)
		p.options.reached(StepClaimed)
		p.process(ctx, b)
	}
	if len(b.jobs) < len(jobs) {
		p.noteStrangers(ctx, jobs)
	}
}

// noteStrangers says so where deliveries named jobs of other orders, or none: no dispatcher does that.
func (p *pipeline) noteStrangers(ctx context.Context, jobs []record.DeliveredJob) {
	looking, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	n, err := p.options.Store.Orders.Strangers(looking, jobs)
	if err != nil {
		p.log.Debug().Err(err).Msg("looking for foreign jobs in deliveries failed")
	} else if n > 0 {
		p.log.Error().Int("jobs", n).Msg("deliveries named jobs that are not of their order, kind and account: who writes to Redis? Nothing was done to them")
	}
}

// refusals is how often a write is tried that Postgres itself refuses. While it is only away, there is no such bound.
const refusals = 5

// settle runs one write to Postgres until it goes through. While Postgres is away the runner waits with it, and so nothing
// new is called for. It reports false when the worker had to stop first, or when Postgres refuses the write as it is; the
// lease then decides.
func (p *pipeline) settle(ctx context.Context, b batch, write func(context.Context) (int, error)) bool {
	ctx, span := p.traceSettling(ctx, b)
	defer span.End()
	for try := 1; ; try++ {
		n, err := p.write(ctx, write)
		if err == nil {
			p.noteSettled(b, n)
			return true
		}
		var refused *pg.Error
		if ctx.Err() != nil || errors.As(err, &refused) && try >= refusals {
			p.log.Error().Err(err).Stringer("claim", b.claim).Int("jobs", len(b.jobs)).
				Msg("settling failed for good; the lease decides what becomes of the jobs")
			return false
		}
		p.settleLater(ctx, b, try, err)
	}
}

// settlePaid is settle for the reply to a paid call. It is known nowhere else, so it is offered to Postgres until Postgres
// has it or the process ends. Where Postgres refuses it as it is, the upstream's words are left out: they are the only part
// that it could not have seen before.
func (p *pipeline) settlePaid(ctx context.Context, b batch, call ledger.CallResult, transitions []ledger.PaidTransition, others int) bool {
	ctx, span := p.traceSettling(ctx, b)
	defer span.End()
	for try := 1; ; try++ {
		n, err := p.write(ctx, func(ctx context.Context) (int, error) {
			return p.options.Store.Ledger.SettlePaid(ctx, b.claim, call, transitions)
		})
		if err == nil {
			p.noteSettled(b, n+others)
			p.noteAttempts(transitions)
			return true
		}
		if ctx.Err() != nil {
			p.log.Error().Err(err).Stringer("claim", b.claim).Int("jobs", len(b.jobs)).
				Msg("the worker must end before the reply to a paid call is written down; its jobs wait for WHOIS")
			return false
		}
		var refused *pg.Error
		if errors.As(err, &refused) && try == refusals {
			p.log.Error().Err(err).Stringer("claim", b.claim).Msg("Postgres refuses the reply to a paid call; leaving the upstream's words out")
			call, transitions = wordless(call, transitions)
		}
		p.settleLater(ctx, b, try, err)
	}
}

// wordless is a reply without the upstream's words.
func wordless(call ledger.CallResult, transitions []ledger.PaidTransition) (ledger.CallResult, []ledger.PaidTransition) {
	call.Error, call.Strays = "", nil
	bare := make([]ledger.PaidTransition, len(transitions))
	for i, t := range transitions {
		t.Transition, t.Message, t.StatusCode = ledger.Wordless(t.Transition), "", 0
		bare[i] = t
	}
	return call, bare
}

func (p *pipeline) write(ctx context.Context, write func(context.Context) (int, error)) (int, error) {
	writing, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	return write(writing)
}

func (p *pipeline) noteSettled(b batch, settled int) {
	p.options.Measures.Meter.Settled(p.account, p.kind, settled)
	if settled < len(b.jobs) {
		p.log.Debug().Stringer("claim", b.claim).Int("jobs", len(b.jobs)).Int("settled", settled).
			Msg("some jobs had ended or were claimed anew")
	}
}

func (p *pipeline) settleLater(ctx context.Context, b batch, try int, err error) {
	p.log.Warn().Err(err).Stringer("claim", b.claim).Int("try", try).Msg("settling failed; trying again")
	p.options.rest(ctx, backoff{base: 100 * time.Millisecond, ceiling: 5 * time.Second}.delay(try, 1))
}

// drain closes the coalescer and gives back what waited in it.
func (p *pipeline) drain(ctx context.Context) {
	left := p.batches.close()
	if len(left) == 0 {
		return
	}
	defer leave(left)
	jobs := deliveredIn(left)
	giving, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	if err := p.options.Store.Delivery.Undeliver(giving, jobs, 0); err != nil {
		p.log.Warn().Err(err).Int("jobs", len(jobs)).Msg("giving jobs back failed; they come back by themselves")
	}
	p.options.reached(StepDrained)
}

func pause(ctx context.Context, d time.Duration) { sleep(ctx, d, nil) }

// newID makes ids that grow with time, so that the indexes on them stay compact.
func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }
