package operator

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
)

// Act is what an operator may do to jobs. Nothing else changes a final state.
type Act string

const (
	// ConfirmRegistered ends unconfirmed jobs: the registrar says that they are ours.
	ConfirmRegistered Act = "confirm registered"
	// ConfirmNotRegistered lets unconfirmed jobs go again, each after its own fresh check: the registrar says
	// that the earlier calls had no effect.
	ConfirmNotRegistered Act = "confirm not registered"
	// Retry gives failed and canceled jobs a new life.
	Retry Act = "retry"
	// RetryNow lets jobs that wait for their next attempt go at once. The wait after a paid call without an answer stays:
	// WHOIS may lag, and a reading before its time proves nothing.
	RetryNow Act = "retry now"
	// Cancel ends jobs that wait. A registration that may have been sent is not called for any more, and ends when
	// a fresh check has shown that no earlier call had an effect; if it shows the opposite, a person must decide.
	Cancel Act = "cancel"
)

// Skip says why an act leaves a job as it is.
type Skip string

// The reasons.
const (
	SkipEnded          Skip = "ended"           // cancel: it is final
	SkipRunning        Skip = "running"         // cancel of a check, confirm: it is being called for right now
	SkipCanceling      Skip = "canceling"       // cancel: it was canceled already, and is being looked into
	SkipUnconfirmed    Skip = "unconfirmed"     // cancel, retry: it must be confirmed first
	SkipSucceeded      Skip = "succeeded"       // retry: there is nothing to try again
	SkipUnfinished     Skip = "unfinished"      // retry: it has not ended
	SkipUnusable       Skip = "unusable"        // retry: what it lacks to be carried out is not there, see NewJob.Rejected
	SkipClaimed        Skip = "claimed"         // retry: another live or registered job has the domain
	SkipNotUnconfirmed Skip = "not_unconfirmed" // confirm: it does not wait for a person
	SkipNotWaiting     Skip = "not_waiting"     // retry now: it does not wait for its next attempt, or its time has come
	SkipUnanswered     Skip = "unanswered"      // retry now: a paid call for its domain has no definite answer, and it waits for that
	SkipMoved          Skip = "moved"           // it changed at that very moment
)

// Request is what an operator wants done, to which jobs.
type Request struct {
	Act      Act
	Operator string         // who, on record with every job
	Reason   string         // why; may be "" for all but confirming
	Orders   []record.Order // all their jobs
	Jobs     []uuid.UUID    // and these, which belong to none of the orders
	State    record.State   // only jobs in this state; "" for all
	Outcome  record.Outcome // only jobs with this outcome; "" for all

	// Looked is told after each page how many jobs were looked at so far, of Size; nil for nobody.
	Looked func(jobs int)
}

// Size is how many jobs a request is about at most.
func (r Request) Size() int {
	n := len(r.Jobs)
	for _, o := range r.Orders {
		n += o.Total
	}
	return n
}

func (r Request) looked(jobs int) {
	if r.Looked != nil {
		r.Looked(jobs)
	}
}

// Check says what is wrong with a request. CarryOut refuses it for the same.
func (r Request) Check() error {
	switch r.Act {
	case ConfirmRegistered, ConfirmNotRegistered, Retry, RetryNow, Cancel:
	default:
		return fmt.Errorf("there is no act %q", r.Act)
	}
	if r.Reason == "" && (r.Act == ConfirmRegistered || r.Act == ConfirmNotRegistered) {
		return errors.New("say how you know: the reason goes on record")
	}
	return record.CheckRecord(r.Operator, r.Reason)
}

// Count counts jobs that stood alike before an act.
type Count struct {
	Kind    record.Kind
	State   record.State
	Outcome record.Outcome
	Skip    Skip // "" for jobs that the act changes
	Jobs    int
	// Later counts those of them that a Cancel ends only after a fresh check: they were sent before, or are being
	// called for right now.
	Later int
}

// Report says what an act changes, or has changed, and what it leaves as it is.
type Report struct {
	Counts  []Count
	Claimed []orders.Claimant // who has the domains of SkipClaimed: the first of them
	Paused  []record.Order    // after an error of a cancel: the large orders that it stopped, and that stay so until it is repeated, or they are resumed
}

// Changed is how many jobs the act changes.
func (r Report) Changed() int {
	n := 0
	for _, c := range r.Counts {
		if c.Skip == "" {
			n += c.Jobs
		}
	}
	return n
}

// Later is how many of the changed jobs a cancel ends only after a fresh check.
func (r Report) Later() int {
	n := 0
	for _, c := range r.Counts {
		if c.Skip == "" {
			n += c.Later
		}
	}
	return n
}

// Skipped counts the jobs that stay as they are, by reason.
func (r Report) Skipped() map[Skip]int {
	skipped := map[Skip]int{}
	for _, c := range r.Counts {
		if c.Skip != "" {
			skipped[c.Skip] += c.Jobs
		}
	}
	return skipped
}

