package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/queue"
)

// world is one simulated history: processes that run the code of workers, step by step, on a database whose clock stands still,
// with a queue that loses and repeats, against a registry that fails in every way. A seed decides everything.
type world struct {
	t        *testing.T
	db       *simDatabase
	rng      *rand.Rand
	tune     func(*Options) // what is not as by default
	limit    int            // of an account's registrations a day; 0: there is none
	accounts []string
	registry *registry
	tokens   *simTokens // nil where none are ordered
	procs    []*process
	started  int
	current  *task
	quiet    bool // nothing stands still any more, and nothing fails

	// What cannot have anything to do is not asked: a history is as long as its statements.
	stirred bool // something has changed since the last dispatch
	aged    bool // time has passed since the last rescue
	held    bool // there may be a hold

	paced      bool // calls take turns by a rate
	metronomes map[string]*simMetronome
	waited     int         // how often a task stood in line
	refused    int         // statements that Postgres refused
	frozen     int         // transactions that stood still
	locks      []*pgx.Conn // of transactions that stand still

	domains []string
	orders  []record.Order
	tasks   []queuedTask // what lies in Redis
	refuse  int          // how Redis fails: 0 not, 1 before, 2 after it has taken a task
	trace   []string
	failed  []string
	lock    chan struct{} // several chunks are enqueued at once
}

// queuedTask is a chunk on its way.
type queuedTask struct {
	account string
	kind    record.Kind
	jobs    []record.DeliveredJob
}

var errSimRedis = errors.New("simulated: Redis is away")

// Enqueue makes the world the dispatcher's outlet.
func (w *world) Enqueue(_ context.Context, kind queue.Kind, _ queue.Lane, c queue.Chunk) error {
	if w.refuse == 1 {
		return errSimRedis
	}
	t := queuedTask{account: c.Account, kind: record.Kind(kind)}
	for _, j := range c.Jobs {
		t.jobs = append(t.jobs, record.DeliveredJob{ID: j.ID, Domain: j.Domain, Epoch: *j.Epoch})
	}
	w.lock <- struct{}{}
	w.tasks = append(w.tasks, t)
	<-w.lock
	if w.refuse == 2 {
		return errSimRedis
	}
	return nil
}

// Depth makes the world the dispatcher's gauge.
func (w *world) Depth(context.Context, string) (int, error) { return len(w.tasks), nil }

// chance draws one of several things, each as likely as its weight. In quiet times it is always the first.
func (w *world) chance(weights ...int) int {
	if w.quiet {
		return 0
	}
	total := 0
	for _, n := range weights {
		total += n
	}
	x := w.rng.IntN(total)
	for i, n := range weights {
		if x -= n; x < 0 {
			return i
		}
	}
	return 0
}

func (w *world) log(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf(format, args...))
}

func (w *world) fail(format string, args ...any) {
	w.failed = append(w.failed, fmt.Sprintf(format, args...))
}

func (w *world) pass(d time.Duration) {
	w.stirred, w.aged = true, w.aged || d >= time.Minute
	w.log("%v pass", d.Round(time.Second))
	w.db.set(w.t, w.db.now.Add(d))
}

// submit takes in an order for some of the domains.
func (w *world) submit() {
	first := w.rng.IntN(len(w.domains))
	domains := w.domains[first:]
	n := orders.NewOrder{
		Source: "sim", Reference: fmt.Sprintf("%s-%d", w.accounts[0], len(w.orders)), Kind: record.Register, Lane: record.Plain,
		Account: w.accounts[w.rng.IntN(len(w.accounts))], ChunkSize: 1 + w.rng.IntN(len(domains)),
	}
	submitted, err := w.db.store.Orders.Submit(w.t.Context(), n, func(yield func(orders.NewJob, error) bool) {
		for _, d := range domains {
			id := queue.JobID(n.Source, n.Reference, queue.Register, d)
			if !yield(orders.NewJob{ID: id, Domain: d, HolderID: "H-1", PeriodMonths: 12}, nil) {
				return
			}
		}
	})
	if err != nil {
		w.tolerate("submit", err) // the producer would say it again
		return
	}
	w.log("order %d of %v, %d a chunk", len(w.orders), domains, n.ChunkSize)
	w.orders = append(w.orders, submitted.Order)
	w.stirred = true
}

