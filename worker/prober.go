package worker

import (
	"context"
	"slices"
	"time"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/worker/gate"
)

// holdWatch reads how the accounts stand, all of them in one statement each tick, and tells it to their gates and probers.
// Every worker runs one.
type holdWatch struct {
	store   *store.Store
	probers map[string]*prober // by account
	names   []string
	still   *standstill
	down    outage
}

func newHoldWatch(o Options) *holdWatch {
	return &holdWatch{store: o.Store, probers: map[string]*prober{}, still: o.standstill, down: outage{
		log: o.Log.With().Str("role", "prober").Logger(), what: "looking after holds", troubles: o.troubles,
	}}
}

func (h *holdWatch) add(p *prober) {
	h.probers[p.account] = p
	h.names = append(h.names, p.account)
}

// run looks until ctx ends.
func (h *holdWatch) run(ctx context.Context) {
	for ctx.Err() == nil {
		standings, err := h.look(ctx)
		h.down.note(ctx, err)
		for _, st := range standings {
			h.probers[st.Account].tell(st)
		}
		pause(ctx, tick)
	}
}

func (h *holdWatch) look(ctx context.Context) ([]holds.Standing, error) {
	looking, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	standings, err := h.store.Holds.Standings(looking, h.names)
	for _, st := range standings {
		h.still.NoteHolds(st.Account, st.Stopped)
		h.probers[st.Account].gate.Hold(gate.Stopped{Paid: st.NoCalls.Register, All: st.NoCalls.All})
	}
	return standings, err
}

// prober looks after one account's holds: it makes the one call that a hold allows when its time has come, lifts the hold
// when that goes well, and wakes the jobs of lifted holds gradually. Every worker runs one per account; Postgres
// gives a probe to only one of them.
type prober struct {
	store     *store.Store
	account   string
	gate      *gate.Gate
	told      chan holds.Standing // how the account stands, the newest only
	kinds     []record.Kind       // that this worker works on
	pipelines map[record.Kind]*pipeline
	ceiling   time.Duration // of the time between two probes
	// dailyLimit is how many registrations a day may have; 0: as many as there are.
	dailyLimit int
	redeliver  time.Duration // how long a delivery may stay unclaimed
	woken      func()        // told when jobs have become due
	wave       int           // how many jobs to wake next
	announced  bool          // that this worker has the account
	troubles   *troubles
	log        zerolog.Logger
}

const (
	// probeCeiling is the longest time between two probes, in first intervals.
	probeCeiling = 6
	// jobsPerProbe bounds the jobs that one probe tries: those that WHOIS calls taken end without a paid call.
	jobsPerProbe = 20
	// firstWave is how many held jobs wake at first. Each wave, one a tick, is twice as large, so that a lift that
	// was too early costs a few calls and not a flood.
	firstWave = 50
	maxWave   = 10_000
)

// tell says how the account stands. It never blocks.
func (p *prober) tell(st holds.Standing) {
	select {
	case <-p.told:
	default:
	}
	select {
	case p.told <- st:
	default:
	}
}

// run probes and wakes until ctx ends. A probe's call that is under way then is seen through, until work ends.
func (p *prober) run(ctx, work context.Context) {
	down := outage{log: p.log, what: "looking after holds", troubles: p.troubles}
	for {
		select {
		case <-ctx.Done():
			return
		case st := <-p.told:
			down.note(ctx, p.look(work, st))
		}
	}
}

// look does what there is to do. It begins nothing more once the worker is stopping.
func (p *prober) look(ctx context.Context, st holds.Standing) error {
	if !st.Wakes {
		p.wave = firstWave
	}
	for _, duty := range []struct {
		due bool
		do  func(context.Context) error
	}{{!p.announced, p.announce}, {st.UsedUp && p.registers(), p.liftForDay}, {st.ProbeDue, p.probe}, {st.WakesCancels, p.wakeCanceled}, {st.Wakes, p.wakeHeld}} {
		if p.stopping() {
			return nil
		}
		if !duty.due {
			continue
		}
		if err := duty.do(ctx); err != nil {
			return err
		}
	}
	return nil
}

