package worker_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/migrations"
	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/queue/intake/input"
	"github.com/bulkreg/bulkreg/queue/redistest"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/pgtest"
	"github.com/bulkreg/bulkreg/worker"
	"github.com/bulkreg/bulkreg/worker/registrar"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// bench is everything around a worker: a database, a Redis and a sandbox of its own.
type bench struct {
	t       *testing.T
	url     string
	store   *store.Store
	redis   string
	sandbox *sandbox.Sandbox
	server  *httptest.Server
}

func migrate(ctx context.Context, url string) error {
	_, err := migrations.Up(ctx, url)
	return err
}

func setup(t *testing.T, o sandbox.Options) *bench {
	t.Helper()
	b := &bench{t: t, url: pgtest.New(t, migrate), redis: redistest.New(t)}
	var err error
	b.store, err = store.Open(t.Context(), b.url, store.Options{MaxConns: 30})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.store.Close)
	o.AnyHolder = true
	b.sandbox, err = sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	b.server = httptest.NewServer(b.sandbox)
	t.Cleanup(func() {
		if err := b.sandbox.Close(); err != nil {
			t.Error(err)
		}
		b.server.Close()
	})
	return b
}

// options are those of a worker in tests: as by default, but quick to try again.
func (b *bench) options() worker.Options {
	return worker.Options{
		Store: b.store, RedisURL: b.redis,
		Accounts: []worker.Account{{Name: "default", Upstream: b.client()}},
		Kinds:    []queue.Kind{queue.Whois, queue.Register},
		Whois:    worker.Tuning{BatchSize: 100, Linger: 50 * time.Millisecond, Concurrency: 4},
		Register: worker.Tuning{BatchSize: 50, Linger: 100 * time.Millisecond, Concurrency: 2},

		UpstreamTimeout: 5 * time.Second, ReconcileAfter: 0, ReconcileEvery: 0, ReconcileChecks: 2,
		RetryBase: 50 * time.Millisecond, RetryMax: time.Second, MaxAttempts: 5, HoldInterval: 200 * time.Millisecond,
		Log: zerolog.New(zerolog.NewTestWriter(b.t)).Level(testLevel()),
	}
}

func testLevel() zerolog.Level {
	if os.Getenv("TEST_LOG") != "" {
		return zerolog.DebugLevel
	}
	return zerolog.Disabled
}

func (b *bench) client() *registrar.Client {
	b.t.Helper()
	c, err := registrar.New(registrar.Config{
		BaseURL: b.server.URL, ClientID: sandbox.DefaultClientID, ClientSecret: sandbox.DefaultClientSecret,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(c.Close)
	return c
}

// work runs a worker until stop is called, or the test ends.
func (b *bench) work(o worker.Options) (stop func()) {
	b.t.Helper()
	w, err := worker.New(o)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.t.Context()))
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("worker: %v", err)
		}
	})
	b.t.Cleanup(stop)
	return stop
}

// submit takes in an order of these domains, in chunks as large as the worker's batches.
func (b *bench) submit(kind queue.Kind, reference string, domains []string) record.Order {
	b.t.Helper()
	return b.submitFor("default", kind, reference, domains)
}

func (b *bench) submitFor(account string, kind queue.Kind, reference string, domains []string) record.Order {
	b.t.Helper()
	return b.submitWith(account, "H-1", kind, reference, domains)
}

func (b *bench) submitWith(account, holder string, kind queue.Kind, reference string, domains []string) record.Order {
	b.t.Helper()
	order := intake.Order{Source: "test", Reference: reference, Kind: kind, Account: account}
	return b.submitOrder(order, holder, domains, intake.Chunks{Whois: 100, Register: 50})
}

func (b *bench) submitChunked(kind queue.Kind, reference string, domains []string, chunks intake.Chunks) record.Order {
	b.t.Helper()
	return b.submitOrder(intake.Order{Source: "test", Reference: reference, Kind: kind, Account: "default"}, "H-1", domains, chunks)
}

func (b *bench) submitOrder(order intake.Order, holder string, domains []string, chunks intake.Chunks) record.Order {
	b.t.Helper()
	r, err := input.FromArgs(domains, input.Options{Kind: string(order.Kind), DefaultHolderID: holder})
	if err != nil {
		b.t.Fatal(err)
	}
	return b.submitRead(order, r, chunks)
}