// event is one thing that happens.
func (w *world) event() {
	p := w.procs[w.rng.IntN(len(w.procs))]
	switch w.chance(20, 26, 34, 14, 9, 6, 3, 3, 2, 2, 1, 1, 6, 3, 1, 2) {
	case 0:
		if !w.stirred {
			return
		}
		w.stirred = false
		w.refuse = []int{0, 0, 0, 0, 0, 0, 1, 2}[w.rng.IntN(8)]
		p.dispatch()
		w.refuse = 0
		slices.SortStableFunc(w.tasks, func(a, b queuedTask) int { return strings.Compare(a.jobs[0].Domain, b.jobs[0].Domain) })
	case 1:
		w.deliver(p)
	case 2:
		if len(p.tasks) > 0 {
			before := len(p.tasks)
			p.tasks[w.rng.IntN(len(p.tasks))].goOn(true)
			w.stirred = w.stirred || len(p.tasks) < before
		}
	case 3:
		w.pass([]time.Duration{time.Second, 20 * time.Second, time.Minute, 6 * time.Minute, 15 * time.Minute}[w.rng.IntN(5)])
	case 4:
		if w.aged {
			w.aged, w.stirred = false, true
			p.rescue()
		}
	case 5:
		if w.held {
			w.stirred = true
			p.probe()
		}
	case 6:
		i := slices.Index(w.procs, p)
		p.kill()
		w.procs[i] = w.newProcess()
	case 7:
		w.operate()
	case 8:
		w.log("Redis is emptied")
		w.tasks = nil
	case 9:
		if len(w.orders) < 3 {
			w.submit()
		}
	case 15:
		if w.tokens != nil {
			p.erase()
		}
	case 10:
		w.registry.broke = false
	case 12:
		p.beat()
	case 13:
		w.refuseStatements()
	case 14:
		w.freeze()
	case 11:
		d := w.domains[w.rng.IntN(len(w.domains))]
		if _, sold := w.registry.ours[d]; !sold {
			w.log("somebody else takes %s", d)
			w.registry.others[d] = true
		}
	}
}

// deliver hands what lies in Redis to a process: one task, sometimes two as a batch, sometimes without removing it.
func (w *world) deliver(p *process) {
	if len(w.tasks) == 0 {
		return
	}
	i := w.rng.IntN(len(w.tasks))
	t := w.tasks[i]
	jobs := slices.Clone(t.jobs)
	if other := w.tasks[w.rng.IntN(len(w.tasks))]; other.kind == t.kind && t.kind != record.Token && other.account == t.account && w.chance(3, 1) == 0 {
		jobs = append(jobs, other.jobs...)
	}
	if w.chance(9, 1) == 0 {
		w.tasks = slices.Delete(w.tasks, i, i+1)
	}
	p.work(t.account, t.kind, jobs)
}

// operate lets a person do something to an order. The person knows what the registry knows.
func (w *world) operate() {
	r := operator.Request{Operator: "ann", Reason: "simulated", Orders: []record.Order{w.orders[w.rng.IntN(len(w.orders))]}}
	switch w.chance(3, 2, 4, 1, 2) {
	case 0:
		r.Act = operator.Retry
	case 4:
		r.Act = operator.RetryNow
	case 1:
		r.Act = operator.Cancel
	case 2:
		w.confirm()
		return
	case 3:
		w.resume()
		return
	}
	w.act(r)
}

func (w *world) resume() {
	w.log("resumed")
	_, err := w.db.store.Holds.Resume(w.t.Context(), w.anyAccount())
	w.tolerate("resume", err)
}

func (w *world) act(r operator.Request) {
	w.stirred = true
	report, err := w.db.store.Operator.CarryOut(w.t.Context(), r)
	w.tolerate(string(r.Act), err)
	w.log("%s changes %d", r.Act, report.Changed())
}

// confirm settles the jobs that need a person, one by one.
func (w *world) confirm() {
	if w.registry.settledBy().After(w.db.now) {
		return // nobody knows yet
	}
	for _, j := range w.jobs() {
		if j.State != record.Unconfirmed {
			continue
		}
		act := operator.ConfirmNotRegistered
		if w.registry.paid[j.Domain] > 0 {
			act = operator.ConfirmRegistered
		}
		w.log("asked about %s", j.Domain)
		w.act(operator.Request{Act: act, Operator: "ann", Reason: "simulated", Jobs: []uuid.UUID{j.ID}})
	}
}

func (w *world) jobs() []record.Job {
	var jobs []record.Job
	for _, o := range w.orders {
		jobs = append(jobs, w.jobsOf(o)...)
	}
	return jobs
}

