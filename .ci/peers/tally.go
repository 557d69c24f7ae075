package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// tally knows which jobs were worked off, and how often. Jobs have numbers from 0, which their domains carry.
type tally struct {
	times    []atomic.Uint32
	distinct atomic.Int64
	awaited  atomic.Int64  // so many, and reached is told
	reached  chan struct{} // of one place
}

func newTally(jobs int) *tally {
	return &tally{times: make([]atomic.Uint32, jobs), reached: make(chan struct{}, 1)}
}

// domain is what a job is about: as long as those of `bulkreg bench`.
func domain(number int) string { return fmt.Sprintf("order-%07d.nl", number) }

// done notes that the job of a domain was worked off.
func (t *tally) done(domain string) error {
	digits := strings.TrimSuffix(strings.TrimPrefix(domain, "order-"), ".nl")
	number, err := strconv.Atoi(digits)
	if err != nil || number < 0 || number >= len(t.times) {
		return fmt.Errorf("a job about %q, which nobody gave", domain)
	}
	if t.times[number].Add(1) == 1 && t.distinct.Add(1) == t.awaited.Load() {
		t.reached <- struct{}{}
	}
	return nil
}

// expect says how many jobs await waits for. It comes before they are given.
func (t *tally) expect(jobs int) { t.awaited.Store(int64(jobs)) }

// stillness is for how long nothing may be worked off before what is left counts as lost.
const stillness = 30 * time.Second

// await waits until as many jobs as are expected were worked off at least once.
func (t *tally) await(ctx context.Context) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	last, since := t.distinct.Load(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.reached:
			return nil
		case <-ticker.C:
		}
		if now := t.distinct.Load(); now != last {
			last, since = now, time.Now()
		} else if time.Since(since) > stillness {
			return t.lost()
		}
	}
}

// lost is the error for jobs that are not worked off.
func (t *tally) lost() error {
	missing := t.awaited.Load() - t.distinct.Load()
	return fmt.Errorf("%d of %d jobs were lost: nothing was worked off for %s", missing, t.awaited.Load(), stillness)
}

// check fails unless each job was worked off, and once: nothing breaks in a run, so that nothing has to be repeated.
func (t *tally) check() error {
	var missing, again int
	for i := range t.times {
		switch n := t.times[i].Load(); {
		case n == 0:
			missing++
		case n > 1:
			again++
		}
	}
	var errs []error
	if missing > 0 {
		errs = append(errs, fmt.Errorf("%d of %d jobs were lost", missing, len(t.times)))
	}
	if again > 0 {
		errs = append(errs, fmt.Errorf("%d of %d jobs were worked off more than once", again, len(t.times)))
	}
	return errors.Join(errs...)
}

// queue is a peer that runs: give hands it the jobs from one number to before another, and settled waits until it has written down
// all that come before a number.
type queue interface {
	give(ctx context.Context, from, to int) error
	settled(ctx context.Context, before int) error
}

// timed has a queue work off some jobs to warm up, and measures the others.
func timed(ctx context.Context, q queue, t *tally, warm int) (time.Duration, error) {
	if _, err := stretch(ctx, q, t, 0, warm); err != nil {
		return 0, fmt.Errorf("warm up: %w", err)
	}
	took, err := stretch(ctx, q, t, warm, len(t.times))
	if err != nil {
		return 0, err
	}
	return took, t.check()
}

func stretch(ctx context.Context, q queue, t *tally, from, to int) (time.Duration, error) {
	t.expect(to)
	began := time.Now()
	if err := q.give(ctx, from, to); err != nil {
		return 0, fmt.Errorf("give jobs: %w", err)
	}
	if err := t.await(ctx); err != nil {
		return 0, err
	}
	if err := q.settled(ctx, to); err != nil {
		return 0, err
	}
	return time.Since(began), nil
}

// until asks every millisecond whether something is so, and fails where it is not before long.
func until(ctx context.Context, is func() (bool, error)) error {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for began := time.Now(); time.Since(began) < stillness; {
		if so, err := is(); so || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
	return fmt.Errorf("nothing came for %s", stillness)
}
