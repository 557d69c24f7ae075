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

// run probes and wakes until ctx ends. A probe under way is seen through.
func (p *prober) run(ctx context.Context) {
	down := outage{log: p.log, what: "looking after holds"}
	for ctx.Err() == nil {
		err := p.look(ctx)
		down.note(ctx, err)
		pause(ctx, tick)
	}
}

func (p *prober) look(ctx context.Context) error {
	if !p.announced {
		if err := p.store.AnnounceAccount(ctx, p.account); err != nil {
			return err
		}
		p.announced = true
	}
	if err := p.probe(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	canceled, err := p.store.WakeCanceled(ctx, p.account, maxWave)
	if err != nil {
		return err
	}
	if canceled > 0 {
		p.woken()
	}
	p.wave = max(p.wave, firstWave)
	n, err := p.store.WakeHeld(ctx, p.account, p.wave)
	if err != nil {
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
	probe, due, err := p.store.TakeProbe(ctx, p.account, p.kinds, p.ceiling, p.redeliver)
	for range jobsPerProbe {
		if err != nil || !due {
			return err
		}
		run := p.pipelines[probe.Kind].probe(ctx, probe)
		if run.passed {
			return p.lift(ctx, probe)
		}
		if run.called {
			p.log.Info().Str("reason", string(probe.Reason)).Msg("probed; the hold stays")
			return nil
		}
		due, err = p.store.NextProbeJob(ctx, &probe, p.redeliver)
	}
	return err
}

func (p *prober) lift(ctx context.Context, probe store.Probe) error {
	lifted, err := p.store.Lift(ctx, p.account, probe.Reason)
	if lifted {
		p.log.Info().Str("reason", string(probe.Reason)).Msg("the probe went well: hold lifted")
	}
	return err
}

// probe carries out the job of a probe, in a batch of its own.
func (p *pipeline) probe(ctx context.Context, probe store.Probe) probing {
	run := &probing{id: probe.ID, scope: probe.Scope}
	p.claimAndProcess(ctx, []store.DeliveredJob{probe.Job}, run)
	return *run
}
