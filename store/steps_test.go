package store_test

import (
	"crypto/sha256"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/store/delivery"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
)

// newOrder is an order whose content is told by its reference.
func newOrder(kind record.Kind, reference string) orders.NewOrder {
	return orders.NewOrder{
		Source: "test", Reference: reference, Kind: kind, Lane: record.Plain, Account: "default",
		Digest: sha256.Sum256([]byte(reference)), ChunkSize: 10,
	}
}

func newJobs(domains ...string) []orders.NewJob {
	jobs := make([]orders.NewJob, len(domains))
	for i, d := range domains {
		jobs[i] = orders.NewJob{ID: newID(), Domain: d, HolderID: "H-1"}
	}
	return jobs
}

func yielded(jobs []orders.NewJob) iter.Seq2[orders.NewJob, error] {
	return func(yield func(orders.NewJob, error) bool) {
		for _, j := range jobs {
			if !yield(j, nil) {
				return
			}
		}
	}
}

func (b *bench) submit(n orders.NewOrder, domains ...string) orders.Submitted {
	b.t.Helper()
	res, err := b.store.Orders.Submit(b.t.Context(), n, yielded(newJobs(domains...)))
	if err != nil {
		b.t.Fatal(err)
	}
	return res
}

func lotOf(kind record.Kind) delivery.Lot {
	return delivery.Lot{Kind: kind, Lane: record.Plain, Account: "default"}
}

// fresh takes all fresh jobs of the plain lane.
func (b *bench) fresh(kind record.Kind) []record.DeliveredJob {
	b.t.Helper()
	deliveries, err := b.store.Delivery.TakeUndelivered(b.t.Context(), lotOf(kind), 1000, time.Hour)
	if err != nil {
		b.t.Fatal(err)
	}
	return delivered(deliveries)
}

// due takes all due jobs of the plain lane.
func (b *bench) due(kind record.Kind) []record.DeliveredJob {
	b.t.Helper()
	deliveries, err := b.store.Delivery.TakeDue(b.t.Context(), lotOf(kind), 1000, 100, time.Hour)
	if err != nil {
		b.t.Fatal(err)
	}
	return delivered(deliveries)
}

func delivered(deliveries []record.Delivery) []record.DeliveredJob {
	var jobs []record.DeliveredJob
	for _, d := range deliveries {
		jobs = append(jobs, d.Jobs...)
	}
	return jobs
}

func domainsOf(jobs []record.DeliveredJob) []string {
	domains := make([]string, len(jobs))
	for i, j := range jobs {
		domains[i] = j.Domain
	}
	return domains
}

// batch is a claim and the jobs it got, in the order of their domains.
type batch struct {
	claim uuid.UUID
	jobs  []ledger.ClaimedJob
}

func (h batch) ids() []uuid.UUID {
	ids := make([]uuid.UUID, len(h.jobs))
	for i, j := range h.jobs {
		ids[i] = j.ID
	}
	return ids
}

func newClaim(kind record.Kind) ledger.Claim {
	return ledger.Claim{ID: newID(), Kind: kind, Account: "default", Worker: "host/1", Lease: time.Hour}
}

func (b *bench) claim(c ledger.Claim, jobs []record.DeliveredJob) batch {
	b.t.Helper()
	got, err := b.store.Ledger.Claim(b.t.Context(), c, jobs)
	if err != nil {
		b.t.Fatal(err)
	}
	slices.SortFunc(got, func(x, y ledger.ClaimedJob) int { return strings.Compare(x.Domain, y.Domain) })
	return batch{claim: c.ID, jobs: got}
}

// running submits, delivers and claims jobs with these domains.
func (b *bench) running(kind record.Kind, domains ...string) batch {
	b.t.Helper()
	b.submit(newOrder(kind, "of "+domains[0]), domains...)
	h := b.claim(newClaim(kind), b.fresh(kind))
	if len(h.jobs) != len(domains) {
		b.t.Fatalf("claimed %d jobs, want %d", len(h.jobs), len(domains))
	}
	return h
}

// again takes jobs that are due and claims them anew.
func (b *bench) again(kind record.Kind, n int) batch {
	b.t.Helper()
	h := b.claim(newClaim(kind), b.due(kind))
	if len(h.jobs) != n {
		b.t.Fatalf("claimed %d jobs anew, want %d", len(h.jobs), n)
	}
	return h
}

