package torture

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/redisserver"
	"github.com/bulkreg/bulkreg/worker/sandbox/judge"
)

// expectation is how a scenario's registrations may end. Every one must be registered, but for what a domain's label
// scripts, and for those that a person must decide on.
type expectation struct {
	unconfirmed int // at most: those whose call could go unanswered or failed as a whole
	unpaid      int // of them: those that were never paid for, because WHOIS lied
	// redelivered says that Asynq may still hold tasks of workers that are dead, or a Redis was broken: what is left of
	// them goes when their lease in Redis ends, after up to two minutes.
	redelivered bool
	// forgetful says that Postgres had forgotten intents: what was sent under them is judged by what stands for them.
	forgetful bool
	// forgotten tells domains that were bought for an order that Postgres has forgotten as a whole: given again, they end as taken.
	forgotten func(domain string) bool
	// outcome is what a domain may end with, beside registered; nil: nothing but what its label says.
	outcome func(domain string) record.Outcome
}

func (e expectation) forgets(domain string) bool { return e.forgotten != nil && e.forgotten(domain) }

// scripted is the outcome that a domain's label leads to.
func scripted(domain string) record.Outcome {
	switch label, _, _ := strings.Cut(domain, "-"); label {
	case "taken":
		return record.Taken
	case "refused", "poison", "badreq", "whoispoison", "quoting":
		return record.Rejected
	default:
		return record.Registered
	}
}

// verdict waits until things are quiet and judges. Nobody works any more when it returns.
func (w *world) verdict(want expectation, thorough bool) judge.Verdict {
	w.t.Helper()
	defer func() {
		if w.t.Failed() {
			w.unsettled()
		}
	}()
	w.settled()
	w.watched()
	w.redisIsQuiet(want, thorough)
	w.nothingDisappeared()
	w.repliesCount()
	for _, p := range w.workers() {
		w.stop(p)
	}
	w.outcomes(want)
	w.tokensAreKept()
	w.audit()
	return w.judge(want)
}

// judge compares the books.
func (w *world) judge(want expectation) judge.Verdict {
	w.t.Helper()
	ledger, err := w.remote.Ledger(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	conn, err := w.connect()
	if err != nil {
		w.t.Fatal(err)
	}
	defer w.disconnect(conn)
	v, err := judge.Judge(w.t.Context(), conn, ledger)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, b := range v.Breaches {
		if want.forgetful && b.Invariant == judge.Intended && w.standsFor(ledger, b.Domain) {
			continue
		}
		if want.forgets(b.Domain) && (b.Invariant == judge.Intended || b.Invariant == judge.Known) {
			if b.Invariant == judge.Known {
				v.Lost--
			}
			continue
		}
		w.t.Error(b)
		w.history(conn, b.Domain)
	}
	if v.Unpaid > want.unpaid {
		w.t.Errorf("%d jobs are unconfirmed although nobody paid for them, at most %d may be", v.Unpaid, want.unpaid)
	}
	return v
}

// outcomes judges how registrations ended. A call that only this machine was too slow for is nobody's fault.
func (w *world) outcomes(want expectation) {
	w.t.Helper()
	unconfirmed := 0
	for _, o := range w.orders {
		for j, err := range w.store.Orders.Jobs(w.t.Context(), o.ID, orders.JobFilter{}) {
			if err != nil {
				w.t.Fatal(err)
			}
			if j.Kind != record.Register {
				continue
			}
			expected := scripted(j.Domain)
			if want.forgets(j.Domain) {
				expected = record.Taken
			}
			switch {
			case j.State == record.Unconfirmed:
				unconfirmed++
			case j.Outcome == expected, want.outcome != nil && j.Outcome == want.outcome(j.Domain):
			default:
				w.t.Errorf("%s: state %s, outcome %q, error %q; want outcome %q", j.Domain, j.State, j.Outcome, j.LastError, expected)
			}
		}
	}
	doubtful, err := w.sql(`
		SELECT count(*) FROM jobs j WHERE j.state = 'unconfirmed' AND NOT EXISTS (
			SELECT FROM attempts a JOIN calls c ON c.id = a.call_id WHERE a.job_id = j.id AND c.error LIKE '%no whole reply within%')`)
	if err != nil {
		w.t.Fatal(err)
	}
	if min(doubtful, unconfirmed) > want.unconfirmed {
		w.t.Errorf("%d jobs are unconfirmed, at most %d may be", doubtful, want.unconfirmed)
	}
}

// history logs every attempt at a domain.
func (w *world) history(conn *pgx.Conn, domain string) {
	w.t.Helper()
	rows, err := conn.Query(w.t.Context(), `
		SELECT format('%s: attempt %s, opened %s, resolved %s by %s, call %s finished %s status %s: %s', a.domain, a.state, a.opened_at, a.resolved_at,
			a.resolved_by, c.id, c.finished_at, c.status, coalesce(a.message, c.error))
		FROM attempts a JOIN calls c ON c.id = a.call_id WHERE a.domain = $1 ORDER BY a.opened_at`, domain)
	if err == nil {
		var lines []string
		lines, err = pgx.CollectRows(rows, pgx.RowTo[string])
		w.t.Log(strings.Join(lines, "\n"))
	}
	if err != nil {
		w.t.Log(err)
	}
}

func (w *world) connect() (*pgx.Conn, error) {
	connecting, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	return pgx.Connect(connecting, w.database)
}

func (w *world) disconnect(conn *pgx.Conn) {
	if err := conn.Close(context.WithoutCancel(w.t.Context())); err != nil {
		w.t.Log(err) // a scenario may have killed the server
	}
}

// Asynq's sets of one queue. The archive must be empty at any time; the others when things are quiet.
var asynqSets = []string{"archived", "retry", "scheduled", "completed"}

// redisIsQuiet checks that nothing is left in Redis that would grow. After a worker has died, Asynq's own lists need up to
// two minutes: only a thorough check waits for that.
func (w *world) redisIsQuiet(want expectation, thorough bool) {
	w.t.Helper()
	patience := 20 * time.Second
	if want.redelivered {
		if !thorough {
			w.archiveIsEmpty()
			return
		}
		patience = 4 * time.Minute
	}
	if len(w.workers()) == 0 {
		w.worker() // somebody must take back what the dead have left
	}
	await(w.t, "Redis holds no task any more", patience, func() (bool, error) {
		left, err := w.leftInRedis()
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("%v", left)
		}
		return len(left) == 0, err
	})
	w.archiveIsEmpty()
}

