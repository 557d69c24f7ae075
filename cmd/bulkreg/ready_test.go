package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/migrations"
	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/redistest"
	"github.com/bulkreg/bulkreg/store/pgserver"
	"github.com/bulkreg/bulkreg/store/pgtest"
	"github.com/bulkreg/bulkreg/worker/probes"
)

// probed starts a worker and returns it with the address at which it answers probes.
func probed(t *testing.T, environ []string) (*running, string) {
	t.Helper()
	w := startCommand(t, append(environ, "METRICS_ADDR=127.0.0.1:0"), "worker")
	const before = `"addr":"`
	_, rest, _ := strings.Cut(w.stderr.await(t, before, w.ended), before)
	addr, _, _ := strings.Cut(rest, `"`)
	return w, addr
}

// becomes waits until a worker's condition is as wanted.
func becomes(t *testing.T, addr string, want probes.Condition) {
	t.Helper()
	var status int
	var got probes.Condition
	eventually(t, func() bool {
		status, got = readyz(t, addr)
		return got == want
	}, func() string { return fmt.Sprintf("%d %+v, want %+v", status, got, want) })
	if want.Ready != (status == http.StatusOK) {
		t.Errorf("status %d with %+v", status, got)
	}
}

// eventually waits for what no signal tells of.
func eventually(t *testing.T, holds func() bool, otherwise func() string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for timeout := time.After(demoTime); !holds(); {
		select {
		case <-timeout:
			t.Fatal(otherwise())
		case <-tick.C:
		}
	}
}

// once checks that a worker said something, and did not repeat it.
func once(t *testing.T, stderr string, words ...string) {
	t.Helper()
	for _, word := range words {
		if n := strings.Count(stderr, word); n != 1 {
			t.Errorf("it says %q %d times:\n%s", word, n, stderr)
		}
	}
}

// Everything is away when the worker starts, comes, and leaves and comes back while it works. It never ends by itself.
func TestWorkerOutlivesPostgresAndRedis(t *testing.T) {
	t.Parallel()
	postgres, redis := pgtest.Server(t), redistest.Server(t)
	if _, err := migrations.Up(t.Context(), postgres.URL("")); err != nil {
		t.Fatal(err)
	}
	_, environ := startSandboxCommand(t)
	environ = append(environ, "DATABASE_URL="+postgres.URL(""), "REDIS_URL="+redis.URL(), "WHOIS_LINGER=10ms", "REGISTER_LINGER=10ms")
	must := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	must(postgres.Kill(), redis.Kill())

	w, addr := probed(t, environ)
	w.stderr.await(t, "Postgres is away; waiting for it", w.ended)
	w.stderr.await(t, "Redis is away; waiting for it", w.ended)
	becomes(t, addr, probes.Condition{Ready: false, Worker: probes.Waiting, Postgres: "away", Redis: "away"})
	if status, _ := probe(t, addr, "/healthz"); status != http.StatusOK {
		t.Errorf("/healthz is %d while it waits", status)
	}
	must(redis.Restart(t.Context()))
	w.stderr.await(t, "Redis is there; going on", w.ended)
	becomes(t, addr, probes.Condition{Ready: false, Worker: probes.Waiting, Postgres: "away", Redis: "answers"})
	must(postgres.Restart(t.Context()))
	becomes(t, addr, probes.Condition{Ready: true, Worker: probes.Working, Postgres: "answers", Redis: "answers"})
	st := openTestStore(t, postgres.URL(""))
	settled(t, st, submitOrder(t, st, queue.Whois, "first", "a.nl"))

	must(redis.Kill())
	becomes(t, addr, probes.Condition{Ready: false, Worker: probes.Working, Postgres: "answers", Redis: "away"})
	second := submitOrder(t, st, queue.Register, "second", "b.nl", "c.nl")
	must(redis.Restart(t.Context()))
	becomes(t, addr, probes.Condition{Ready: true, Worker: probes.Working, Postgres: "answers", Redis: "answers"})
	settled(t, st, second)

	must(postgres.Kill())
	becomes(t, addr, probes.Condition{Ready: false, Worker: probes.Working, Postgres: "away", Redis: "answers"})
	must(postgres.Restart(t.Context()))
	becomes(t, addr, probes.Condition{Ready: true, Worker: probes.Working, Postgres: "answers", Redis: "answers"})
	eventually(t, func() bool { return st.Ping(t.Context()) == nil }, func() string { return "the test's own connections stay broken" })
	if sum := settled(t, st, submitOrder(t, st, queue.Register, "third", "d.nl")); sum.Outcomes[record.Registered] != 1 {
		t.Errorf("the last order: %v", sum.Outcomes)
	}

	r := w.stop()
	if r.status != exitDone {
		t.Errorf("status %d", r.status)
	}
	once(t, r.stderr, "Postgres is away; waiting for it", "Postgres is there; going on",
		"Redis is away; waiting for it", "Redis is there; going on", `"message":"working"`)
	for _, address := range []string{postgres.URL(""), redis.URL()} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if password, _ := u.User.Password(); password == "" || strings.Contains(r.stderr, password) {
			t.Errorf("a password is in the log:\n%s", r.stderr)
		}
	}
}

