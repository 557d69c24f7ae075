package main

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/doctor"
	"github.com/bulkreg/bulkreg/queue/redistest"
	"github.com/bulkreg/bulkreg/store/pgtest"
	"github.com/bulkreg/bulkreg/store/seal"
)

// examined runs the doctor, and gives what it found.
func examined(t *testing.T, status int, environ []string, args ...string) []doctor.Finding {
	t.Helper()
	r := runCommand(t, environ, append([]string{"doctor", "-o", "json"}, args...)...)
	if r.status != status {
		t.Fatalf("ended with %d, want %d: %s%s", r.status, status, r.stdout, r.stderr)
	}
	return parsed[[]doctor.Finding](t, r.stdout)
}

// finds checks that something is said of something.
func finds(t *testing.T, found []doctor.Finding, about string, h doctor.Health, words string) {
	t.Helper()
	if !slices.ContainsFunc(found, func(d doctor.Finding) bool {
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
	finds(t, found, "postgres", doctor.Fail, "bulkreg migrate")
	finds(t, found, "registrar", doctor.OK, "account default is told that example.nl is available")

	if r := runCommand(t, environ, "migrate"); r.status != exitDone {
		t.Fatal(r.stderr)
	}
	found = examined(t, exitDone, environ, "--domain", "taken-café.be")
	finds(t, found, "settings", doctor.OK, "")
	finds(t, found, "postgres", doctor.OK, "has the schema that this program needs")
	finds(t, found, "redis", doctor.OK, "takes writes")
	finds(t, found, "clocks", doctor.OK, "Postgres")
	finds(t, found, "clocks", doctor.OK, "Redis")
	finds(t, found, "registrar", doctor.OK, "taken")
	finds(t, found, "webhooks", doctor.OK, "0 webhooks")
	finds(t, found, "jobs", doctor.OK, "none is overdue")
	finds(t, found, "gettoken", doctor.Skip, "PMG_ACCESS_TOKEN")
	finds(t, found, "workers", doctor.OK, "0 workers are alive")

	st := openTestStore(t, url)
	if _, err := st.Pool.Exec(t.Context(), `INSERT INTO holds (account, reason, scope, words, probe_every, next_probe_at)
		VALUES ('default', 'payment', 'register', 'no funds', interval '1 hour', now())`); err != nil {
		t.Fatal(err)
	}
	finds(t, examined(t, exitDone, environ), "holds", doctor.Warn, "payment hold")

	worse := slices.Concat(environ, []string{
		"REGISTRAR_CLIENT_SECRET=wrong", "REDIS_URL=redis://127.0.0.1:1/0", "PMG_ACCESS_TOKEN=x", "TOKEN_ENCRYPTION_KEY=" + seal.NewKey(),
		"PMG_TOKEN_URL=http://127.0.0.1:1/",
	})
	found = examined(t, exitError, worse)
	finds(t, found, "registrar", doctor.Fail, "correct REGISTRAR_CLIENT_ID and REGISTRAR_CLIENT_SECRET")
	finds(t, found, "redis", doctor.Fail, "see that Redis runs")
	finds(t, found, "gettoken", doctor.Fail, "PMG_TOKEN_URL is right")
	finds(t, found, "postgres", doctor.OK, "version")
	for _, d := range found {
		if strings.Contains(d.Words+d.Do, "wrong") && d.About == "registrar" && strings.Contains(d.Words, "secret=") {
			t.Errorf("it shows a secret: %+v", d)
		}
	}
	found = examined(t, exitError, []string{"RETRY_BASE=soon", "DATABASE_URL=postgres://127.0.0.1:1/x"})
	finds(t, found, "settings", doctor.Fail, "RETRY_BASE")
	finds(t, found, "postgres", doctor.Fail, "see that Postgres runs")
	finds(t, found, "registrar", doctor.Fail, "REGISTRAR_BASE_URL")
	if r := runCommand(t, environ, "doctor", "--domain", "no domain"); r.status != exitUsage {
		t.Errorf("ended with %d: %s", r.status, r.stderr)
	}
}

// brokenBy gives the sandbox with these settings a fault that stays.
func brokenBy(t *testing.T, environ []string, fault string) {
	t.Helper()
	base := ""
	for _, entry := range environ {
		if value, ok := strings.CutPrefix(entry, "REGISTRAR_BASE_URL="); ok {
			base = value
		}
	}
	request := func(method, body string) {
		r, err := http.NewRequestWithContext(t.Context(), method, base+"/sandbox/faults", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := response.Body.Close(); err != nil || response.StatusCode/100 != 2 {
			t.Fatalf("%s %s: %s, %v", method, body, response.Status, err)
		}
	}
	request(http.MethodDelete, "")
	request(http.MethodPost, fault)
}

// A registrar whose replies are not as the contract has them: the doctor says in which fields.
func TestDoctorComparesReplies(t *testing.T) {
	t.Parallel()
	_, environ := startSandboxCommand(t)
	const registrar = "registrar"
	for _, c := range []struct {
		fault string
		fails bool
		words []string
	}{
		{`{"op":"whois","kind":"drop-field","field":"available","count":-1}`, true, []string{
			"an item of results in the reply to a WHOIS check lacks the field available, without which it cannot be used", "gets an answer about example.nl that cannot be used"}},
		{`{"op":"whois","kind":"drop-field","field":"status","count":-1}`, false, []string{"lacks the field status: what the registrar calls premium"}},
		{`{"op":"whois","kind":"rename-field","field":"available","word":"isAvailable","count":-1}`, true, []string{
			"perhaps it is called isAvailable there", "has the field isAvailable (true or false), which nobody reads"}},
		{`{"op":"whois","kind":"rename-field","field":"results","word":"items","count":-1}`, true, []string{
			"the reply to a WHOIS check lacks the field results", "has the field items (a list)", "reply has no list of results"}},
		{`{"op":"whois","kind":"add-field","field":"expires_at","code":"\"2027-01-01\"","count":-1}`, false, []string{"has the field expires_at (text), which nobody reads"}},
		{`{"op":"whois","kind":"add-field","field":"status","code":"{}","count":-1}`, true, []string{"has an object in the field status, where text or a list is read"}},
		{`{"op":"authenticate","kind":"rename-field","field":"token","word":"access_token","count":-1}`, true, []string{
			"the reply with a token lacks the field token", "perhaps it is called access_token there", "gets no token"}},
		{`{"op":"authenticate","kind":"add-field","field":"token_type","code":"\"bearer\"","count":-1}`, false, []string{"the reply with a token has the field token_type (text)"}},
		{`{"op":"whois","kind":"status","status":402,"count":-1}`, true, []string{"top up the account"}},
		{`{"op":"whois","kind":"html","count":-1}`, true, []string{"REGISTRAR_PATH_*"}},
	} {
		brokenBy(t, environ, c.fault)
		found := examined(t, exitError, environ) // there is no Postgres
		fails := 0
		for _, f := range found {
			if f.About == registrar && f.Health == doctor.Fail {
				fails++
			}
		}
		if (fails > 0) != c.fails {
			t.Errorf("%s: %d failures: %+v", c.fault, fails, found)
		}
		for _, words := range c.words {
			if !slices.ContainsFunc(found, func(f doctor.Finding) bool {
				return f.About == registrar && f.Health != doctor.OK && strings.Contains(f.Words+" | "+f.Do, words)
			}) {
				t.Errorf("%s: it does not say %q: %+v", c.fault, words, found)
			}
		}
	}
}

// Each account is looked at, and what is wrong with one keeps it from no other.
func TestDoctorLooksAtEachAccount(t *testing.T) {
	t.Parallel()
	_, environ := startSandboxCommand(t, "--account", "brand-b:its-own-secret")
	base := strings.TrimPrefix(environ[slices.IndexFunc(environ, func(e string) bool { return strings.HasPrefix(e, "REGISTRAR_BASE_URL=") })], "REGISTRAR_BASE_URL=")
	for i, secret := range []string{"its-own-secret", "not-its-secret"} {
		n := strconv.Itoa(i)
		environ = append(environ, "REGISTRAR_ACCOUNTS_"+n+"_NAME=brand-"+n, "REGISTRAR_ACCOUNTS_"+n+"_BASE_URL="+base,
			"REGISTRAR_ACCOUNTS_"+n+"_CLIENT_ID=brand-b", "REGISTRAR_ACCOUNTS_"+n+"_CLIENT_SECRET="+secret)
	}
	found := examined(t, exitError, environ)
	finds(t, found, "registrar", doctor.OK, "account default is told")
	finds(t, found, "registrar", doctor.OK, "account brand-0 is told")
	finds(t, found, "registrar", doctor.Fail, "account brand-1 gets no token")
	for _, f := range found {
		if strings.Contains(f.Words+f.Do, "-secret") {
			t.Errorf("it shows a secret: %+v", f)
		}
	}
}

// What stands still in the database is told by what it is about.
func TestDoctorLooksAtTheWork(t *testing.T) {
	t.Parallel()
	d := pausedDesk(t)
	_, environ := startSandboxCommand(t)
	environ = slices.Concat(d.environ, environ, []string{"REDIS_URL=" + redistest.New(t)})
	found := examined(t, exitError, environ)
	finds(t, found, "workers", doctor.Fail, "no live worker is there for them")
	finds(t, found, "jobs", doctor.OK, "none is overdue")

	d.reported(`"slots":2,"paused":["register"]`)
	d.exec(`INSERT INTO workers (name, lots) SELECT 'vm/2', jsonb_agg(jsonb_build_object('kind', k, 'account', a, 'slots', 1))
		FROM unnest(ARRAY['whois', 'register', 'token']) k, (SELECT DISTINCT account FROM orders) AS o (a)`)
	d.exec(`UPDATE jobs SET state = 'retrying', wake_at = now() - interval '2 hours' WHERE id = (SELECT id FROM jobs WHERE kind = 'register' LIMIT 1)`)
	d.exec(`INSERT INTO holds (account, reason, scope, words, probe_every, next_probe_at) VALUES ('other', 'outage', 'all', '503', interval '1 minute', now())`)
	d.exec(`INSERT INTO webhook_endpoints (id, source, url, created_by, seen, failing_since, disabled_at, disabled_for) VALUES
		('aaaaaaaaaa', 'shop', 'https://a.nl/?key=hush', 'ann', 0, now() - interval '3 hours', NULL, NULL),
		('bbbbbbbbbb', 'shop', 'https://b.nl/', 'ann', 0, NULL, now(), 'gone')`)
	found = examined(t, exitError, environ)
	finds(t, found, "workers", doctor.Warn, "paused the queue register")
	finds(t, found, "jobs", doctor.Fail, "should have been delivered by now")
	finds(t, found, "holds", doctor.Warn, "account other has an outage hold (503): it goes by itself")
	finds(t, found, "webhooks", doctor.Warn, "aaaaaaaaaa of source shop has failed for 3h")
	finds(t, found, "webhooks", doctor.Warn, "bbbbbbbbbb of source shop, https://b.nl/, answered 410")
	finds(t, found, "postgres", doctor.OK, "answers")
	for _, f := range found {
		if strings.Contains(f.Words+f.Do, "hush") {
			t.Errorf("it shows a secret: %+v", f)
		}
	}
}
