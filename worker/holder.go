package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/bulkreg/bulkreg/store/holders"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/queue/intake/holder"
	"github.com/bulkreg/bulkreg/worker/registrar"
)

// resolution is what became of a holder that its jobs need: it has an id, or it ends them, or they ask again later.
type resolution struct {
	id   string
	end  record.Outcome // Rejected or Exhausted; "" for neither
	fate fate           // why there is no id, and when to ask again
}

func later(after time.Duration, words string) resolution {
	return resolution{fate: fate{course: courseWait, after: after, words: words}}
}

// resolutionOf reads a holder's row that is not the caller's to change.
func resolutionOf(h holders.Holder) resolution {
	switch {
	case h.State == holders.HolderReady:
		return resolution{id: h.UpstreamID}
	case h.State == holders.HolderRejected:
		return resolution{end: record.Rejected, fate: fate{words: "the holder was refused: " + h.Words}}
	case h.State == holders.HolderExhausted:
		return resolution{end: record.Exhausted, fate: fate{words: "the holder could not be had: " + h.Words}}
	case h.Purged:
		return resolution{end: record.Rejected, fate: fate{words: "the holder's details have been purged: order the domain anew"}}
	case h.Busy:
		return later(min(h.Wait, tick), waitsForOthers) // they will be done long before their lease ends
	default:
		return later(h.Wait, "waits until its holder can be looked up again")
	}
}

const waitsForOthers = "waits for its holder, who is being looked up or created"

// lookUp finds or creates the holder that all jobs of the batch need, unless somebody has, or does so now. The upstream is
// always searched before it is asked to create: a creation whose answer got lost must not be repeated.
func (p *pipeline) lookUp(ctx context.Context, b batch) (resolution, error) {
	// The search may take its whole time, and the lease must then still do for the creation.
	lease := p.options.UpstreamTimeout + p.options.lease()
	claim := holders.Claim{ID: newID(), Key: b.jobs[0].HolderKey, Jobs: idsOf(b.jobs), Lease: lease}
	claiming, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	h, err := p.options.Store.Holders.ClaimHolder(claiming, claim)
	if err != nil || !h.Claimed {
		return resolutionOf(h), err
	}
	res, err := p.findOrCreate(ctx, b, h, claim.ID)
	if err != nil {
		// No call was made; nobody needs to wait for the lease.
		p.settleHolder(ctx, holders.Release(h.Key, claim.ID, 0))
	}
	return res, err
}

func (p *pipeline) findOrCreate(ctx context.Context, b batch, h holders.Holder, claim uuid.UUID) (resolution, error) {
	details, err := readDetails(h.Details)
	if err != nil {
		return resolution{}, err
	}
	reply, f, err := p.callHolder(ctx, b, func(ctx context.Context) (registrar.HolderReply, error) {
		return p.upstream.FindHolder(ctx, registrar.HolderSearch{Email: details.Email, Known: holderOf(details)})
	})
	if err != nil {
		return resolution{}, err
	}
	missing := f.course == courseSplit && f.status == http.StatusNotFound
	switch {
	case f.course == courseDone && detailsOf(reply.Holder).Digest() == details.Digest():
		return p.settleHolder(ctx, holders.Ready(h.Key, reply.Holder.ID)), nil
	case f.course != courseDone && !missing:
		return p.withoutHolder(ctx, h, claim, f), nil
	}
	// Nobody, or somebody else: two people may share an address, and the upstream finds one of them.
	reply, f, err = p.callHolder(ctx, b, func(ctx context.Context) (registrar.HolderReply, error) {
		return p.createHolder(ctx, h.Key, claim, holderOf(details))
	})
	switch {
	case err != nil:
		return resolution{}, err
	case f.course == courseDone:
		return p.settleHolder(ctx, holders.Ready(h.Key, reply.Holder.ID)), nil
	}
	return p.withoutHolder(ctx, h, claim, f), nil
}

// errNotCreated says that a creation was not sent: its claim had ended, or it could not be recorded in time.
var errNotCreated = errors.New("the holder was not created")

// createHolder records that a creation is sent, and sends it. Like a paid call, it is not made when the process stood
// still in between, so long that others may have taken over.
func (p *pipeline) createHolder(ctx context.Context, key int64, claim uuid.UUID, h registrar.Holder) (registrar.HolderReply, error) {
	begun := p.options.Clock()
	err := p.options.Store.Holders.StartCreation(ctx, key, claim, p.options.UpstreamTimeout, p.options.lease())
	switch {
	case err != nil:
	case p.options.since(begun) > leaseMargin:
		err = errTooLate
	case p.standing.gate.Closed():
		err = errStopping
	}
	if err != nil {
		return registrar.HolderReply{}, fmt.Errorf("%w: %w", errNotCreated, err)
	}
	return p.upstream.CreateHolder(ctx, h)
}