// A deployment starts the worker and the migration at once.
func TestWorkerWaitsForTheMigration(t *testing.T) {
	t.Parallel()
	database := pgtest.New(t)
	environ := append(nowhere("127.0.0.1:1"), "DATABASE_URL="+database, "REDIS_URL="+redistest.New(t))
	w, addr := probed(t, environ)
	w.stderr.await(t, "the database is not migrated yet; waiting for `bulkreg migrate`", w.ended)
	becomes(t, addr, probes.Condition{Ready: false, Worker: probes.Waiting, Postgres: "away", Redis: "answers"})
	if r := runCommand(t, environ, "migrate"); r.status != exitDone {
		t.Fatal(r.stderr)
	}
	w.stderr.await(t, `"message":"working"`, w.ended)
	if r := w.stop(); r.status != exitDone {
		t.Errorf("status %d: %s", r.status, r.stderr)
	}
}

func TestWorkerIsStoppedWhileItWaits(t *testing.T) {
	t.Parallel()
	w, addr := probed(t, nowhere("127.0.0.1:1"))
	w.stderr.await(t, "Postgres is away; waiting for it", w.ended)
	w.stderr.await(t, "Redis is away; waiting for it", w.ended)
	r := w.stop()
	if r.status != exitDone {
		t.Errorf("status %d", r.status)
	}
	once(t, r.stderr, "Postgres is away", "Redis is away", "stopped; it had not begun")
	if strings.Contains(r.stderr, "hunter2") {
		t.Errorf("a password is in %s", r.stderr)
	}
	if _, err := http.Get("http://" + addr + "/healthz"); err == nil { //nolint:noctx // it fails at once
		t.Error("it still answers")
	}
}