// submitRead takes in an order with the lines of a reader, all of which must be good.
func (b *bench) submitRead(order intake.Order, r *input.Reader, chunks intake.Chunks) record.Order {
	b.t.Helper()
	spool, err := intake.ReadSpool(r, func(bad *input.RejectError) error { return bad })
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() {
		if err := spool.Close(); err != nil {
			b.t.Error(err)
		}
	}()
	in, err := intake.New(b.store.Orders, chunks)
	if err != nil {
		b.t.Fatal(err)
	}
	res, err := in.Submit(b.t.Context(), order, spool)
	if err != nil {
		b.t.Fatal(err)
	}
	return res.Order
}

// flushRedis empties the Redis of this test.
func (b *bench) flushRedis() {
	b.t.Helper()
	options, err := redis.ParseURL(b.redis)
	if err != nil {
		b.t.Fatal(err)
	}
	client := redis.NewClient(options)
	defer func() {
		if err := client.Close(); err != nil {
			b.t.Error(err)
		}
	}()
	if err := client.FlushDB(b.t.Context()).Err(); err != nil {
		b.t.Fatal(err)
	}
}

// settled waits until nothing more will happen to the orders by itself, and returns how they ended.
func (b *bench) settled(orders ...record.Order) []record.Summary {
	b.t.Helper()
	return b.until(record.Summary.Settled, orders...)
}

// patience bounds waiting, on a machine that may be busy with much else. A test that passes does not use it up.
const patience = 3 * time.Minute

func (b *bench) until(reached func(record.Summary) bool, orders ...record.Order) []record.Summary {
	b.t.Helper()
	sums := make([]record.Summary, len(orders))
	b.eventually(func() bool {
		for i, o := range orders {
			var err error
			if sums[i], err = b.store.Orders.Summarize(b.t.Context(), o); err != nil {
				b.t.Fatal(err)
			}
		}
		return !slices.ContainsFunc(sums, func(s record.Summary) bool { return !reached(s) })
	})
	return sums
}

// eventually waits until something holds that no signal tells of.
func (b *bench) eventually(holds func() bool) {
	b.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for timeout := time.After(patience); !holds(); {
		select {
		case <-timeout:
			b.dump()
			b.t.Fatalf("not so within %v", patience)
		case <-tick.C:
		}
	}
}

// dump logs where every unfinished job stands, and chunks that wait for somebody to take them.
func (b *bench) dump() {
	b.t.Logf("jobs %d, unfinished %d, of these queued %d and running %d; chunks %d, of these fresh %d; orders %d",
		b.sql(`SELECT count(*) FROM jobs`), b.sql(`SELECT count(*) FROM jobs WHERE finished_at IS NULL`),
		b.sql(`SELECT count(*) FROM jobs WHERE state = 'queued'`), b.sql(`SELECT count(*) FROM jobs WHERE state = 'running'`),
		b.sql(`SELECT count(*) FROM chunks`), b.sql(`SELECT count(*) FROM chunks WHERE wake_at IS NULL`), b.sql(`SELECT count(*) FROM orders`))
	listed, err := b.store.Orders.List(b.t.Context(), "", 10)
	if err != nil {
		b.t.Error(err)
	}
	for _, o := range listed {
		b.t.Logf("order %s: %v %v", o.Reference, o.Counts, o.Outcomes)
		for j, err := range b.store.Orders.Jobs(b.t.Context(), o.ID, orders.JobFilter{Limit: 200}) {
			if err == nil && !j.State.Final() {
				b.t.Logf("  %s %s attempts %d: %s", j.Domain, j.State, j.Attempts, j.LastError)
			}
		}
	}
}

// jobs reads an order's jobs by domain.
func (b *bench) jobs(o record.Order) map[string]record.Job {
	b.t.Helper()
	jobs := map[string]record.Job{}
	for j, err := range b.store.Orders.Jobs(b.t.Context(), o.ID, orders.JobFilter{}) {
		if err != nil {
			b.t.Fatal(err)
		}
		jobs[j.Domain] = j
	}
	return jobs
}

