package worker

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"

	"go.opentelemetry.io/otel/trace"

	"github.com/bulkreg/bulkreg/queue"
)

func delivered(n int) []record.DeliveredJob {
	jobs := make([]record.DeliveredJob, n)
	for i := range jobs {
		jobs[i] = record.DeliveredJob{ID: uuid.New(), Domain: fmt.Sprintf("d%d.nl", i)}
	}
	return jobs
}

func always() bool { return true }

func TestCoalescerSendsFullBatchesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCoalescer(100, time.Hour, time.Now, func() bool { return false })
		start := time.Now()
		c.add(queue.Bulk, delivered(70), trace.SpanContext{})
		c.add(queue.Bulk, delivered(70), trace.SpanContext{})
		if n := len(c.next(t.Context())); n != 100 {
			t.Errorf("batch of %d, want 100", n)
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("a full batch waited %v", waited)
		}
	})
}

func TestCoalescerLingersForMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCoalescer(100, 100*time.Millisecond, time.Now, always)
		start := time.Now()
		c.add(queue.Plain, delivered(1), trace.SpanContext{})
		go func() {
			time.Sleep(60 * time.Millisecond)
			c.add(queue.Plain, delivered(2), trace.SpanContext{})
		}()
		if n := len(c.next(t.Context())); n != 3 {
			t.Errorf("batch of %d, want 3", n)
		}
		if waited := time.Since(start); waited != 100*time.Millisecond {
			t.Errorf("waited %v from the first job, want the linger of 100ms", waited)
		}
	})
}

// While every slot is taken, waiting costs nothing and fills the batch further.
func TestCoalescerWaitsForAFreeSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		free := false
		c := newCoalescer(100, 10*time.Millisecond, time.Now, func() bool { return free })
		c.add(queue.Plain, delivered(1), trace.SpanContext{})
		got := make(chan int)
		go func() { got <- len(c.next(t.Context())) }()
		time.Sleep(time.Second)
		c.add(queue.Plain, delivered(4), trace.SpanContext{})
		synctest.Wait()
		select {
		case n := <-got:
			t.Fatalf("a batch of %d left without a slot", n)
		default:
		}
		free = true
		c.poke()
		if n := <-got; n != 5 {
			t.Errorf("batch of %d, want 5", n)
		}
	})
}

func TestCoalescerLetsThePlainLaneGoFirst(t *testing.T) {
	t.Parallel()
	c := newCoalescer(80, 0, time.Now, always)
	c.add(queue.Bulk, delivered(400), trace.SpanContext{})
	small := c.add(queue.Plain, delivered(1), trace.SpanContext{})
	plain := 0
	for _, ticket := range c.next(t.Context()) {
		if ticket.chunk == small {
			plain++
		}
	}
	if plain != 1 {
		t.Error("the small order is not in the next batch")
	}
	c.add(queue.Plain, delivered(400), trace.SpanContext{})
	bulk := 0
	for _, ticket := range c.next(t.Context()) {
		if ticket.chunk != small && ticket.job.Domain != "" {
			bulk++
		}
	}
	if bulk != 80 {
		t.Errorf("batch of %d, want 80", bulk)
	}
}

// A stream of small orders slows a large one down, and never stops it.
func TestCoalescerKeepsAShareForTheBulkLane(t *testing.T) {
	t.Parallel()
	c := newCoalescer(80, 0, time.Now, always)
	large := c.add(queue.Bulk, delivered(100), trace.SpanContext{})
	c.add(queue.Plain, delivered(1000), trace.SpanContext{})
	fromBulk := 0
	for _, ticket := range c.next(t.Context()) {
		if ticket.chunk == large {
			fromBulk++
		}
	}
	if fromBulk != 10 {
		t.Errorf("%d of the batch are the bulk lane's, want an eighth: 10", fromBulk)
	}
}

// The same where a batch has fewer jobs than it takes for a share: the upstream may have been found to take few at once.
func TestCoalescerKeepsAShareInSmallBatches(t *testing.T) {
	t.Parallel()
	c := newCoalescer(1, 0, time.Now, always)
	large := c.add(queue.Bulk, delivered(100), trace.SpanContext{})
	c.add(queue.Plain, delivered(1000), trace.SpanContext{})
	fromBulk := 0
	for range 80 {
		if c.next(t.Context())[0].chunk == large {
			fromBulk++
		}
	}
	if fromBulk != 10 {
		t.Errorf("%d of 80 are the bulk lane's, want an eighth: 10", fromBulk)
	}
}

func TestCoalescerGivesBackWhatWaitsWhenClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCoalescer(100, time.Hour, time.Now, always)
		c.add(queue.Plain, delivered(2), trace.SpanContext{})
		c.add(queue.Bulk, delivered(3), trace.SpanContext{})
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if batch := c.next(t.Context()); batch != nil {
				t.Errorf("a batch of %d left after closing", len(batch))
			}
		}()
		synctest.Wait()
		if left := c.close(); len(left) != 5 {
			t.Errorf("%d were given back, want 5", len(left))
		}
		<-ended
		if c.add(queue.Plain, delivered(1), trace.SpanContext{}) != nil {
			t.Error("a closed coalescer took a job")
		}
		if left := c.close(); left != nil {
			t.Error("closing again gave jobs back again")
		}
	})
}

// Whatever comes in, everything comes out once, in batches of at most the size, and every passage ends.
func TestCoalescerLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(7, 7))
		c := newCoalescer(50, 20*time.Millisecond, time.Now, always)
		want := map[uuid.UUID]bool{}
		var passages []*passage
		for range 200 {
			jobs := delivered(rng.IntN(120))
			for _, j := range jobs {
				want[j.ID] = true
			}
			lane := queue.Plain
			if rng.IntN(2) == 0 {
				lane = queue.Bulk
			}
			passages = append(passages, c.add(lane, jobs, trace.SpanContext{}))
		}
		for len(want) > 0 {
			batch := c.next(t.Context())
			if len(batch) == 0 || len(batch) > 50 {
				t.Fatalf("batch of %d", len(batch))
			}
			for _, ticket := range batch {
				if !want[ticket.job.ID] {
					t.Fatal("a job came out twice")
				}
				delete(want, ticket.job.ID)
				ticket.chunk.leave()
			}
		}
		for _, p := range passages {
			<-p.done
		}
	})
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	b := backoff{base: 2 * time.Second, ceiling: time.Minute}
	for _, c := range []struct {
		attempt int
		luck    float64
		want    time.Duration
	}{
		{1, 1, 2 * time.Second}, {2, 1, 4 * time.Second}, {5, 1, 32 * time.Second}, {6, 1, time.Minute},
		{1000, 1, time.Minute}, {3, 0.5, 4 * time.Second}, {3, 0, 0}, {0, 1, 2 * time.Second},
	} {
		if got := b.delay(c.attempt, c.luck); got != c.want {
			t.Errorf("attempt %d, luck %v: %v, want %v", c.attempt, c.luck, got, c.want)
		}
	}
}
