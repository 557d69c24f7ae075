package store_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"

	"golang.org/x/sync/errgroup"
)

// meeting lets jobs pass only when n sequences have begun, or one of the submits has failed.
func meeting(ctx context.Context, n int32) func(jobs []orders.NewJob) iter.Seq2[orders.NewJob, error] {
	var begun atomic.Int32
	all := make(chan struct{})
	return func(jobs []orders.NewJob) iter.Seq2[orders.NewJob, error] {
		return func(yield func(orders.NewJob, error) bool) {
			if begun.Add(1) == n {
				close(all)
			}
			select {
			case <-all:
				yielded(jobs)(yield)
			case <-ctx.Done():
				yield(orders.NewJob{}, ctx.Err())
			}
		}
	}
}

func TestOrdersWithTheSameDomainsAtOnce(t *testing.T) {
	t.Parallel()
	for _, domains := range []int{50, 600} {
		t.Run(fmt.Sprint(domains), func(t *testing.T) {
			t.Parallel()
			sameDomainsAtOnce(t, domains)
		})
	}
}

func sameDomainsAtOnce(t *testing.T, domains int) {
	b := setup(t)
	const many = 4
	results := make([]orders.Submitted, many)
	g, ctx := errgroup.WithContext(t.Context())
	together := meeting(ctx, many)
	for i := range many {
		jobs := newJobs(names("wanted", domains)...)
		if i%2 == 1 {
			slices.Reverse(jobs)
		}
		g.Go(func() (err error) {
			results[i], err = b.store.Orders.Submit(ctx, newOrder(record.Register, fmt.Sprint("order ", i)), together(jobs))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	duplicates := 0
	for _, res := range results {
		duplicates += res.Duplicates
		if jobs := get[int](b, `SELECT count(*) FROM jobs WHERE order_id = $1`, res.Order.ID); jobs != domains || res.Order.Total != domains {
			t.Errorf("order %s has %d jobs and a total of %d, want %d", res.Order.Reference, jobs, res.Order.Total, domains)
		}
	}
	if duplicates != (many-1)*domains {
		t.Errorf("%d duplicates, want %d", duplicates, (many-1)*domains)
	}
	if live := get[int](b, `SELECT count(DISTINCT domain) FROM jobs WHERE state = 'queued'`); live != domains {
		t.Errorf("%d domains have a live job, want %d", live, domains)
	}
}

func TestOneOrderSubmittedByManyAtOnce(t *testing.T) {
	t.Parallel()
	errBad := errors.New("bad line")
	for name, first := range map[string]error{"the first succeeds": nil, "the first fails": errBad} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			const others = 3
			n := newOrder(record.Register, "r")
			begun, othersWait := make(chan struct{}), make(chan struct{})
			results := make([]orders.Submitted, 1+others)
			g, ctx := errgroup.WithContext(t.Context())
			g.Go(func() (err error) {
				results[0], err = b.store.Orders.Submit(ctx, n, func(yield func(orders.NewJob, error) bool) {
					close(begun)
					<-othersWait
					if yield(newJobs("a.nl")[0], nil) && first != nil {
						yield(orders.NewJob{}, first)
					}
				})
				if errors.Is(err, first) {
					return nil
				}
				return err
			})
			<-begun
			for i := range others {
				g.Go(func() (err error) {
					results[1+i], err = b.store.Orders.Submit(ctx, n, yielded(newJobs("a.nl")))
					return err
				})
			}
			b.blocked(others)
			close(othersWait)
			if err := g.Wait(); err != nil {
				t.Fatal(err)
			}
			if first != nil {
				results = results[1:]
			}
			created := 0
			for _, res := range results {
				if res.Created {
					created++
				}
				if res.Order.ID != results[0].Order.ID || res.Order.Total != 1 {
					t.Errorf("submitted %+v", res)
				}
			}
			if created != 1 {
				t.Errorf("created %d times", created)
			}
			if rows := get[int](b, `SELECT count(*) FROM jobs`); rows != 1 {
				t.Errorf("%d jobs, want 1", rows)
			}
		})
	}
}

func TestSubmitCanBeBrokenOff(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := b.store.Orders.Submit(ctx, newOrder(record.Whois, "r"), func(yield func(orders.NewJob, error) bool) {
		for _, j := range newJobs(names("a", 2000)...) {
			if !yield(j, nil) {
				return
			}
			cancel()
		}
	})
	if err == nil {
		t.Fatal("the order was taken in")
	}
	wantOurs(t, "Submit", err)
	if rows := get[int](b, `SELECT count(*) FROM orders`); rows != 0 {
		t.Error("an order was left")
	}
	if res := b.submit(newOrder(record.Whois, "r"), "a.nl"); !res.Created {
		t.Error("the order cannot be submitted again")
	}
}