func newCall(claim uuid.UUID, op record.Op) ledger.NewCall {
	return ledger.NewCall{ID: newID(), ClaimID: claim, Op: op, Size: 1, Timeout: time.Minute, Lease: time.Hour}
}

// read records what WHOIS said in a call.
func (b *bench) read(claim, call uuid.UUID, readings ...ledger.Reading) {
	b.t.Helper()
	r := ledger.CheckResult{Call: ledger.CallResult{ID: call, Status: 200}, Readings: readings}
	if _, err := b.store.Ledger.SettleCheck(b.t.Context(), claim, r); err != nil {
		b.t.Fatal(err)
	}
}

// settleRead settles a transition that holds only by the readings, and wants it to.
func (b *bench) settleRead(h batch, t ledger.Transition) {
	b.t.Helper()
	r := ledger.CheckResult{Transitions: []ledger.Transition{ledger.ByReadings(t)}}
	if n, err := b.store.Ledger.SettleCheck(b.t.Context(), h.claim, r); err != nil || n != 1 {
		b.t.Fatalf("settled %d, %v", n, err)
	}
}

// overdue lets the deadlines of all calls pass.
func (b *bench) overdue() {
	b.t.Helper()
	b.exec(`UPDATE calls SET deadline = started_at`)
}

// intend opens an attempt for every job of a batch, and returns the call.
func (b *bench) intend(h batch, cleared ...uuid.UUID) uuid.UUID {
	b.t.Helper()
	if len(cleared) > 0 {
		b.overdue()
		b.checked(h)
	}
	in := ledger.Intent{Call: newCall(h.claim, record.OpRegister), Jobs: h.ids(), Cleared: cleared}
	sent, _, err := b.store.Ledger.Intend(b.t.Context(), in)
	if err != nil || len(sent) != len(h.jobs) {
		b.t.Fatalf("may send %d of %d, %v", len(sent), len(h.jobs), err)
	}
	return in.Call.ID
}

// passLease lets a claim's lease pass.
func (b *bench) passLease(claim uuid.UUID) {
	b.t.Helper()
	if b.exec(`UPDATE claims SET lease_until = now() - interval '1 second' WHERE id = $1`, claim) != 1 {
		b.t.Fatal("no such claim")
	}
}

func (b *bench) job(id uuid.UUID) record.Job {
	b.t.Helper()
	j, _, err := b.store.Orders.FindJob(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return j
}

// standing is a job's state and outcome, as in "failed taken".
func standing(j record.Job) string {
	if j.Outcome == "" {
		return string(j.State)
	}
	return string(j.State) + " " + string(j.Outcome)
}

func (b *bench) wantState(id uuid.UUID, want string) {
	b.t.Helper()
	if j := b.job(id); standing(j) != want {
		b.t.Errorf("%s is %s, want %s", j.Domain, standing(j), want)
	}
}

func (b *bench) attempt(call, job uuid.UUID) record.AttemptState {
	b.t.Helper()
	return get[record.AttemptState](b, `SELECT state FROM attempts WHERE call_id = $1 AND job_id = $2`, call, job)
}

func (b *bench) closed(claim uuid.UUID) bool {
	b.t.Helper()
	return get[bool](b, `SELECT closed_at IS NOT NULL FROM claims WHERE id = $1`, claim)
}

// wantWake checks a wake-up against the database's clock.
func (b *bench) wantWake(wake time.Time, in time.Duration) {
	b.t.Helper()
	now := get[time.Time](b, `SELECT clock_timestamp()`)
	if off := wake.Sub(now.Add(in)); off < -patience || off > time.Second {
		b.t.Errorf("wakes in %v, want %v", wake.Sub(now), in)
	}
}

func (b *bench) settle(h batch, transitions ...ledger.Transition) int {
	b.t.Helper()
	n, err := b.store.Ledger.Settle(b.t.Context(), h.claim, ledger.CallResult{ID: newID(), Status: 200}, transitions)
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

func (b *bench) release(claim uuid.UUID, delay time.Duration) int {
	b.t.Helper()
	n, err := b.store.Ledger.Release(b.t.Context(), claim, delay, "")
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

func (b *bench) expire(reconcileAfter time.Duration) ledger.Expired {
	b.t.Helper()
	e, err := b.store.Ledger.ExpireClaims(b.t.Context(), 100, reconcileAfter)
	if err != nil {
		b.t.Fatal(err)
	}
	return e
}
