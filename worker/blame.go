package worker

import (
	"context"
	"sync"
	"time"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
)

// refusalRow remembers, for each operation, in which words jobs were refused by themselves in a row, with none that went
// well in between. A few refusals in one call, or one in each of many, are the same to it.
type refusalRow struct {
	mu   sync.Mutex
	rows map[record.Op]*refusalsAlike
	well map[record.Op]bool // whether the operation ever went well in this process
}

// refusalsAlike are refusals in the same words.
type refusalsAlike struct {
	status  int
	words   string
	jobs    map[uuid.UUID]bool // at most enough
	orders  map[int64]bool     // at most two
	holders map[string]bool    // at most two
}

func newRefusalRow() *refusalRow {
	return &refusalRow{rows: map[record.Op]*refusalsAlike{}, well: map[record.Op]bool{}}
}

// enough is how many jobs must be refused in the same words until it is no fault of theirs.
const enough = 10

// accountsFault notes how the jobs of one call, or of one batch that was looked through, fared. It reports whether they
// were refused for a reason that is not theirs: all of them, with enough others in a row, in the same words, and from several
// orders. Registrations must have several holders as well, since one that does not exist is refused for all its domains;
// a check that has never gone well needs not even several orders, for then the operation itself is not as we think.
func (r *refusalRow) accountsFault(op record.Op, jobs []ledger.ClaimedJob, fates []fate) bool {
	op = endpointOf(op)
	r.mu.Lock()
	defer r.mu.Unlock()
	row := r.rows[op]
	for i, j := range jobs {
		f := fates[i]
		if f.course == courseDone || f.course == courseAccepted {
			r.well[op] = true
		}
		if f.course != courseReject {
			delete(r.rows, op)
			return false
		}
		if row == nil || row.status != f.status || row.words != f.words {
			if i > 0 {
				delete(r.rows, op)
				return false
			}
			row = &refusalsAlike{status: f.status, words: f.words, jobs: map[uuid.UUID]bool{}, orders: map[int64]bool{}, holders: map[string]bool{}}
			r.rows[op] = row
		}
		row.add(j)
	}
	switch {
	case row == nil || len(row.jobs) < enough:
		return false
	case op == record.OpRegister:
		return len(row.orders) > 1 && len(row.holders) > 1
	default:
		return len(row.orders) > 1 || !r.well[op]
	}
}

// wentWell notes that an operation went well.
func (r *refusalRow) wentWell(op record.Op) {
	op = endpointOf(op)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.well[op] = true
	delete(r.rows, op)
}

// endpointOf is the operation of the upstream behind a call: the check before a registration is a WHOIS check.
func endpointOf(op record.Op) record.Op {
	if op == record.OpCheck {
		return record.OpWhois
	}
	return op
}

func (a *refusalsAlike) add(j ledger.ClaimedJob) {
	if len(a.jobs) < enough {
		a.jobs[j.ID] = true
	}
	if len(a.orders) < 2 {
		a.orders[j.OrderID] = true
	}
	if len(a.holders) < 2 {
		a.holders[j.HolderID] = true
	}
}

// liftedFor is how long words hold nobody after another job has shown that they are about those who were refused in them.
const liftedFor = time.Hour

// blameAccount makes the account's of what the upstream said of its jobs, where these were refused one by one in the same words
// for a reason that is not theirs. It reports whether it did.
func (p *pipeline) blameAccount(ctx context.Context, op record.Op, jobs []ledger.ClaimedJob, fates []fate) bool {
	if !p.standing.refusals.accountsFault(op, jobs, fates) {
		return false
	}
	lately := false
	if !p.settle(ctx, batch{}, func(ctx context.Context) (n int, err error) {
		lately, err = p.options.Store.Holds.LiftedLately(ctx, p.account, fates[0].status, fates[0].words, liftedFor)
		return 0, err
	}) || lately {
		return false
	}
	for i := range fates {
		fates[i].course, fates[i].hold, fates[i].own = courseHold, holds.Contract, true
	}
	return true
}
