package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/redis/go-redis/v9"

	"github.com/bulkreg/bulkreg/worker/gate"
)

// standing is what this process knows of how an account stands with the upstream, over all its pipelines: what may call now,
// which tokens were refused, and what has failed or was refused in a row.
type standing struct {
	gate      *gate.Gate
	authority *authority
	failures  *failureRow
	refusals  *refusalRow
	pauses    *pauseRow
	upstream  *upstreamLog
}

func newStanding(a Account, client redis.Scripter, o Options) *standing {
	account := a.Name
	c := gate.Config{
		Slots: map[gate.Pool]int{gate.FreeSlots: o.Whois.Concurrency, gate.PaidSlots: o.Register.Concurrency},
		Clock: o.Clock, Await: o.await, Meter: o.Measures.Gate(account),
	}
	if a.Tokens != nil {
		c.Slots = map[gate.Pool]int{gate.FreeSlots: o.Token.Concurrency}
	}
	switch {
	case a.Tokens != nil: // the rate is a registrar's
	case o.pace != nil:
		c.Pace = o.pace(account)
	case o.Rate > 0:
		down := &outage{log: o.Log.With().Str("role", "pacer").Str("account", account).Logger(), what: "sharing the rate limit over Redis"}
		c.Pace = gate.NewRedisPacer(client, account, o.Name, o.Rate, down.note)
	}
	return &standing{
		gate: gate.New(c), authority: newAuthority(), failures: &failureRow{}, refusals: newRefusalRow(),
		pauses:   &pauseRow{backoff: backoff{base: o.RetryBase, ceiling: o.RetryMax}},
		upstream: newUpstreamLog(o.Log.With().Str("account", account).Logger(), o.Clock),
	}
}

// classOf is which line a call waits in.
func classOf(op record.Op) gate.Class {
	switch op {
	case record.OpRegister:
		return gate.Paid
	case record.OpCheck, record.OpHolder:
		return gate.Check
	default:
		return gate.Plain
	}
}

// pass waits for the permit of one call. While the batch waits its claim is kept alive, so that it is neither taken for lost
// nor delivered again. Without a permit it has been given to its hold, or is to be given back.
func (p *pipeline) pass(ctx context.Context, b batch, op record.Op) (*gate.Permit, error) {
	defer p.heartbeat.keep(b.claim)()
	permit, err := p.standing.gate.Acquire(ctx, classOf(op), b.probe != nil)
	if errors.Is(err, gate.ErrHeld) {
		p.holdBack(ctx, b)
	}
	return permit, err
}

// outageAfter is how many calls in a row must fail without an answer until the upstream counts as away.
const outageAfter = 5

// failureRow counts the calls in a row that failed without an answer, or with the upstream's own failure. Paid calls are
// counted by themselves: WHOIS may answer while nothing can be registered.
type failureRow struct {
	mu  sync.Mutex
	row map[bool]int // by whether the calls are paid
}

// note counts a call, and reports whether the upstream counts as away for calls like it.
func (f *failureRow) note(paid, failed bool) (away bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.row == nil {
		f.row = map[bool]int{}
	}
	if !failed {
		f.row[paid] = 0
		return false
	}
	f.row[paid]++
	return f.row[paid] >= outageAfter
}

// pauseRow is how long an account pauses after a 429: as long as the upstream says, or longer with each in a row.
type pauseRow struct {
	backoff backoff

	mu  sync.Mutex
	row int
}

// next is the pause after one more 429.
func (p *pauseRow) next(asked time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.row++
	return max(asked, p.backoff.delay(p.row, 1))
}

func (p *pauseRow) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.row = 0
}
