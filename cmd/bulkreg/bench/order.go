package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/queue/intake/input"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

const source = "bench"

// submit takes an order in as `bulkreg enqueue` does, from lines that come through a pipe.
func (b *Bed) submit(ctx context.Context, reference string, domains int) (_ record.Order, err error) {
	lines, done := linesOf(b.row.kind, reference, domains)
	defer func() {
		// Where reading ended early, the writer does too.
		err = errors.Join(err, lines.Close(), <-done)
	}()
	reader, err := input.NewReader(lines, input.Options{Kind: string(b.row.kind), DefaultHolderID: sandbox.DefaultHolder})
	if err != nil {
		return record.Order{}, err
	}
	spool, err := intake.ReadSpool(reader, func(bad *input.RejectError) error { return bad })
	if err != nil {
		return record.Order{}, err
	}
	defer func() { err = errors.Join(err, spool.Close()) }()
	submitted, err := b.intake.Submit(ctx, intake.Order{
		Source: source, Reference: reference, Kind: b.row.kind, Account: b.row.kind.Account(config.DefaultAccount),
	}, spool)
	return submitted.Order, err
}

// linesOf writes domains into a pipe, one a line, or people. No two orders have one in common. Done tells how writing ended.
func linesOf(kind queue.Kind, reference string, domains int) (lines *io.PipeReader, done <-chan error) {
	lines, into := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		buffered := bufio.NewWriterSize(into, 64<<10)
		head, form := "", "%s-%07d.nl\n"
		if kind.OfPeople() {
			head, form = "email,originator,privacyConsent\n", "%s-%07d@example.nl,bench,true\n"
		}
		_, err := buffered.WriteString(head)
		for i := 0; i < domains && err == nil; i++ {
			_, err = fmt.Fprintf(buffered, form, reference, i)
		}
		if err == nil {
			err = buffered.Flush()
		}
		if errors.Is(err, io.ErrClosedPipe) {
			err = nil // whoever read had enough, and says why
		}
		ended <- errors.Join(err, into.Close())
	}()
	return lines, ended
}

// How often an order is looked at. To count its jobs keeps Postgres busy, so that is done when the last job has ended,
// and then for a tenth of the time at most.
const (
	lookEvery = 250 * time.Millisecond
	lookShare = 10
)

// await waits until every job of an order has succeeded. When the last one did is in the summary, by Postgres's clock,
// which is this machine's: how often we look makes no difference.
func (b *Bed) await(ctx context.Context, o record.Order) (record.Summary, error) {
	for {
		wait := lookEvery
		ended, err := b.lastEnded(ctx, o)
		if err != nil {
			return record.Summary{}, err
		}
		if ended {
			began := time.Now()
			sum, err := b.store.Orders.Summarize(ctx, o)
			switch {
			case err != nil:
				return sum, err
			case sum.Settled() && sum.Counts[record.Succeeded] == sum.Total:
				return sum, nil
			case sum.Settled():
				return sum, fmt.Errorf("only %d of %d jobs of order %s succeeded: %v", sum.Counts[record.Succeeded], sum.Total, o.Reference, sum.Counts)
			}
			wait = max(wait, lookShare*time.Since(began))
		}
		if err := b.pause(ctx, wait); err != nil {
			return record.Summary{}, fmt.Errorf("wait for order %s: %w", o.Reference, err)
		}
	}
}

// lastEnded says whether the last job of an order has ended. That tells next to nothing and costs next to nothing: jobs
// go out in their order, so that it will be one of the last.
func (b *Bed) lastEnded(ctx context.Context, o record.Order) (bool, error) {
	for job, err := range b.store.Orders.Jobs(ctx, o.ID, orders.JobFilter{AfterSeq: o.Total - 1, Limit: 1}) {
		return !job.FinishedAt.IsZero(), err
	}
	return false, fmt.Errorf("order %s has lost its last job", o.Reference)
}

// pause waits for d, or until something ended that should run.
func (b *Bed) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-b.worker.Done():
		return b.worker.ended()
	case <-b.sandbox.Done():
		return b.sandbox.ended()
	case <-b.postgres.Done():
		return errors.New("the throwaway Postgres ended by itself")
	case <-b.redis.Done():
		return errors.New("the throwaway Redis ended by itself")
	}
}