func (b *bench) want(o record.Order, outcomes map[string]record.Outcome) {
	b.t.Helper()
	jobs := b.jobs(o)
	if len(jobs) != len(outcomes) {
		b.t.Errorf("order %s has %d jobs, want %d", o.Reference, len(jobs), len(outcomes))
	}
	for domain, want := range outcomes {
		if j := jobs[domain]; j.Outcome != want {
			b.t.Errorf("%s: state %s, outcome %q, error %q; want outcome %q", domain, j.State, j.Outcome, j.LastError, want)
		}
	}
}

// sql reads one number, for facts that no API shows.
func (b *bench) sql(query string, args ...any) int {
	b.t.Helper()
	conn, err := pgx.Connect(b.t.Context(), b.url)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = conn.Close(b.t.Context()) }()
	var n int
	if err := conn.QueryRow(b.t.Context(), query, args...).Scan(&n); err != nil {
		b.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// invariants checks what must hold once things are quiet, against our database and the sandbox's ledger.
func (b *bench) invariants() {
	b.t.Helper()
	for name, query := range map[string]string{
		"I1 an order's total is not its number of jobs": `SELECT count(*) FROM orders o WHERE pruned_at IS NULL AND total <> (SELECT count(*) FROM jobs WHERE order_id = o.id)`,
		"I2 a job has nobody who will wake it": `
			SELECT count(*) FROM jobs j WHERE j.finished_at IS NULL AND j.state NOT IN ('held', 'unconfirmed') AND NOT CASE j.state
				WHEN 'running' THEN EXISTS (SELECT FROM claims c WHERE c.id = j.claim_id AND c.closed_at IS NULL)
				ELSE j.wake_at IS NOT NULL OR EXISTS (SELECT FROM chunks c
					WHERE c.order_id = j.order_id AND j.seq BETWEEN c.first_seq AND c.last_seq) END`,
		"I7 registered without a success reply, and without an operator's word": `
			SELECT count(*) FROM jobs j WHERE outcome = 'registered'
			AND NOT EXISTS (SELECT FROM attempts a WHERE a.job_id = j.id AND a.state = 'registered' AND a.resolved_by = 'reply')
			AND NOT EXISTS (SELECT FROM operator_acts o WHERE o.job_id = j.id AND o.act = 'confirm registered')`,
		"I8 taken or rejected with an unresolved attempt": `
			SELECT count(*) FROM jobs j JOIN attempts a ON a.domain = j.domain
			WHERE j.kind = 'register' AND j.outcome IN ('taken', 'rejected') AND a.state IN ('open', 'unknown')`,
	} {
		if n := b.sql(query); n != 0 {
			b.t.Errorf("%s: %d times", name, n)
		}
	}
	ledger := b.sandbox.Ledger()
	if twice := ledger.AllPaidTwice(); len(twice) > 0 {
		b.t.Errorf("I3 paid twice: %v", twice)
	}
	var received []string
	var at []time.Time
	for _, r := range ledger.Received(sandbox.OpRegister) {
		received, at = append(received, r.Domain), append(at, r.At)
	}
	if n := b.sql(`
		SELECT count(*) FROM unnest($1::text[], $2::timestamptz[]) AS r (domain, at)
		WHERE NOT EXISTS (SELECT FROM attempts a WHERE a.domain = r.domain AND a.opened_at <= r.at)`, received, at); n > 0 {
		b.t.Errorf("I4 %d items were received without an intent", n)
	}
	if n := b.sql(`
		SELECT count(*) FROM unnest($1::text[]) AS p (domain) WHERE NOT EXISTS (
			SELECT FROM jobs j WHERE j.domain = p.domain AND (j.outcome = 'registered' OR j.state = 'unconfirmed'))`, ledger.PaidDomains()); n > 0 {
		b.t.Errorf("I6 %d domains are registered upstream, and nobody here knows", n)
	}
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// names makes n domains with the given label in front.
func names(label string, n int) []string {
	domains := make([]string, n)
	for i := range domains {
		domains[i] = fmt.Sprintf("%s-%04d.nl", label, i)
	}
	return domains
}

func outcomes(domains []string, outcome func(domain string) record.Outcome) map[string]record.Outcome {
	want := map[string]record.Outcome{}
	for _, d := range domains {
		want[d] = outcome(d)
	}
	return want
}

func labelled(label string) func(string) bool {
	return func(domain string) bool { return strings.HasPrefix(domain, label+"-") }
}
