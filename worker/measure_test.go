package worker_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store/fleet"
	"github.com/bulkreg/bulkreg/store/record"
	"github.com/bulkreg/bulkreg/worker"
	"github.com/bulkreg/bulkreg/worker/gate"
	"github.com/bulkreg/bulkreg/worker/sandbox"
	"github.com/bulkreg/bulkreg/worker/upstream"
)

// tally adds up what a worker tells.
type tally struct {
	mu   sync.Mutex
	told map[string]int
}

func (t *tally) add(what string, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.told == nil {
		t.told = map[string]int{}
	}
	t.told[what] += n
}

func (t *tally) Called(account string, op record.Op, jobs int, a upstream.Answer) {
	t.add(fmt.Sprintf("%s: jobs in %s calls with %d", account, op, a.Status), jobs)
}

func (t *tally) Claimed(account string, kind record.Kind, jobs, most int) {
	t.add(fmt.Sprintf("%s: %s jobs claimed, of %d at most", account, kind, most), jobs)
}

func (t *tally) Settled(account string, kind record.Kind, jobs int) {
	t.add(fmt.Sprintf("%s: %s jobs settled", account, kind), jobs)
}

func (t *tally) Attempted(account string, how record.AttemptState, jobs int) {
	t.add(fmt.Sprintf("%s: attempts %s", account, how), jobs)
}

func (t *tally) Passed(class gate.Class, _ gate.Cause, _ time.Duration) {
	t.add("permits "+class.String(), 1)
}
func (t *tally) TurnedAway(gate.Class, gate.Cause) {}

// A worker tells what it does as it does it, whoever listens, and the eldest of all what the database says of everybody's.
func TestMeasures(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	var told tally
	figures := make(chan *fleet.Figures, 10)
	o := b.options()
	o.Measures = worker.Measures{
		Meter: &told, Gate: func(string) gate.Meter { return &told },
		Figures: func(f *fleet.Figures) { figures <- f },
	}
	order := b.submit(queue.Register, "r", []string{"a.nl", "b.nl", "c.nl"})
	stop := b.work(o)
	b.settled(order)
	f := <-figures
	for f == nil { // as long as it does not know that it is the eldest
		f = <-figures
	}
	if len(f.Accounts) != 1 || f.Accounts[0] != "default" {
		t.Errorf("figures %+v", f)
	}
	stop()
	close(figures)
	for next := range figures {
		f = next
	}
	if f != nil {
		t.Errorf("a worker that stops tells %+v", f)
	}
	want := map[string]int{
		"default: register jobs claimed, of 50 at most": 3, "default: jobs in check calls with 200": 3, "default: jobs in register calls with 200": 3,
		"default: attempts registered": 3, "default: register jobs settled": 3, "permits check": 1, "permits paid": 1,
	}
	if diff := cmp.Diff(want, told.told); diff != "" {
		t.Error(diff)
	}
}
