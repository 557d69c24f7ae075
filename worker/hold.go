package worker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/worker/gate"
	"github.com/bulkreg/bulkreg/worker/registrar"
)

// authority follows what the upstream says of an account's tokens, over all its pipelines. A token may be refused
// because it grew old; a fresh one that is refused too means that our credentials are. It asks each operation by itself: a
// token that is good enough for WHOIS may still not be allowed to register.
type authority struct {
	mu      sync.Mutex
	refused map[record.Op]uint64 // generation of the newest token that was refused; none after a success
}

func newAuthority() *authority { return &authority{refused: map[record.Op]uint64{}} }

// refuse notes that a token was refused, and says whether the one before it was, too.
func (a *authority) refuse(op record.Op, generation uint64) (again bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	last, before := a.refused[op]
	a.refused[op] = max(last, generation)
	return before && generation > last
}

func (a *authority) accept(op record.Op) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.refused, op)
}

// heed acts on what an answer says of the account rather than of its jobs, and changes the fates accordingly. Each hold that
// they ask for is laid before they are settled, so that no job waits for one that is not there.
func (p *pipeline) heed(ctx context.Context, b batch, op record.Op, fates []fate, a registrar.Answer) {
	if slices.ContainsFunc(fates, func(f fate) bool { return f.course == courseDone || f.course == courseAccepted }) {
		p.standing.refusals.wentWell(op)
	}
	p.heedToken(op, fates, a)
	p.heedOutage(ctx, b, op, fates, a)
	b.probe.hearAgain(fates)
	laid := map[holds.Reason]bool{}
	for _, f := range fates {
		if f.hold != "" && !laid[f.hold] {
			laid[f.hold] = true
			p.lay(ctx, b, op, f)
		}
	}
	b.probe.note(op, fates)
}

// heedPause lets the whole account pause where the upstream wants fewer calls. It comes before the call's permit is given back:
// whoever is next in line would be called for otherwise.
func (p *pipeline) heedPause(fates []fate) {
	asked, wait := time.Duration(0), false
	for _, f := range fates {
		if f.course == courseWait && f.status == http.StatusTooManyRequests {
			asked, wait = max(asked, f.after), true
		}
	}
	if wait {
		p.standing.gate.Pause(p.standing.pauses.next(asked))
		return
	}
	p.standing.pauses.end()
}

// heedOutage holds the account when so many calls in a row have failed that the upstream must be away. Nothing that follows
// is a fault of any job's.
func (p *pipeline) heedOutage(ctx context.Context, b batch, op record.Op, fates []fate, a registrar.Answer) {
	if ctx.Err() != nil || !a.Sent && a.Started.IsZero() {
		b.probe.hear(true)
		return // the call was broken off here, or not made
	}
	failed := unanswered(fates, a)
	away := p.standing.failures.note(op == record.OpRegister, failed)
	b.probe.hear(failed)
	if !failed || !away && !b.probe.is(holds.Outage) {
		return
	}
	for i := range fates {
		fates[i].hold = holds.Outage
		if fates[i].course == courseRetry {
			fates[i].course = courseHold
		}
	}
}

// unanswered reports whether a call as a whole had no answer, or only word of the upstream's own failure.
func unanswered(fates []fate, a registrar.Answer) bool {
	if a.Status != 0 && a.Status < http.StatusInternalServerError {
		return false
	}
	return !slices.ContainsFunc(fates, func(f fate) bool { return f.course != courseRetry && f.course != courseUnknown })
}

// heedToken drops a refused token, once for however many calls it was refused in. A fresh one that is refused too is a
// hold. Where the same answer did what others asked for, it is not the token: the refused then go again as after any failure,
// or one that is always refused would be called for without a pause and without end.
func (p *pipeline) heedToken(op record.Op, fates []fate, a registrar.Answer) {
	if !slices.ContainsFunc(fates, func(f fate) bool { return f.course == courseReauth }) {
		if a.Complete {
			p.standing.authority.accept(op)
		}
		return
	}
	p.upstream.Invalidate(a.TokenGeneration)
	again := p.standing.authority.refuse(op, a.TokenGeneration)
	did := slices.ContainsFunc(fates, func(f fate) bool { return f.course == courseDone })
	for i := range fates {
		switch {
		case fates[i].course != courseReauth:
		case did:
			fates[i].course = courseRetry
		case again:
			fates[i].course, fates[i].hold = courseHold, holds.Auth
		}
	}
}

// lay lays a hold on the account.
func (p *pipeline) lay(ctx context.Context, b batch, op record.Op, f fate) {
	if f.hold == holds.Auth && !f.sent {
		op = "" // no token could be got, for whatever operation
	}
	h := holds.NewHold{
		Account: p.account, Reason: f.hold, Scope: scopeOf(f.hold, op),
		Words: f.words, Status: f.status, ProbeEvery: p.options.HoldInterval,
	}
	p.settle(ctx, batch{claim: b.claim}, func(ctx context.Context) (int, error) {
		laid, err := p.options.Store.Holds.Hold(ctx, h)
		p.standing.gate.Stop(gate.Stopped{Paid: h.Scope == holds.ScopeRegister, All: h.Scope == holds.ScopeAll})
		if laid {
			// Not the upstream's words: they may be about a holder, whom a log must not name.
			p.log.Error().Str("reason", string(h.Reason)).Str("scope", string(h.Scope)).Int("status", h.Status).
				Msg("the account is on hold")
		}
		return 0, err
	})
}