func (w *world) jobsOf(o record.Order) []record.Job {
	var jobs []record.Job
	for j, err := range w.db.store.Orders.Jobs(w.t.Context(), o.ID, orders.JobFilter{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		jobs = append(jobs, j)
	}
	return jobs
}

func (w *world) anyAccount() string {
	all := w.everyAccount()
	return all[w.rng.IntN(len(all))]
}

// everyAccount is those of registrations and that of tokens.
func (w *world) everyAccount() []string {
	if w.tokens == nil {
		return w.accounts
	}
	return append(slices.Clone(w.accounts), queue.TokenAccount)
}

// calm lets a world come to rest: what stands still goes on or dies, nothing fails any more, and time passes until every job
// has ended or needs a person.
func (w *world) calm() {
	w.quiet, w.registry.broke = true, false
	w.log("calm")
	w.thaw()
	for _, p := range w.procs {
		for len(p.tasks) > 0 {
			p.tasks[w.rng.IntN(len(p.tasks))].goOn(w.rng.IntN(2) == 0)
		}
	}
	p := w.newProcess()
	for range calmRounds {
		if w.limit > 0 && w.rng.IntN(8) == 0 {
			w.resume() // most days are used up only now
		}
		d := w.awaitDue()
		for _, t := range slices.Clone(p.tasks) {
			t.goOn(true)
		}
		if d.settled {
			return
		}
		if d.rescue {
			p.rescue()
		}
		if d.probe {
			p.probe()
		}
		p.dispatch()
		for len(w.tasks) > 0 {
			w.deliver(p)
		}
	}
	w.fail("after %d rounds of calm there are jobs that have neither ended nor need a person:\n%s", calmRounds, w.rows())
}

// calmRounds is far more than any history needs.
const calmRounds = 200

// rows are those about what has not ended, for people.
func (w *world) rows() string {
	rows, err := w.db.conn.Query(w.t.Context(), `
		SELECT to_jsonb(j)::text FROM jobs j WHERE order_id = ANY($1) AND finished_at IS NULL UNION ALL
		SELECT 'chunk ' || to_jsonb(c)::text FROM chunks c WHERE order_id = ANY($1) UNION ALL
		SELECT 'claim ' || to_jsonb(c)::text FROM claims c WHERE closed_at IS NULL UNION ALL
		SELECT 'hold ' || to_jsonb(h)::text FROM holds h WHERE account = ANY($2) UNION ALL
		SELECT 'now ' || now()::text`, w.orderIDs(), w.everyAccount())
	if err != nil {
		return err.Error()
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err.Error()
	}
	return strings.Join(found, "\n")
}

// due is what a world waits for.
type due struct {
	rescue, probe bool // whether there is something to rescue or to probe
	settled       bool // nothing waits for anything
}

// awaitDue lets time pass until the next thing is due.
func (w *world) awaitDue() (d due) {
	var now int64
	err := w.db.conn.QueryRow(w.t.Context(), `
		WITH rescues AS (
			SELECT wake_at AS t FROM chunks WHERE order_id = ANY($2) UNION ALL
			SELECT lease_until FROM claims WHERE lease_until IS NOT NULL AND closed_at IS NULL
		), probes AS (
			SELECT coalesce((SELECT ends_at FROM holds d WHERE d.account = h.account AND d.reason = 'daily_limit'), next_probe_at) AS t
			FROM holds h WHERE account = ANY($1) AND (
				EXISTS (SELECT FROM jobs WHERE held_account = h.account) OR
				EXISTS (SELECT FROM chunks WHERE account = h.account AND wake_at IS NULL)) UNION ALL
			SELECT now() FROM jobs j WHERE held_account = ANY($1) AND NOT EXISTS (SELECT FROM holds WHERE account = j.held_account)
		), jobs AS MATERIALIZED (
			SELECT wake_at, state, finished_at FROM jobs WHERE order_id = ANY($2)
		), next AS (
			SELECT min(t) AS t FROM (TABLE rescues UNION ALL TABLE probes UNION ALL SELECT wake_at FROM jobs) AS all_of_them
		)
		SELECT setval('sim.clock', ceil(extract(epoch FROM greatest(next.t, $3)) * 1000000)::bigint),
			EXISTS (SELECT FROM rescues), EXISTS (SELECT FROM probes),
			NOT EXISTS (SELECT FROM jobs WHERE finished_at IS NULL AND state <> 'unconfirmed')
		FROM next`,
		w.everyAccount(), w.orderIDs(), w.db.now.Add(time.Second)).Scan(&now, &d.rescue, &d.probe, &d.settled)
	if err != nil {
		w.t.Fatal(err)
	}
	w.db.now = time.UnixMicro(now).UTC()
	return d
}

func (w *world) orderIDs() []int64 {
	ids := make([]int64, len(w.orders))
	for i, o := range w.orders {
		ids[i] = o.ID
	}
	return ids
}
