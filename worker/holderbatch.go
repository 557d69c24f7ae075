package worker

import (
	"context"
	"sync"

	"github.com/bulkreg/bulkreg/store/ledger"

	"golang.org/x/sync/errgroup"
)

// holderDesk is where an account's batches ask for holders that came with their details. Batches that need the same holder
// at the same time wait for one of them to get it; between processes, the holder's row decides.
type holderDesk struct {
	mu      sync.Mutex
	lookUps map[int64]*lookUp
}

// lookUp is one holder being looked up. Its result is there when done is closed.
type lookUp struct {
	done   chan struct{}
	result resolution
}

func openHolderDesk() *holderDesk { return &holderDesk{lookUps: map[int64]*lookUp{}} }

// join returns the lookUp of a holder, and whether the caller is the one who carries it out.
func (d *holderDesk) join(key int64) (f *lookUp, leads bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f = d.lookUps[key]; f != nil {
		return f, false
	}
	f = &lookUp{done: make(chan struct{}), result: later(0, "waits for its holder, who could not be looked up")}
	d.lookUps[key] = f
	return f, true
}

func (d *holderDesk) finish(key int64, f *lookUp) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.lookUps, key)
	close(f.done)
}

// registerResolved carries out a batch of registrations once their holders are known. Jobs without one are settled.
func (p *pipeline) registerResolved(ctx context.Context, b batch) part {
	ready, whole := p.resolveHolders(ctx, b)
	if len(ready.jobs) == 0 {
		return part{}
	}
	res := p.registerOnce(ctx, ready)
	res.settled = res.settled && whole
	return res
}

// resolveHolders returns the part of a batch whose holders are known, and whether that is all of it. The others have been
// settled, but for those of a batch that could not be dealt with: nothing is ready then.
func (p *pipeline) resolveHolders(ctx context.Context, b batch) (ready batch, whole bool) {
	waiting := map[int64][]ledger.ClaimedJob{}
	for _, j := range b.jobs {
		if j.HolderID == "" && j.HolderKey != 0 {
			waiting[j.HolderKey] = append(waiting[j.HolderKey], j)
		}
	}
	if len(waiting) == 0 {
		return b, true
	}
	found, err := p.resolveAll(ctx, b, waiting)
	if err != nil {
		p.notStarted(ctx, b, err)
		return batch{}, false
	}
	if p.batches.isClosed() {
		// This worker is stopping, and its time to stop is that of one check and one registration.
		return batch{}, false
	}
	var known, unknown []ledger.ClaimedJob
	for _, j := range b.jobs {
		if j.HolderID == "" {
			j.HolderID = found[j.HolderKey].id
		}
		if j.HolderID == "" && j.HolderKey != 0 {
			unknown = append(unknown, j)
		} else {
			known = append(known, j)
		}
	}
	if len(unknown) > 0 && !p.settleUnresolved(ctx, b.of(unknown), found) {
		return batch{}, false
	}
	return b.of(known), len(unknown) == 0
}

// resolveAll asks for several holders at once. It fails when a call could not be made.
func (p *pipeline) resolveAll(ctx context.Context, b batch, waiting map[int64][]ledger.ClaimedJob) (map[int64]resolution, error) {
	// Waiting for others must not outlast the batch's own lease.
	patient, cancel := context.WithTimeout(ctx, p.options.UpstreamTimeout)
	defer cancel()
	var (
		mu    sync.Mutex
		found = make(map[int64]resolution, len(waiting))
		group errgroup.Group
	)
	group.SetLimit(2 * p.options.Whois.Concurrency) // as many again as may call, that talk to Postgres
	for key, jobs := range waiting {
		group.Go(func() error {
			res, err := p.resolve(ctx, patient, b.of(jobs))
			mu.Lock()
			defer mu.Unlock()
			found[key] = res
			return err
		})
	}
	return found, group.Wait()
}

// resolve looks a holder up, or waits for whoever does so already in this process.
func (p *pipeline) resolve(ctx, patient context.Context, b batch) (resolution, error) {
	key := b.jobs[0].HolderKey
	f, leads := p.holders.join(key)
	if !leads {
		select {
		case <-f.done:
			return f.result, nil
		case <-patient.Done():
			return later(0, waitsForOthers), nil
		}
	}
	defer p.holders.finish(key, f)
	res, err := p.lookUp(ctx, b)
	if err == nil {
		f.result = res
	}
	return res, err
}

// settleUnresolved settles jobs whose holder is not to be had, or not yet.
func (p *pipeline) settleUnresolved(ctx context.Context, b batch, found map[int64]resolution) bool {
	reading, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	histories, err := p.options.Store.Ledger.Histories(reading, b.claim, p.policy.proof)
	if err != nil {
		p.log.Error().Err(err).Stringer("claim", b.claim).Msg("reading histories failed; nothing was settled")
		return false
	}
	luck := p.options.Luck()
	transitions := make([]ledger.Transition, len(b.jobs))
	for i, j := range b.jobs {
		switch res := found[j.HolderKey]; {
		case res.end == "":
			transitions[i] = p.policy.again(j, res.fate, luck)
		case histories[j.ID].Clean():
			transitions[i] = ledger.Fail(j.ID, res.end, res.fate.words)
		default:
			// An earlier call for the domain, by another job, has no definite answer: this one must not end before.
			transitions[i] = ledger.RetryFree(j.ID, p.options.RetryMax, res.fate.words)
		}
	}
	return p.settle(ctx, b, func(ctx context.Context) (int, error) {
		return p.options.Store.Ledger.Settle(ctx, b.claim, ledger.CallResult{}, transitions)
	})
}
