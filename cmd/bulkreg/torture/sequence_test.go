package torture

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store/record"
	"github.com/bulkreg/bulkreg/worker"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

const (
	sequencesAtOnce   = 2
	faultsPerSequence = 16
	workersOfSequence = 3
)

// sequence is a random run of faults of all kinds through a fleet of workers, while orders come in.
type sequence struct {
	*world
	rand   *rand.Rand
	given  int
	fired  []countedFault      // of the upstream
	asleep []sleeping          // workers that are to wake up again
	doomed map[*process]string // workers that will kill or stop themselves: at what
	said   []string            // what was done, for the log
}

type countedFault struct {
	name  string
	fired func() int
}

type sleeping struct {
	process *process
	until   time.Time
}

// playSequence plays one sequence and judges it.
func playSequence(t *testing.T, r *rand.Rand, results *tally) {
	w := newWorld(t, needs{ownDatabase: true, sandbox: []string{"--partial-402"}})
	w.patience = 5 * time.Minute
	w.servesTokens()
	s := &sequence{world: w, rand: r, doomed: map[*process]string{}}
	defer func() { t.Log(strings.Join(s.said, ", ")) }()
	faults := s.kinds()
	for n := range faultsPerSequence {
		s.staff()
		if n%3 == 0 {
			s.give()
		}
		f := faults[s.rand.IntN(len(faults))]
		s.said = append(s.said, f.name)
		f.happen()
		pass(t, time.Duration(s.rand.IntN(1500))*time.Millisecond)
		s.wake(false)
	}
	s.heal()
	w.settled()
	v := w.verdict(expectation{
		unconfirmed: 1 << 30, // the faults come one upon another; who is unpaid is what counts
		unpaid:      s.promised(),
		redelivered: true,
	}, false)
	results.add(w, v)
	t.Logf("%d jobs, %d registered, %d unconfirmed (%d of them not paid for); %v", v.Jobs, v.Registered, v.Unconfirmed, v.Unpaid, w.faults())
}

// promised counts the unconfirmed jobs that the upstream accepted and then refused, as their labels or those of others in their call
// want it: nobody ever pays for those.
func (s *sequence) promised() int {
	s.t.Helper()
	n, err := s.sql(`
		SELECT count(DISTINCT j.id) FROM jobs j JOIN attempts a ON a.job_id = j.id AND a.accepted
		WHERE j.state = 'unconfirmed' AND (j.domain ~ '^(refused|flaky)-' OR EXISTS (
			SELECT FROM attempts b WHERE b.call_id = a.call_id AND b.domain ~ '^(poison|badreq)-'))`)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// staff brings the fleet up to strength. Some of the new workers are doomed.
func (s *sequence) staff() {
	for len(s.workers()) < workersOfSequence {
		steps := []worker.Step{
			worker.StepTaken, worker.StepEnqueued, worker.StepClaimed, worker.StepChecked, worker.StepIntended,
			worker.StepReplied, worker.StepSettled, worker.StepSplit,
		}
		at := fmt.Sprintf("%s:%d", steps[s.rand.IntN(len(steps))], 1+s.rand.IntN(4))
		switch s.rand.IntN(4) {
		case 0:
			s.doomed[s.worker("CRASH_AT="+at)] = "worker killed at a random step"
		case 1:
			s.doomed[s.worker("STOP_AT="+at)] = "worker stopped at a random step"
		default:
			s.worker()
		}
	}
	s.notice()
}

// notice counts the doomed workers whose hour has come.
func (s *sequence) notice() {
	for p, fault := range s.doomed {
		if !p.alive() {
			if p.killed() {
				s.prove(fault)
			}
			delete(s.doomed, p)
			continue
		}
		if still, err := p.stopped(); err == nil && still {
			s.prove(fault)
			delete(s.doomed, p)
			s.asleep = append(s.asleep, sleeping{p, time.Now().Add(time.Duration(s.rand.IntN(25)) * time.Second)})
		}
	}
}

// give takes in an order, of registrations mostly. Postgres may be away: the order is repeated until it is taken in.
func (s *sequence) give() {
	s.t.Helper()
	s.given++
	name := fmt.Sprintf("s%d", s.given)
	if s.rand.IntN(6) == 0 {
		n := 5 + s.rand.IntN(60)
		s.accept(func() (record.Order, error) { return s.submitTokens(name, n) })
		return
	}
	domains := names(name, 5+s.rand.IntN(120))
	kind := queue.Register
	if s.rand.IntN(5) == 0 {
		kind = queue.Whois
	} else {
		for range s.rand.IntN(3) {
			label := []string{"poison", "refused", "flaky", "taken", "badreq"}[s.rand.IntN(5)]
			domains = append(domains, fmt.Sprintf("%s-%s-%d.nl", label, name, s.rand.IntN(1000)))
		}
	}
	s.accept(func() (record.Order, error) { return s.submit(s.t.Context(), "default", kind, name, domains) })
}

// accept submits an order until it is accepted.
func (s *sequence) accept(submit func() (record.Order, error)) {
	s.t.Helper()
	s.await("the order is accepted", func() (bool, error) {
		order, err := submit()
		if err == nil {
			s.orders = append(s.orders, order)
		}
		return err == nil, err
	})
}

// wake lets sleeping workers go on whose time has come, or all of them.
func (s *sequence) wake(all bool) {
	s.t.Helper()
	s.notice()
	var still []sleeping
	for _, a := range s.asleep {
		if !all && time.Now().Before(a.until) {
			still = append(still, a)
			continue
		}
		s.signal(a.process, syscall.SIGCONT)
	}
	s.asleep = still
}

// heal ends every fault that lasts, and counts those that had to be waited for.
func (s *sequence) heal() {
	s.t.Helper()
	for _, f := range s.fired {
		s.proven[f.name] += f.fired()
	}
	if _, err := s.remote.ClearFaults(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.fund(sandbox.Unlimited)
	s.toDatabase.Disarm()
	s.toUpstream.Disarm()
	s.proven["reply to a COMMIT dropped"] += s.toDatabase.Counts().Dropped
	s.proven["reply of the upstream dropped"] += s.toUpstream.Counts().Dropped
	s.wake(true)
	// Nobody who is still doomed may be the last.
	for p := range s.doomed {
		s.signal(p, syscall.SIGKILL)
		s.ended(p)
		s.prove("worker killed")
	}
	s.worker()
}
