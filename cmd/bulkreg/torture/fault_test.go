package torture

import (
	"syscall"
	"time"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/torture/proxy"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// randomFault is one kind of fault of a sequence. It begins, lasts as long as it lasts, and ends by itself. Only what was
// seen to happen counts; what is prepared for later is counted when the sequence is healed.
type randomFault struct {
	name   string
	happen func()
}

// kinds are all kinds of faults, the likelier ones more than once.
func (s *sequence) kinds() []randomFault {
	moment := func(least, most time.Duration) time.Duration {
		return least + time.Duration(s.rand.Int64N(int64(most-least)))
	}
	all := []randomFault{
		{"kill a worker", s.killOne},
		{"kill a worker", s.killOne},
		{"stop a worker for a while", s.stopOne},
		{"end a worker", s.endOne},
		{"FLUSHALL", s.flush},
		{"restart Redis", s.restartRedis},
		{"pause Redis", func() { s.sleepRedis(moment(time.Second, 6*time.Second)) }},
		{"kill Redis clients", func() { s.killRedisClients(moment(time.Second, 3*time.Second)) }},
		{"fill Redis", s.fillForAWhile},
		{"kill Postgres", s.killPostgres},
		{"end backends", func() { s.endBackends(moment(500*time.Millisecond, 2*time.Second)) }},
		{"lose a COMMIT's reply at claim", func() { s.toDatabase.DropCommit(claimStatement) }},
		{"lose a COMMIT's reply at intent", func() { s.toDatabase.DropCommit(intentStatement) }},
		{"lose a COMMIT's reply at settle", func() { s.toDatabase.DropCommit(settleStatement) }},
		{"refuse Postgres", s.refusePostgres},
		{"black hole before Postgres", s.swallowPostgres},
		{"cut the upstream", s.cutLines},
		{"lose the upstream's reply", func() { s.toUpstream.DropReply(bulkRegister) }},
		{"black hole before the upstream", s.swallowUpstream},
		{"no money for a while", s.noMoney},
		{"Postgres refuses replies", s.refuseReplies},
		{"freeze a transaction", s.freezeOne},
		{"Redis takes no writes", s.readOnlyRedis},
		{"pause the queues", s.pauseForAWhile},
	}
	for _, f := range []struct {
		name  string
		fault sandbox.Fault
	}{
		{"500 after k of n", sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindStatus, Status: 500, Effect: sandbox.EffectFirst, K: 4}},
		{"reply dropped after full work", sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindCut, Effect: sandbox.EffectAll}},
		{"work done late", sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindBlackHole, Effect: sandbox.EffectLate}},
		{"one byte a second", sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindTrickle}},
		{"truncated", sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindTruncate}},
		{"missing items", sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindMissing, Items: 3, Count: 2}},
		{"extra and upper-case items", sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindUpper, Items: 3, Count: 2}},
		{"422 after some", sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindStatus, Status: 422, Effect: sandbox.EffectFirst, K: 3}},
		{"402 after some", sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindStatus, Status: 402, Effect: sandbox.EffectFirst, K: 3}},
		{"401", sandbox.Fault{Op: sandbox.OpAny, Kind: sandbox.KindStatus, Status: 401, Skip: 2, Count: 2}},
		{"404 on the endpoint", sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindStatus, Status: 404, Bare: true}},
		{"503 after full work", sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindStatus, Status: 503, RetryAfter: 1, Effect: sandbox.EffectAll}},
		{"202 and carried out later", sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindAccepted, Effect: sandbox.EffectLate, Delay: 2 * time.Second}},
		{"pending items", sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindPending, Items: 3, Effect: sandbox.EffectAll}},
		{"WHOIS slow", sandbox.Fault{Op: sandbox.OpWhois, Kind: sandbox.KindSlow, Delay: 700 * time.Millisecond, Count: 10}},
		{"WHOIS failing", sandbox.Fault{Op: sandbox.OpWhois, Kind: sandbox.KindStatus, Status: 500, Count: 3}},
		{"WHOIS timing out", sandbox.Fault{Op: sandbox.OpWhois, Kind: sandbox.KindBlackHole, Count: 2}},
	} {
		all = append(all, randomFault{f.name, func() { s.fired = append(s.fired, countedFault{f.name, s.inject(f.fault)}) }})
	}
	return all
}

