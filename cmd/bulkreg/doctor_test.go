package main

import (
	"slices"
	"strings"
	"testing"

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
	finds(t, found, "registrar", healthy, "account default: gives a token, and calls example.nl")

	if r := runCommand(t, environ, "migrate"); r.status != exitDone {
		t.Fatal(r.stderr)
	}
	found = examined(t, exitDone, environ, "--domain", "taken-café.be")
	finds(t, found, "settings", healthy, "")
	finds(t, found, "postgres", healthy, "with the schema")
	finds(t, found, "redis", healthy, "takes writes")
	finds(t, found, "registrar", healthy, "taken")
	finds(t, found, "gettoken", unknown, "PMG_ACCESS_TOKEN")
	finds(t, found, "work", healthy, "nobody is needed; 0 workers are alive")

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

func TestOlderThan(t *testing.T) {
	t.Parallel()
	for version, older := range map[string]bool{"6.2.0": false, "7.0.15": false, "6.0.16": true, "5.9": true, "10.0": false, "x": false, "": false} {
		if olderThan(version, 6, 2) != older {
			t.Errorf("%s: want %t", version, older)
		}
	}
}
