package main

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/bulkreg/bulkreg/migrations"
	"github.com/bulkreg/bulkreg/queue/redistest"
	"github.com/bulkreg/bulkreg/store/pgtest"
	"github.com/bulkreg/bulkreg/worker/probes"
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
	well := probes.Condition{Ready: true, Worker: probes.Working, Postgres: "answers", Redis: "answers"}
	becomes(t, addr, well)
	set := func(name, value string) {
		t.Helper()
		if err := client.ConfigSet(t.Context(), name, value).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ name, bad, good string }{{"maxmemory", "1", "0"}, {"min-replicas-to-write", "1", "0"}} {
		set(c.name, c.bad)
		becomes(t, addr, probes.Condition{Ready: false, Worker: probes.Working, Postgres: "answers", Redis: "takes no writes"})
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
	becomes(t, addr, probes.Condition{Ready: false, Worker: probes.Working, Postgres: "takes no writes", Redis: "answers"})
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