// anyone is a random worker that is not doomed to do something else; nil if there is none.
func (s *sequence) anyone() *process {
	s.notice()
	var free []*process
	for _, p := range s.workers() {
		if _, doomed := s.doomed[p]; doomed || s.isAsleep(p) {
			continue
		}
		free = append(free, p)
	}
	if len(free) == 0 {
		return nil
	}
	return free[s.rand.IntN(len(free))]
}

func (s *sequence) isAsleep(p *process) bool {
	for _, a := range s.asleep {
		if a.process == p {
			return true
		}
	}
	return false
}

func (s *sequence) killOne() {
	if p := s.anyone(); p != nil {
		s.signal(p, syscall.SIGKILL)
		s.crashed(p, "worker killed")
	}
}

func (s *sequence) stopOne() {
	if p := s.anyone(); p != nil {
		s.signal(p, syscall.SIGSTOP)
		s.stands(p, "worker stopped")
		s.asleep = append(s.asleep, sleeping{p, time.Now().Add(time.Duration(s.rand.IntN(25)) * time.Second)})
	}
}

// endOne ends a worker in an orderly way, and does not wait for it.
func (s *sequence) endOne() {
	if p := s.anyone(); p != nil {
		s.signal(p, syscall.SIGTERM)
		s.prove("worker told to stop")
	}
}

func (s *sequence) flush() {
	if err := s.redis.FlushAll(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.prove("FLUSHALL")
}

func (s *sequence) restartRedis() {
	if err := s.redis.Restart(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.prove("Redis killed and restarted empty")
}

func (s *sequence) fillForAWhile() {
	s.setMaxMemory("1")
	pass(s.t, 2*time.Second)
	s.setMaxMemory("0")
	s.prove("Redis full")
}

func (s *sequence) refusePostgres() {
	cut := func(c proxy.Counts) int { return c.Cut }
	s.forAWhile(3*time.Second, s.toDatabase, s.toDatabase.Refuse, "Postgres away", cut)
}

func (s *sequence) swallowPostgres() {
	s.forAWhile(3*time.Second, s.toDatabase, s.toDatabase.BlackHole, "Postgres a black hole", swallowed)
}

func (s *sequence) cutLines() {
	if s.toUpstream.Cut() > 0 {
		s.prove("lines to the upstream cut")
	}
}

func (s *sequence) swallowUpstream() {
	s.forAWhile(2*time.Second, s.toUpstream, s.toUpstream.BlackHole, "upstream a black hole", swallowed)
}

func swallowed(c proxy.Counts) int { return c.Swallowed }

// forAWhile lets a proxy fail in one way, and counts it as a fault if it hit something.
func (s *sequence) forAWhile(d time.Duration, p *proxy.Proxy, fail func(), what string, hits func(proxy.Counts) int) {
	before := hits(p.Counts())
	fail()
	pass(s.t, d)
	p.Heal()
	if hits(p.Counts()) > before {
		s.prove(what)
	}
}

func (s *sequence) noMoney() {
	s.fund(3)
	pass(s.t, 3*time.Second)
	s.fund(sandbox.Unlimited)
	s.prove("no money for a while")
}

func (s *sequence) refuseReplies() {
	code := []string{"25006", "58030", "53100", "55P03", "XX000", "42P01"}[s.rand.IntN(6)]
	_, lift := s.refuse(code, "attempts", "UPDATE")
	pass(s.t, 3*time.Second)
	if lift() > 0 {
		s.prove("Postgres refuses replies")
	}
}

func (s *sequence) freezeOne() {
	frozen := func(c proxy.Counts) int { return c.Frozen }
	s.forAWhile(4*time.Second, s.toDatabase, func() { s.toDatabase.Freeze(intentStatement) }, "transaction frozen", frozen)
}

func (s *sequence) readOnlyRedis() {
	stop, allow := writes()
	says := []string{"READONLY", "NOREPLICAS"}[s.rand.IntN(2)]
	s.redisDo(stop[says])
	pass(s.t, 2*time.Second)
	s.redisDo(allow[says])
	s.prove("Redis takes no writes")
}

func (s *sequence) pauseForAWhile() {
	n := s.pauseQueues(true)
	pass(s.t, 2*time.Second)
	s.pauseQueues(false)
	if n > 0 {
		s.prove("queues paused")
	}
}
