package operator

import (
	"context"
	"fmt"
	"iter"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/store/pg"
)

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