// add merges counts of another page.
func (r *Report) add(counts []Count) {
	for _, c := range counts {
		merged := false
		for i := range r.Counts {
			have := &r.Counts[i]
			if have.Kind == c.Kind && have.State == c.State && have.Outcome == c.Outcome && have.Skip == c.Skip {
				have.Jobs, have.Later, merged = have.Jobs+c.Jobs, have.Later+c.Later, true
			}
		}
		if !merged {
			r.Counts = append(r.Counts, c)
		}
	}
}

// Plan says what CarryOut would do now. It changes nothing.
func (s *Operator) Plan(ctx context.Context, r Request) (Report, error) {
	if err := r.Check(); err != nil {
		return Report{}, fmt.Errorf("plan act: %w", err)
	}
	var b actBook
	looked := 0
	for p := range r.pages() {
		res, err := s.judge(ctx, r, p)
		if err != nil {
			return Report{}, err
		}
		b.add(res)
		looked += p.size()
		r.looked(looked)
	}
	return b.report, s.nameClaimants(ctx, &b)
}

// CarryOut does what an operator wants, page by page: the jobs of a page change in one statement together with the
// record of who did it and why, and a page is short enough not to keep workers waiting. A job changes only
// if it still stands as it was judged. After an error the report says what was done before it: the same request again
// does the rest. A cancel of more than one page of an order stops its delivery first.
func (s *Operator) CarryOut(ctx context.Context, r Request) (Report, error) {
	if err := r.Check(); err != nil {
		return Report{}, fmt.Errorf("carry out act: %w", err)
	}
	var b actBook
	stopped, err := s.stopDelivery(ctx, r)
	if err == nil {
		err = s.actOnAll(ctx, r, &b)
	}
	if err == nil {
		err = s.endCancel(ctx, r, stopped)
	}
	if err != nil {
		b.report.Paused = stopped
		return b.report, err
	}
	return b.report, s.nameClaimants(ctx, &b)
}

func (s *Operator) actOnAll(ctx context.Context, r Request, b *actBook) error {
	looked := 0
	for p := range r.pages() {
		if err := s.actOn(ctx, r, p, b); err != nil {
			return err
		}
		looked += p.size()
		r.looked(looked)
	}
	return nil
}

// actBook gathers the pages of an act.
type actBook struct {
	report  Report
	claimed []string // the first domains of SkipClaimed
}

func (b *actBook) add(res actResult) {
	b.report.add(res.counts)
	b.claimed = append(b.claimed, res.claimed[:min(len(res.claimed), shownClaimed-len(b.claimed))]...)
}

// shownClaimed bounds how many domains of SkipClaimed a report names.
const shownClaimed = 20

func (s *Operator) nameClaimants(ctx context.Context, b *actBook) (err error) {
	if len(b.claimed) > 0 {
		b.report.Claimed, err = s.orders.Claimants(ctx, b.claimed)
	}
	return err
}

// Passes over one page. The first takes what nobody else has locked; the others wait for the few that were.
const actPasses = 3

func (s *Operator) actOn(ctx context.Context, r Request, p page, b *actBook) error {
	for pass := 1; ; pass++ {
		res, err := s.act(ctx, r, p, pass == 1)
		if err != nil {
			return err
		}
		if len(res.moved) == 0 || pass == actPasses {
			b.add(res)
			return nil
		}
		res.counts = withoutMoved(res.counts)
		b.add(res)
		p = pageOf(res.moved)
	}
}

func withoutMoved(counts []Count) []Count {
	var rest []Count
	for _, c := range counts {
		if c.Skip != SkipMoved {
			rest = append(rest, c)
		}
	}
	return rest
}

// jobsPerPage is how many jobs one statement judges and changes.
const jobsPerPage = 10_000

// page is a part of an act's jobs: a run of an order's, or some by their ids.
type page struct {
	order       int64 // 0: by ids
	first, last int   // seq
	ids         pg.Uuids
}

// size is how many jobs a page is about at most.
func (p page) size() int {
	if p.order == 0 {
		return len(p.ids)
	}
	return p.last - p.first + 1
}

func pageOf(ids []uuid.UUID) page { return page{ids: pg.ToUUIDs(ids, pg.AsIs)} }

// pages cuts what a request is about into pages.
func (r Request) pages() iter.Seq[page] {
	return func(yield func(page) bool) {
		for _, o := range r.Orders {
			for first := 1; first <= o.Total; first += jobsPerPage {
				if !yield(page{order: o.ID, first: first, last: min(first+jobsPerPage-1, o.Total)}) {
					return
				}
			}
		}
		for from := 0; from < len(r.Jobs); from += jobsPerPage {
			if !yield(pageOf(r.Jobs[from:min(from+jobsPerPage, len(r.Jobs))])) {
				return
			}
		}
	}
}
