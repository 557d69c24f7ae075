package torture

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/torture/proxy"
	"github.com/bulkreg/bulkreg/migrations"
	"github.com/bulkreg/bulkreg/queue/redisserver"
	"github.com/bulkreg/bulkreg/queue/redistest"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/pgserver"
	"github.com/bulkreg/bulkreg/store/pgtest"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// world is everything around the workers of one scenario, and the workers. Each line of theirs passes through a proxy;
// the scenario's own do not.
type world struct {
	t   *testing.T
	dir string // logs, and the ledger

	server   *pgserver.Server // nil: a server that other scenarios use, too
	database string           // URL
	store    *store.Store
	redis    *redisserver.Server
	upstream *process // a sandbox
	remote   sandbox.Remote

	toDatabase, toRedis, toUpstream *proxy.Proxy

	settings  map[string]string // of workers
	processes []*process        // all that were ever started
	orders    []record.Order
	produced  []produced
	misfits   [][]byte // payloads of tasks that must end in Asynq's archive
	refusals  int
	slowed    map[string]bool // ids of the upstream's faults that only make replies late
	watched   func()          // ends and judges the watch over progress
	patience  time.Duration   // until everything is quiet
	proven    map[string]int
}

// needs say what a scenario's world is made of.
type needs struct {
	ownDatabase bool // a Postgres that may be killed
	sandbox     []string
	settings    map[string]string
}

// The times of the workers in a world, unless a scenario needs others.
const (
	upstreamTimeout = time.Second
	leaseMargin     = 15 * time.Second // what a claim's lease outlasts a call by
	lease           = upstreamTimeout + leaseMargin
	probeInterval   = 300 * time.Millisecond
	batchSize       = 10
)

func quickSettings() map[string]string {
	return map[string]string{
		"UPSTREAM_TIMEOUT": upstreamTimeout.String(),
		"RECONCILE_AFTER":  "1s", "RECONCILE_EVERY": "100ms",
		"RETRY_BASE": "50ms", "RETRY_MAX": "1s", "MAX_ATTEMPTS": "50",
		"WHOIS_LINGER": "20ms", "WHOIS_BATCH_SIZE": "20",
		"REGISTER_LINGER": "50ms", "REGISTER_BATCH_SIZE": strconv.Itoa(batchSize),
		"PAYMENT_PROBE_INTERVAL": probeInterval.String(),
		"DATABASE_MAX_CONNS":     "8",
		"METRICS_ADDR":           "off",
		"LOG_LEVEL":              "debug", "LOG_FORMAT": "json",
		"REGISTRAR_CLIENT_ID": sandbox.DefaultClientID, "REGISTRAR_CLIENT_SECRET": sandbox.DefaultClientSecret,
	}
}

func migrated(ctx context.Context, url string) error {
	_, err := migrations.Up(ctx, url)
	return err
}

// newWorld starts everything but the workers.
func newWorld(t *testing.T, n needs) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), settings: quickSettings(), patience: 100 * time.Second, proven: map[string]int{},
		slowed: map[string]bool{}, watched: func() {}}
	maps.Copy(w.settings, n.settings)
	t.Cleanup(w.end)
	w.startDatabase(n.ownDatabase)
	w.redis = redistest.Server(t)
	w.startSandbox("127.0.0.1:0", n.sandbox...)
	w.connectProxies()
	return w
}

func (w *world) startDatabase(own bool) {
	w.t.Helper()
	if own {
		w.server = pgtest.Server(w.t)
		w.database = w.server.URL("")
		if err := migrated(w.t.Context(), w.database); err != nil {
			w.t.Fatal(err)
		}
	} else {
		w.database = pgtest.New(w.t, migrated)
	}
	var err error
	if w.store, err = store.Open(w.t.Context(), w.database, store.Options{MaxConns: 4}); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(w.store.Close)
}

// startSandbox starts the upstream. It can be paid twice, so that nothing is hidden.
func (w *world) startSandbox(address string, flags ...string) {
	w.t.Helper()
	args := append([]string{"sandbox", "--addr", address, "--latency", "5ms", "--charge-twice",
		"--ledger", filepath.Join(w.dir, "ledger.ndjson")}, flags...)
	w.upstream = w.start("sandbox", nil, args...)
	w.await("the sandbox says where it is", func() (bool, error) {
		_, rest, found := strings.Cut(w.upstream.said(w.t), "export REGISTRAR_BASE_URL=")
		url, _, ended := strings.Cut(rest, "\n")
		w.remote.BaseURL = url
		return found && ended, nil
	})
}

func (w *world) connectProxies() {
	w.t.Helper()
	w.toUpstream = w.proxy(proxy.Listen("tcp", address(w.remote.BaseURL)))
	w.settings["REGISTRAR_BASE_URL"] = "http://" + w.toUpstream.Addr()

	given, err := redis.ParseURL(w.redis.URL())
	if err != nil {
		w.t.Fatal(err)
	}
	w.toRedis = w.proxy(proxy.Listen("tcp", given.Addr))
	w.settings["REDIS_URL"] = strings.Replace(w.redis.URL(), given.Addr, w.toRedis.Addr(), 1)

	config, err := pgx.ParseConfig(w.database)
	if err != nil {
		w.t.Fatal(err)
	}
	network, target := pgNetwork(config)
	w.toDatabase = w.proxy(proxy.ListenPostgres(network, target))
	w.settings["DATABASE_URL"] = "postgres://" + pgUser(config) + "@" + w.toDatabase.Addr() + "/" + config.Database + "?sslmode=disable"
}