// What waiting does not mend ends the worker at once, with one line.
func TestWorkerEndsWhereWaitingDoesNotHelp(t *testing.T) {
	t.Parallel()
	latest, err := migrations.Latest()
	if err != nil {
		t.Fatal(err)
	}
	changed := func(t *testing.T, address string, change func(*url.URL)) string {
		t.Helper()
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		change(u)
		return u.String()
	}
	wrongPassword := func(u *url.URL) { u.User = url.UserPassword(u.User.Username(), "hunter2") }
	for name, c := range map[string]struct {
		environ func(t *testing.T) string
		want    string
	}{
		"newer schema": {func(t *testing.T) string {
			database := pgtest.New(t, migrated)
			setVersion(t, database, latest+1)
			return "DATABASE_URL=" + database
		}, "newer than this bulkreg knows"},
		"password of Postgres": {func(t *testing.T) string {
			return "DATABASE_URL=" + changed(t, pgtest.Server(t).URL(""), wrongPassword)
		}, "password authentication failed"},
		"no such database": {func(t *testing.T) string {
			return "DATABASE_URL=" + changed(t, pgtest.Server(t).URL(""), func(u *url.URL) { u.Path = "/elsewhere" })
		}, `database "elsewhere" does not exist`},
		"password of Redis": {func(t *testing.T) string {
			return "REDIS_URL=" + changed(t, redistest.Server(t).URL(), wrongPassword)
		}, "WRONGPASS"},
		"no password for Redis": {func(t *testing.T) string {
			return "REDIS_URL=" + changed(t, redistest.Server(t).URL(), func(u *url.URL) { u.User = nil })
		}, "NOAUTH"},
		"no such database of Redis": {func(t *testing.T) string {
			return "REDIS_URL=" + changed(t, redistest.Server(t).URL(), func(u *url.URL) { u.Path = "/99999" })
		}, "DB index is out of range"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runCommand(t, append(nowhere("127.0.0.1:1"), "LOG_LEVEL=error", c.environ(t)), "worker")
			if r.status != exitError || !strings.Contains(r.stderr, c.want) || strings.Count(r.stderr, "\n") != 1 {
				t.Errorf("status %d, %q: want one line with %q", r.status, r.stderr, c.want)
			}
			if strings.Contains(r.stderr, "hunter2") {
				t.Errorf("a password is in %q", r.stderr)
			}
		})
	}
}

// Orders are entrusted to no Postgres that may forget them.
func TestUnsafePostgresIsRefused(t *testing.T) {
	t.Parallel()
	server := startPostgres(t, map[string]string{"fsync": "off", "full_page_writes": "off"})
	environ := append(nowhere("127.0.0.1:1"), "LOG_LEVEL=error", "DATABASE_URL="+server.URL(""))
	if r := runCommand(t, environ, "migrate"); r.status != exitDone { // no order is there yet
		t.Fatal(r.stderr)
	}
	for _, args := range [][]string{{"worker"}, {"enqueue", "whois", "a.nl", "--order", "r"}} {
		r := runCommand(t, environ, args...)
		if r.status != exitError || strings.Count(r.stderr, "\n") != 1 ||
			!strings.Contains(r.stderr, "fsync=off and full_page_writes=off") || !strings.Contains(r.stderr, "paid for twice") {
			t.Errorf("%v: status %d, %s", args, r.status, r.stderr)
		}
	}
	if r := runCommand(t, environ, "orders"); r.status != exitDone { // to look is allowed
		t.Errorf("orders: status %d, %s", r.status, r.stderr)
	}
	allowed := append(environ, "DATABASE_URL="+server.URL("")+"&bulkreg.unsafe=allow")
	if r := runCommand(t, allowed, "enqueue", "whois", "a.nl", "--order", "r"); r.status != exitDone {
		t.Errorf("where it is allowed: status %d, %s", r.status, r.stderr)
	}
}

func TestCommitsThatDoNotWaitAreWarnedOf(t *testing.T) {
	t.Parallel()
	server := startPostgres(t, map[string]string{"synchronous_commit": "off"})
	environ := append(nowhere("127.0.0.1:1"), "DATABASE_URL="+server.URL(""))
	if r := runCommand(t, environ, "migrate"); r.status != exitDone {
		t.Fatal(r.stderr)
	}
	const warning = "Postgres runs with synchronous_commit=off"
	if r := runCommand(t, environ, "enqueue", "whois", "a.nl", "--order", "r"); r.status != exitDone || !strings.Contains(r.stderr, "warning: "+warning) {
		t.Errorf("status %d, %s", r.status, r.stderr)
	}
	w := startCommand(t, environ, "worker")
	w.stderr.await(t, warning, w.ended)
}

// startPostgres starts a server that keeps what it has committed, but for some settings.
func startPostgres(t *testing.T, settings map[string]string) *pgserver.Server {
	t.Helper()
	server, err := pgserver.Start(t.Context(), pgserver.Options{Durable: true, Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server
}
