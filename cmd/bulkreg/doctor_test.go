package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/bulkreg/bulkreg/queue/redistest"
	"github.com/bulkreg/bulkreg/store/pgtest"
	"github.com/bulkreg/bulkreg/store/seal"
)

// examined runs the doctor, and gives what it found.
func examined(t *testing.T, status int, environ []string, args ...string) []diagnosis {
	t.Helper()
	r := runCommand(t, environ, append([]string{"doctor", "-o", "json"}, args...)...)
	if r.status != status {
		t.Fatalf("ended with %d, want %d: %s%s", r.status, status, r.stdout, r.stderr)
	}
	return parsed[[]diagnosis](t, r.stdout)
}

// finds checks that something is said of something.
func finds(t *testing.T, found []diagnosis, about string, h health, words string) {
	t.Helper()
	if !slices.ContainsFunc(found, func(d diagnosis) bool {
		return d.About == about && d.Health == h && strings.Contains(d.Words+" | "+d.Do, words)
	}) {
		t.Errorf("it does not say of %s that %q is %s: %+v", about, words, h, found)
	}
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	_, environ := startSandboxCommand(t)
	redis := redistest.New(t)
	url := pgtest.New(t)
	environ = append(environ, "DATABASE_URL="+url, "REDIS_URL="+redis)
	found := examined(t, exitError, environ)
	finds(t, found, "postgres", ill, "bulkreg migrate")
	finds(t, found, "registrar", healthy, "account default: calls example.nl")

	if r := runCommand(t, environ, "migrate"); r.status != exitDone {
		t.Fatal(r.stderr)
	}
	found = examined(t, exitDone, environ, "--domain", "taken-café.be")
	finds(t, found, "settings", healthy, "")
	finds(t, found, "postgres", healthy, "with the schema")
	finds(t, found, "redis", healthy, "takes writes")
	finds(t, found, "registrar", healthy, "taken")
	finds(t, found, "gettoken", unknown, "PMG_ACCESS_TOKEN")
	finds(t, found, "work", healthy, "nobody is needed")
	finds(t, found, "work", odd, "no worker is alive")
	finds(t, found, "registrar", healthy, "reply to WHOIS: as in the contract: results, results[].domain, results[].available, results[].status")

	st := openTestStore(t, url)
	if _, err := st.Pool.Exec(t.Context(), `INSERT INTO holds (account, reason, scope, words, probe_every, next_probe_at)
		VALUES ('default', 'payment', 'register', 'no funds', interval '1 hour', now())`); err != nil {
		t.Fatal(err)
	}
	finds(t, examined(t, exitDone, environ), "work", odd, "payment hold")

	worse := slices.Concat(environ, []string{
		"REGISTRAR_CLIENT_SECRET=wrong", "REDIS_URL=redis://127.0.0.1:1/0", "PMG_ACCESS_TOKEN=x", "TOKEN_ENCRYPTION_KEY=" + seal.NewKey(),
		"PMG_TOKEN_URL=http://127.0.0.1:1/",
	})
	found = examined(t, exitError, worse)
	finds(t, found, "registrar", ill, "correct REGISTRAR_CLIENT_ID and REGISTRAR_CLIENT_SECRET")
	finds(t, found, "redis", ill, "see that Redis runs")
	finds(t, found, "gettoken", ill, "PMG_TOKEN_URL is right")
	finds(t, found, "postgres", healthy, "version")
	for _, d := range found {
		if strings.Contains(d.Words+d.Do, "wrong") && d.About == "registrar" && strings.Contains(d.Words, "secret=") {
			t.Errorf("it shows a secret: %+v", d)
		}
	}
	found = examined(t, exitError, []string{"RETRY_BASE=soon", "DATABASE_URL=postgres://127.0.0.1:1/x"})
	finds(t, found, "settings", ill, "RETRY_BASE")
	finds(t, found, "postgres", ill, "see that Postgres runs")
	finds(t, found, "registrar", ill, "REGISTRAR_BASE_URL")
	if r := runCommand(t, environ, "doctor", "--domain", "no domain"); r.status != exitUsage {
		t.Errorf("ended with %d: %s", r.status, r.stderr)
	}
}

