package worker

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/store"
)

// prober looks after one account's holds: it makes the one call that a hold allows when its time has come, lifts the hold
// when that goes well, and wakes the jobs of lifted holds gradually. Every worker runs one per account; Postgres
// gives a probe to only one of them.
type prober struct {
	store     *store.Store
	account   string
	kinds     []store.Kind // that this worker works on
	pipelines map[store.Kind]*pipeline
	ceiling   time.Duration // of the time between two probes
	redeliver time.Duration // how long a delivery may stay unclaimed
	woken     func()        // told when jobs have become due
	wave      int           // how many jobs to wake next
	announced bool          // that this worker has the account
	troubles  *troubles
	log       zerolog.Logger
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

// run probes and wakes until ctx ends. A probe's call that is under way then is seen through, until work ends.
func (p *prober) run(ctx, work context.Context) {
	down := outage{log: p.log, what: "looking after holds", troubles: p.troubles}
	for ctx.Err() == nil {
		err := p.look(work)
		down.note(ctx, err)
		pause(ctx, tick)
	}
}

// look does what there is to do. It begins nothing more once the worker is stopping.
func (p *prober) look(ctx context.Context) error {
	for _, do := range []func(context.Context) error{p.announce, p.probe, p.wakeCanceled, p.wakeHeld} {
		if p.stopping() {
			return nil
		}
		if err := do(ctx); err != nil {
			return err
		}
	}
	return nil
}

// stopping says whether the worker has been told to stop. Its pipelines take nothing more from then on.
func (p *prober) stopping() bool {
	for _, pipeline := range p.pipelines {
		if pipeline.batches.isClosed() {
			return true
		}
	}
	return false
}

func (p *prober) announce(ctx context.Context) error {
	if p.announced {
		return nil
	}
	announcing, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	err := p.store.AnnounceAccount(announcing, p.account)
	p.announced = err == nil
	return err
}

// wakeCanceled wakes canceled jobs that wait for nothing but a check.
func (p *prober) wakeCanceled(ctx context.Context) error {
	waking, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	n, err := p.store.WakeCanceled(waking, p.account, maxWave)
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
	n, err := p.store.WakeHeld(waking, p.account, p.wave)
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

func (p *prober) take(ctx context.Context) (store.Probe, bool, error) {
	taking, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	return p.store.TakeProbe(taking, p.account, p.kinds, p.ceiling, p.redeliver)
}

func (p *prober) takeNext(ctx context.Context, probe *store.Probe) (bool, error) {
	taking, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	return p.store.NextProbeJob(taking, probe, p.redeliver)
}

// giveBack leaves a probe's job to the next probe.
func (p *prober) giveBack(ctx context.Context, probe store.Probe) error {
	giving, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	return p.store.Undeliver(giving, []store.DeliveredJob{probe.Job}, 0)
}

func (p *prober) lift(ctx context.Context, probe store.Probe) error {
	lifted, err := p.store.Lift(ctx, probe)
	if lifted {
		p.log.Info().Str("reason", string(probe.Reason)).Msg("the probe went well: hold lifted")
	}
	return err
}

// probe carries out the job of a probe, in a batch of its own.
func (p *pipeline) probe(ctx context.Context, probe store.Probe) probing {
	run := &probing{id: probe.ID, scope: probe.Scope, reason: probe.Reason, status: probe.Status, words: probe.Words}
	p.claimAndProcess(ctx, []store.DeliveredJob{probe.Job}, run)
	return *run
}
