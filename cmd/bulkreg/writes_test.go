package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/bulkreg/bulkreg/migrations"
	"github.com/bulkreg/bulkreg/queue/redistest"
	"github.com/bulkreg/bulkreg/store/pgtest"
)

// A server that answers and takes no writes is no server to work with, and /readyz says which.
func TestWorkerIsNotReadyWithoutWrites(t *testing.T) {
	t.Parallel()
	postgres, server := pgtest.Server(t), redistest.Server(t)
	if _, err := migrations.Up(t.Context(), postgres.URL("")); err != nil {
		t.Fatal(err)
	}
	options, err := redis.ParseURL(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { client.Close() })
	_, environ := startSandboxCommand(t)
	_, addr := probed(t, append(environ, "DATABASE_URL="+postgres.URL(""), "REDIS_URL="+server.URL()))
	well := condition{true, phaseWorking, "answers", "answers"}
	becomes(t, addr, well)
	set := func(name, value string) {
		t.Helper()
		if err := client.ConfigSet(t.Context(), name, value).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ name, bad, good string }{{"maxmemory", "1", "0"}, {"min-replicas-to-write", "1", "0"}} {
		set(c.name, c.bad)
		becomes(t, addr, condition{false, phaseWorking, "answers", "takes no writes"})
		set(c.name, c.good)
		becomes(t, addr, well)
	}
	conn, err := pgx.Connect(t.Context(), postgres.URL(""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.WithoutCancel(t.Context())) })
	readOnly := func(value string) {
		t.Helper()
		for _, sql := range []string{`ALTER SYSTEM SET default_transaction_read_only = ` + value, `SELECT pg_reload_conf()`} {
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
	}
	readOnly("on")
	becomes(t, addr, condition{false, phaseWorking, "takes no writes", "answers"})
	readOnly("off")
	becomes(t, addr, well)
}

// What Redis says of a write that it does not take is told from its absence.
func TestRefusesWrites(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"OOM command not allowed when used memory > 'maxmemory'.":                         true,
		"READONLY You can't write against a read only replica.":                           true,
		"MISCONF Redis is configured to save RDB snapshots, but it's currently unable to": true,
		"NOREPLICAS Not enough good replicas to write.":                                   true,
		"NOPERM this user has no permissions to run the 'set' command":                    true,
		"LOADING Redis is loading the dataset in memory":                                  false,
		"ERR unknown command": false,
	} {
		if got := refusesWrites(redisReply(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	if refusesWrites(errors.New("OOM, says somebody else")) {
		t.Error("an error that is not Redis' own counts")
	}
}

// redisReply is an error reply, as the client has it.
type redisReply string

func (e redisReply) Error() string { return string(e) }
func (redisReply) RedisError()     {}

// A role that fails for a while, though Postgres and Redis are well, makes the worker unready.
func TestReadinessOfRoles(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	h := &health{clock: func() time.Time { return now }, phase: phaseWorking, answered: map[dependency]time.Time{}}
	after := func(d time.Duration, want readiness) {
		t.Helper()
		now = now.Add(d)
		if diff := cmp.Diff(want, h.readiness(), cmp.AllowUnexported(readiness{})); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	hear := func() { h.heard(onPostgres); h.heard(onRedis) }
	well := readiness{condition: condition{true, phaseWorking, "answers", "answers"}}
	hear()
	h.trouble("rescuing", errors.New("x"))
	h.trouble("dispatching", errors.New("x"))
	after(0, well)
	now = now.Add(answerLasts - 1)
	hear()
	after(0, well)
	after(1, readiness{condition: condition{false, phaseFailing, "answers", "answers"}, Failing: []string{"dispatching", "rescuing"}})
	h.refuses(onRedis)
	after(0, readiness{condition: condition{false, phaseWorking, "answers", "takes no writes"}}) // it says why by itself
	hear()
	h.trouble("rescuing", nil)
	after(1, readiness{condition: condition{false, phaseFailing, "answers", "answers"}, Failing: []string{"dispatching"}})
	h.trouble("dispatching", nil)
	after(1, well)
	h.refuses(onRedis)
	h.refuses(onPostgres)
	after(answerLasts, readiness{condition: condition{false, phaseWorking, "away", "away"}})
}

// The body names the roles that fail, and nothing of why.
func TestReadyzNamesTheRoles(t *testing.T) {
	t.Parallel()
	h, err := startHealth(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.close(); err != nil {
			t.Error(err)
		}
	})
	h.heard(onPostgres)
	h.heard(onRedis)
	h.enter(phaseWorking)
	h.trouble("dispatching", errors.New("password"))
	h.mu.Lock()
	h.failing["dispatching"] = time.Now().Add(-answerLasts)
	h.mu.Unlock()
	status, body := probe(t, h.http.Addr, "/readyz")
	want := `{"ready":false,"worker":"failing","postgres":"answers","redis":"answers","failing":["dispatching"]}` + "\n"
	if status != http.StatusServiceUnavailable || body != want || !json.Valid([]byte(body)) {
		t.Errorf("%d %s", status, body)
	}
}