// A registrar whose replies have other fields than the contract is told of field by field, and nothing of what is in them.
func TestDoctorComparesTheContract(t *testing.T) {
	t.Parallel()
	replies := map[string]string{
		"/authenticate": `{"status":"success","token":"very-secret-token","expires_in":3600}`,
		"/whois":        `{"results":[{"domain":"example.nl","is_free":true,"owner":"Jan Jansen"}]}`,
	}
	asked := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		_, _ = io.WriteString(w, replies[r.URL.Path])
	}))
	t.Cleanup(server.Close)
	environ := []string{"REGISTRAR_BASE_URL=" + server.URL, "REGISTRAR_CLIENT_ID=demo", "REGISTRAR_CLIENT_SECRET=very-secret-itself"}
	found := examined(t, exitError, environ)
	finds(t, found, "registrar", healthy, "reply to authentication: as in the contract: status, token, expires_in")
	finds(t, found, "registrar", ill, "reply to WHOIS: it has no: results[].available")
	finds(t, found, "registrar", odd, "nobody reads: results[].is_free, results[].owner")
	finds(t, found, "registrar", ill, "REGISTRAR_PATH_CHECK_BULK")
	for _, d := range found {
		if text := d.Words + d.Do; strings.Contains(text, "Jansen") || strings.Contains(text, "very-secret") {
			t.Errorf("it shows what a reply holds: %+v", d)
		}
	}
	if len(asked) != 2 {
		t.Errorf("the registrar was asked %d times, not for a token and one check", len(asked))
	}
}

// What may go wrong later is said before it does.
func TestDoctorWarns(t *testing.T) {
	t.Parallel()
	_, environ := startSandboxCommand(t)
	server := redistest.Server(t)
	url := pgtest.New(t, migrated)
	environ = append(environ, "DATABASE_URL="+url, "REDIS_URL="+server.URL())
	st := openTestStore(t, url)
	for _, sql := range []string{
		`INSERT INTO lineage (system_id, timeline, home) SELECT system_identifier::text, 77, (SELECT oid::text FROM pg_database WHERE datname = current_database())
			|| '.' || 'lineage'::regclass::oid FROM pg_control_system()`,
		`INSERT INTO workers (name, stopping, lots) VALUES ('w', false, '[{"kind":"whois","account":"default"}]')`,
		`INSERT INTO webhook_endpoints (id, source, url, created_by, seen) VALUES ('aaaaaaaaaa', 'shop', 'https://shop.example/hook?key=secret', 'ann', 0)`,
		`INSERT INTO webhook_deliveries (endpoint_id, line, created_at) VALUES ('aaaaaaaaaa', '1', now() - interval '1 hour')`,
		`INSERT INTO holds (account, reason, scope, words, probe_every, next_probe_at)
			VALUES ('default', 'outage', 'all', 'HTTP 500', interval '1 hour', now())`,
	} {
		if _, err := st.Pool.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	options, err := redis.ParseURL(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	for setting, value := range map[string]string{"maxmemory-policy": "allkeys-lru", "appendonly": "no"} {
		if err := client.ConfigSet(t.Context(), setting, value).Err(); err != nil {
			t.Fatal(err)
		}
	}
	found := examined(t, exitError, environ)
	finds(t, found, "postgres", odd, "Postgres is on timeline 1, and was on 77")
	finds(t, found, "postgres", healthy, "UTF8")
	finds(t, found, "postgres", healthy, "no standby follows it")
	finds(t, found, "postgres", healthy, "clock and this machine's agree")
	finds(t, found, "postgres", odd, "bulkreg.unsafe=allow")
	finds(t, found, "redis", ill, "maxmemory-policy is allkeys-lru")
	finds(t, found, "redis", odd, "set appendonly yes")
	finds(t, found, "work", odd, "no live worker is there for kind register of account default")
	finds(t, found, "work", odd, "1 event waits for webhook aaaaaaaaaa of source shop, https://shop.example/hook")
	finds(t, found, "work", odd, "account default has an outage hold, which goes by itself")
	for _, d := range found {
		if d.Check == "" || strings.Contains(d.Words, "key=secret") || strings.Contains(d.Words, "kind whois") {
			t.Errorf("it should not say: %+v", d)
		}
	}
}

func TestOlderThan(t *testing.T) {
	t.Parallel()
	for version, older := range map[string]bool{"6.2.0": false, "7.0.15": false, "6.0.16": true, "5.9": true, "10.0": false, "x": false, "": false} {
		if olderThan(version, 6, 2) != older {
			t.Errorf("%s: want %t", version, older)
		}
	}
}