// callHolder makes one call about the holder of all jobs of the batch. It takes a slot of the calls that cost nothing. It fails
// when the batch may not make the call, or no longer.
func (p *pipeline) callHolder(ctx context.Context, b batch, send func(context.Context) (registrar.HolderReply, error)) (registrar.HolderReply, fate, error) {
	var (
		reply registrar.HolderReply
		call  = newID()
	)
	permit, err := p.pass(ctx, b, record.OpHolder)
	if err != nil {
		return reply, fate{}, err
	}
	defer permit.Release()
	if err := p.startHolderCall(ctx, b, call); err != nil {
		return reply, fate{}, err
	}
	if p.standing.gate.Closed() {
		p.notBegun(ctx, b, call)
		return reply, fate{}, errStopping
	}
	calling, cancel := context.WithTimeout(ctx, p.options.UpstreamTimeout)
	calling, end := p.traceCall(calling, b, record.OpHolder, call)
	reply, err = send(calling)
	end(reply.Answer, err)
	cancel()
	fates := []fate{{course: courseDone, sent: true, status: reply.Status}}
	switch {
	case errors.Is(err, errNotCreated):
		fates[0] = fate{course: courseWait, words: "waits for its holder, whose creation did not begin in time"}
	case err != nil:
		fates[0] = fateOfCall(reply.Answer, err, courseRetry)
	}
	p.heedPause(fates)
	permit.Release()
	if !errors.Is(err, errNotCreated) {
		p.noteCall(ctx, b, record.OpHolder, call, reply.Answer, err)
	}
	if c := fates[0].course; c == courseDone || c == courseSplit {
		b.probe = nil // a holder proves nothing about the hold; the calls that follow do
	}
	p.heed(ctx, b, record.OpHolder, fates, reply.Answer)
	p.settle(ctx, batch{claim: b.claim}, func(ctx context.Context) (int, error) {
		return p.options.Store.Ledger.Settle(ctx, b.claim, callResult(call, reply.Answer, err), nil)
	})
	return reply, fates[0], nil
}

func (p *pipeline) startHolderCall(ctx context.Context, b batch, call uuid.UUID) error {
	starting, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	return p.options.Store.Ledger.StartCall(starting, ledger.NewCall{
		ID: call, ClaimID: b.claim, Op: record.OpHolder, Holder: b.jobs[0].HolderKey, Size: len(b.jobs),
		Probe: b.probe.permission(), Timeout: p.options.UpstreamTimeout, Lease: p.options.lease(),
	})
}

// withoutHolder ends a claim on a holder after a call that did not bring it. Tries are counted for the holder and not for
// its jobs: ten thousand of them may wait for one.
func (p *pipeline) withoutHolder(ctx context.Context, h holders.Holder, claim uuid.UUID, f fate) resolution {
	var change holders.Change
	switch tries := h.Failures + 1; {
	case f.course == courseSplit:
		change = holders.Reject(h.Key, claim, f.words)
	case f.course == courseRetry && tries >= p.options.MaxAttempts:
		change = holders.Exhaust(h.Key, claim, f.words)
	case f.course == courseRetry:
		f.after = p.policy.backoff.delay(tries, p.options.Luck())
		change = holders.Retry(h.Key, claim, f.after, f.words)
	case !f.sent:
		change = holders.Release(h.Key, claim, f.after)
	default:
		change = holders.Postpone(h.Key, claim, f.after, f.words)
	}
	res := p.settleHolder(ctx, change)
	switch {
	case res.id != "" || res.end != "":
	case f.course == courseSplit, f.course == courseRetry:
		// It goes on, under this claim's next try or under somebody else's.
		res.fate = fate{course: courseWait, after: f.after, words: f.words}
	default:
		res.fate = f
	}
	return res
}

// settleHolder writes what became of a holder, and returns where it stands then.
func (p *pipeline) settleHolder(ctx context.Context, change holders.Change) resolution {
	var h holders.Holder
	if !p.settle(ctx, batch{}, func(ctx context.Context) (n int, err error) {
		h, err = p.options.Store.Holders.SettleHolder(ctx, change)
		return 0, err
	}) {
		return later(0, "what became of its holder could not be written down")
	}
	return resolutionOf(h)
}

func readDetails(encoded []byte) (holder.Details, error) {
	var details holder.Details
	if json.Unmarshal(encoded, &details) != nil { // its error might quote them
		return details, errors.New("read details of holder: they are no JSON of the expected form")
	}
	return details, nil
}

// knownHolders reads what is known of the holders of some jobs, so that nothing of it is kept where the upstream says it.
func (p *pipeline) knownHolders(ctx context.Context, jobs []ledger.ClaimedJob) (map[int64]registrar.Holder, error) {
	var keys []int64
	for _, j := range jobs {
		if j.HolderKey != 0 {
			keys = append(keys, j.HolderKey)
		}
	}
	if len(keys) == 0 {
		return nil, nil
	}
	details, err := p.options.Store.Holders.HolderDetails(ctx, keys)
	if err != nil {
		return nil, err
	}
	known := make(map[int64]registrar.Holder, len(details))
	for key, encoded := range details {
		d, err := readDetails(encoded)
		if err != nil {
			return nil, err
		}
		known[key] = holderOf(d)
	}
	return known, nil
}

// detailsOf is what makes one upstream holder differ from another.
func detailsOf(h registrar.Holder) holder.Details {
	return holder.Details{
		Company: h.Company, FirstName: h.FirstName, LastName: h.LastName, Email: h.Email, Phone: h.Phone,
		Street: h.Street, HouseNumber: h.HouseNumber, PostalCode: h.PostalCode, City: h.City, Country: h.Country,
	}
}

func holderOf(d holder.Details) registrar.Holder {
	return registrar.Holder{
		Company: d.Company, FirstName: d.FirstName, LastName: d.LastName, Email: d.Email, Phone: d.Phone,
		Street: d.Street, HouseNumber: d.HouseNumber, PostalCode: d.PostalCode, City: d.City, Country: d.Country,
	}
}