func (w *world) archiveIsEmpty() {
	w.t.Helper()
	left, err := w.leftInRedis()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, l := range left {
		if strings.Contains(l, ":completed") {
			w.t.Errorf("in Redis: %s", l)
		}
	}
	archived, err := w.archived()
	if err != nil {
		w.t.Fatal(err)
	}
	if len(archived) != len(w.misfits) {
		w.t.Errorf("in Asynq's archive: %d tasks, want the %d that nobody can carry out", len(archived), len(w.misfits))
	}
}

// leftInRedis lists what Asynq holds of tasks, but for those that must be in its archive.
func (w *world) leftInRedis() (left []string, err error) {
	err = w.askRedis(func(ctx context.Context, client *redis.Client) error {
		for _, kind := range queue.Kinds() {
			for _, name := range taskQueues(kind) {
				prefix := "asynq:{" + name + "}:"
				for _, list := range []string{"pending", "active"} {
					n, err := client.LLen(ctx, prefix+list).Result()
					if err != nil {
						return err
					}
					left = noteLeft(left, prefix+list, n)
				}
				for _, set := range append([]string{"lease"}, asynqSets...) {
					if set == "archived" && len(w.misfits) > 0 {
						continue
					}
					n, err := client.ZCard(ctx, prefix+set).Result()
					if err != nil {
						return err
					}
					left = noteLeft(left, prefix+set, n)
				}
			}
		}
		tasks, err := client.Keys(ctx, "asynq:*:t:*").Result()
		left = noteLeft(left, "tasks", int64(len(tasks)-len(w.misfits)))
		return err
	})
	return left, err
}

// taskQueues are the queues that tasks of a kind lie in: the public ones, and those of the account.
func taskQueues(kind queue.Kind) (names []string) {
	for _, lane := range queue.Lanes() {
		names = append(names, queue.Queue(kind, lane), queue.AccountQueue(kind, lane, kind.Account("default")))
	}
	return names
}

func noteLeft(left []string, key string, n int64) []string {
	if n <= 0 {
		return left
	}
	return append(left, fmt.Sprintf("%s: %d", key, n))
}

func (w *world) askRedis(ask func(context.Context, *redis.Client) error) error {
	asking, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	return redisserver.Exchange(asking, w.redis.URL(), ask)
}

// activeTasks is how many tasks of registrations workers have taken.
func (w *world) activeTasks() (n int64, err error) {
	err = w.askRedis(func(ctx context.Context, client *redis.Client) error {
		for _, name := range taskQueues(queue.Register) {
			active, err := client.LLen(ctx, "asynq:{"+name+"}:active").Result()
			if err != nil {
				return err
			}
			n += active
		}
		return nil
	})
	return n, err
}

// faults are what was proven to happen, sorted.
func (w *world) faults() []string {
	var names []string
	for name, n := range w.proven {
		if n > 0 {
			names = append(names, fmt.Sprintf("%s: %d", name, n))
		}
	}
	slices.Sort(names)
	return names
}