// scopeOf says what a hold stops: without money, registrations; without credentials, everything; where an operation is not
// allowed to us, or not as we think, whatever needs it.
func scopeOf(reason holds.Reason, op record.Op) holds.Scope {
	if reason == holds.Payment || op == record.OpRegister || op == record.OpHolder {
		return holds.ScopeRegister
	}
	return holds.ScopeAll
}

// holdBack makes a batch wait for a hold that forbade its call.
func (p *pipeline) holdBack(ctx context.Context, b batch) { p.holdWith(ctx, b, "") }

// holdWith makes a batch wait for a hold, and says why.
func (p *pipeline) holdWith(ctx context.Context, b batch, words string) {
	transitions := make([]ledger.Transition, len(b.jobs))
	for i, j := range b.jobs {
		transitions[i] = ledger.Hold(j.ID, words)
	}
	p.settle(ctx, b, func(ctx context.Context) (int, error) {
		return p.options.Store.Ledger.Settle(ctx, b.claim, ledger.CallResult{}, transitions)
	})
}

// holdForDay makes jobs wait that an intent did not take because the day's registrations are used up. The hold is laid before, so
// that no job waits for one that is not there; where something was given back meanwhile there is none, and they go again at once.
func (p *pipeline) holdForDay(ctx context.Context, b batch, over []ledger.ClaimedJob) {
	if len(over) == 0 {
		return
	}
	words := fmt.Sprintf("the daily limit of the account is reached: %d registrations (UTC)", p.options.DailyLimit)
	p.settle(ctx, batch{claim: b.claim}, func(ctx context.Context) (int, error) {
		laid, err := p.options.Store.Holds.HoldForDay(ctx, p.account, p.options.DailyLimit, words)
		if laid {
			p.log.Warn().Str("reason", string(holds.DailyLimit)).Int("limit", p.options.DailyLimit).
				Msg("the account has used up its registrations of this day: the others wait for the next one")
		}
		return 0, err
	})
	p.holdWith(ctx, b.of(over), words)
}

// notStarted handles the refusal of a call before it was made. It reports whether the batch has been dealt with.
func (p *pipeline) notStarted(ctx context.Context, b batch, err error) bool {
	if errors.Is(err, holds.ErrHeld) {
		p.holdBack(ctx, b)
		return true
	}
	p.log.Warn().Err(err).Stringer("claim", b.claim).Int("jobs", len(b.jobs)).Msg("call not started")
	return false
}

// probing is the state of a batch that is a probe; nil for all others.
type probing struct {
	id     uuid.UUID
	scope  holds.Scope // of the hold
	called bool        // the upstream was asked for what the hold stops, or failed before that
	passed bool        // and answered as if there were no reason to hold
	silent bool        // the newest call had no answer

	// What the hold is for, and what the upstream said when it was laid.
	reason holds.Reason
	status int
	words  string
}

// hearAgain makes the account's of what an answer says of the probe's job, where a contract hold was laid for just these
// words: jobs of several orders and holders were refused with them, so it is not this one's fault either.
func (p *probing) hearAgain(fates []fate) {
	if p == nil || p.reason != holds.Contract || p.words == "" {
		return
	}
	for i, f := range fates {
		refused := f.course == courseReject || f.course == courseSplit
		if refused && f.status == p.status && strings.HasPrefix(f.words, p.words) { // the store cuts long ones
			fates[i].course, fates[i].hold, fates[i].own = courseHold, holds.Contract, true
		}
	}
}

// hear notes whether a call was answered at all.
func (p *probing) hear(failed bool) {
	if p != nil {
		p.silent = failed
	}
}

// is reports whether the batch is the probe of such a hold.
func (p *probing) is(reason holds.Reason) bool { return p != nil && p.reason == reason }

// note notes what a call brought. Where only registrations are stopped, a WHOIS check that goes well proves nothing: its
// job may end there, and another one is to be tried.
func (p *probing) note(op record.Op, fates []fate) {
	if p == nil {
		return
	}
	passed := true
	for _, f := range fates {
		switch f.course {
		case courseDone, courseReject, courseSplit, courseAccepted:
		default:
			passed = false
		}
	}
	if p.reason == holds.Outage {
		passed = !p.silent // whatever it says, it is there
	}
	proves := p.scope == holds.ScopeAll || op == record.OpRegister
	p.called = p.called || proves || !passed
	p.passed = proves && passed
}

// permission is the probe's id, or zero for a batch that is none.
func (p *probing) permission() uuid.UUID {
	if p == nil {
		return uuid.Nil
	}
	return p.id
}