// stopping says whether the worker has been told to stop. Its pipelines take nothing more from then on.
func (p *prober) stopping() bool { return p.gate.Closed() }

// registers says whether this worker makes registrations, and so has a say in how many a day may have.
func (p *prober) registers() bool { return slices.Contains(p.kinds, record.Register) }

func (p *prober) announce(ctx context.Context) error {
	announcing, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	err := p.store.Fleet.AnnounceAccount(announcing, p.account)
	p.announced = err == nil
	return err
}

// wakeCanceled wakes canceled jobs that wait for nothing but a check.
func (p *prober) wakeCanceled(ctx context.Context) error {
	waking, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	n, err := p.store.Holds.WakeCanceled(waking, p.account, maxWave)
	if n > 0 {
		p.woken()
	}
	return err
}

// wakeHeld wakes the next wave of jobs whose hold has been lifted.
func (p *prober) wakeHeld(ctx context.Context) error {
	waking, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	p.wave = max(p.wave, firstWave)
	n, err := p.store.Holds.WakeHeld(waking, p.account, p.wave)
	if err != nil {
		p.wave = firstWave // so many may have been too many for the time of a statement
		return err
	}
	if n == 0 {
		p.wave = firstWave
		return nil
	}
	p.wave = min(2*p.wave, maxWave)
	p.log.Info().Int("jobs", n).Msg("woke jobs whose hold has been lifted")
	p.woken()
	return nil
}

// liftForDay ends the hold of a daily limit that is over, or that is none under this worker's limit.
func (p *prober) liftForDay(ctx context.Context) error {
	lifting, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	lifted, err := p.store.Holds.LiftForDay(lifting, p.account, p.dailyLimit)
	if lifted {
		p.log.Info().Str("reason", string(holds.DailyLimit)).Msg("there are registrations left for today: hold lifted")
	}
	return err
}

// probe makes a probe that is due.
func (p *prober) probe(ctx context.Context) error {
	probe, due, err := p.take(ctx)
	for tried := 0; due && err == nil; tried++ {
		if tried == jobsPerProbe || p.stopping() {
			return p.giveBack(ctx, probe)
		}
		run := p.pipelines[probe.Kind].probe(ctx, probe)
		if run.passed {
			lifting, cancel := context.WithTimeout(ctx, databaseTime)
			defer cancel()
			return p.lift(lifting, probe)
		}
		if run.called {
			p.log.Info().Str("reason", string(probe.Reason)).Msg("probed; the hold stays")
			return nil
		}
		due, err = p.takeNext(ctx, &probe)
	}
	return err
}

func (p *prober) take(ctx context.Context) (holds.Probe, bool, error) {
	taking, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	return p.store.Holds.TakeProbe(taking, p.account, p.kinds, p.ceiling, p.redeliver)
}

func (p *prober) takeNext(ctx context.Context, probe *holds.Probe) (bool, error) {
	taking, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	return p.store.Holds.NextProbeJob(taking, probe, p.redeliver)
}

// giveBack leaves a probe's job to the next probe.
func (p *prober) giveBack(ctx context.Context, probe holds.Probe) error {
	giving, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	return p.store.Delivery.Undeliver(giving, []record.DeliveredJob{probe.Job}, 0)
}

func (p *prober) lift(ctx context.Context, probe holds.Probe) error {
	lifted, err := p.store.Holds.Lift(ctx, probe)
	if lifted {
		p.log.Info().Str("reason", string(probe.Reason)).Msg("the probe went well: hold lifted")
	}
	return err
}

// probe carries out the job of a probe, in a batch of its own.
func (p *pipeline) probe(ctx context.Context, probe holds.Probe) probing {
	run := &probing{id: probe.ID, scope: probe.Scope, reason: probe.Reason, status: probe.Status, words: probe.Words}
	p.claimAndProcess(ctx, []record.DeliveredJob{probe.Job}, run)
	return *run
}