func (w *world) proxy(p *proxy.Proxy, err error) *proxy.Proxy {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := p.Close(); err != nil {
			w.t.Error(err)
		}
	})
	return p
}

// start starts a process of the world.
func (w *world) start(name string, environ []string, args ...string) *process {
	w.t.Helper()
	p := startProcess(w.t, w.dir, strconv.Itoa(len(w.processes)+1)+" "+name, environ, args...)
	w.processes = append(w.processes, p)
	return p
}

// environ is what workers and producers are told, with changes.
func (w *world) environ(changes ...string) []string {
	settings := maps.Clone(w.settings)
	for _, c := range changes {
		name, value, _ := strings.Cut(c, "=")
		settings[name] = value
	}
	var environ []string
	for name, value := range settings {
		environ = append(environ, name+"="+value)
	}
	slices.Sort(environ)
	return environ
}

// worker starts a worker with changed settings, such as "CRASH_AT=intended".
func (w *world) worker(changes ...string) *process {
	w.t.Helper()
	return w.start("worker", w.environ(changes...), "worker")
}

// workerOf starts a worker of one kind.
func (w *world) workerOf(kind string, changes ...string) *process {
	w.t.Helper()
	return w.start(kind+" worker", w.environ(changes...), "worker", "--kinds", kind)
}

// workers are those that have not ended.
func (w *world) workers() []*process {
	var alive []*process
	for _, p := range w.processes {
		if p != w.upstream && p.alive() && strings.HasSuffix(p.name, "worker") {
			alive = append(alive, p)
		}
	}
	return alive
}

// end ends every process, and shows what they said if the test has failed.
func (w *world) end() {
	w.watched()
	for _, p := range w.processes {
		if err := p.Kill(); err != nil {
			w.t.Error(err)
		}
		if said := p.said(w.t); strings.Contains(said, "WARNING: DATA RACE") || strings.Contains(said, "\npanic: ") {
			w.t.Errorf("%s: a data race or a panic", p.name)
		}
	}
	if !w.t.Failed() {
		return
	}
	for _, p := range w.processes {
		w.t.Logf("=== %s, pid %d, %v\n%s", p.name, p.Pid(), p.State(), p.tail(w.t, 150))
	}
}

// await waits until something holds that no signal tells of, unless a worker has given up: none may do so by itself.
func (w *world) await(what string, holds func() (bool, error)) {
	w.t.Helper()
	await(w.t, what, w.patience, func() (bool, error) {
		for _, p := range w.processes {
			if strings.HasSuffix(p.name, "worker") && !p.alive() && p.State().ExitCode() > 0 {
				w.t.Fatalf("%s has given up while waiting for: %s", p.name, what)
			}
		}
		return holds()
	})
}

// ended waits until a process has ended by itself.
func (w *world) ended(p *process) {
	w.t.Helper()
	select {
	case <-p.Done():
	case <-time.After(w.patience):
		w.t.Fatalf("%s does not end", p.name)
	case <-w.t.Context().Done():
		w.t.Fatal("the test ended")
	}
}

// crashed waits until a process has killed itself, which is the fault.
func (w *world) crashed(p *process, fault string) {
	w.t.Helper()
	w.ended(p)
	if !p.killed() {
		w.t.Fatalf("%s was to be killed, and ended with: %v", p.name, p.State())
	}
	w.prove(fault)
}

// stands waits until a process has stopped itself, which is the fault.
func (w *world) stands(p *process, fault string) {
	w.t.Helper()
	w.await(p.name+" has stopped itself", p.stopped)
	w.prove(fault)
}

func (w *world) signal(p *process, s syscall.Signal) {
	w.t.Helper()
	if err := p.Signal(s); err != nil {
		w.t.Fatalf("send %v to %s: %v", s, p.name, err)
	}
}

// stop ends a worker in an orderly way, once it works: before that, a signal just ends it.
func (w *world) stop(p *process) {
	w.t.Helper()
	w.await(p.name+" works", func() (bool, error) {
		return !p.alive() || strings.Contains(p.said(w.t), `"message":"working"`), nil
	})
	w.signal(p, syscall.SIGTERM)
	w.stopped(p)
}

// stopped waits for the orderly end of a worker that was told to stop.
func (w *world) stopped(p *process) {
	w.t.Helper()
	w.ended(p)
	if err := p.Err(); err != nil {
		w.t.Errorf("%s was to end in an orderly way: %v", p.name, err)
	}
}

// prove notes that a fault has happened (I12).
func (w *world) prove(fault string) { w.proven[fault]++ }

// proveCount is prove for a fault that leaves a count. It fails the scenario when nothing was counted.
func (w *world) proveCount(fault string, n int) {
	w.t.Helper()
	if n <= 0 {
		w.t.Errorf("I12: the fault did not happen: %s", fault)
		return
	}
	w.prove(fault)
}
