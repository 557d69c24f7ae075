package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkreg/bulkreg/queue/intake/domainname"
	"github.com/bulkreg/bulkreg/queue/redistest"
	"github.com/bulkreg/bulkreg/store/pgtest"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// The first thing that anybody runs.
func TestDemo(t *testing.T) {
	t.Parallel()
	checkDemo(t, runCommand(t, nil, "dev", "--demo"), "demo-register")
}

// On a database of one's own it can be run again.
func TestDemoTwice(t *testing.T) {
	t.Parallel()
	environ := []string{"DATABASE_URL=" + pgtest.New(t), "REDIS_URL=" + redistest.New(t)}
	checkDemo(t, runCommand(t, environ, "dev", "--demo"), "demo-register")
	checkDemo(t, runCommand(t, environ, "dev", "--demo"), "demo-register-2")
}

func checkDemo(t *testing.T, r result, reference string) {
	t.Helper()
	if r.status != exitDone {
		t.Fatalf("status %d: %s", r.status, r.stderr)
	}
	for _, want := range []string{
		"2,000 domains were checked", "1,700  available", "300  taken",
		"500 domains were ordered", "415  registered", "75  taken", `10  rejected  by the registrar, each with its words: "domain was refused by the registry"`,
		"415 registrations were paid, each once", "bulkreg order " + reference, "README.md",
	} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("%q is not in\n%s", want, r.stdout)
		}
	}
	for _, want := range []string{": 2,000/2,000", reference + ": 500/500"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("%q is not in\n%s", want, r.stderr)
		}
	}
	if strings.Contains(r.stderr, `"level"`) {
		t.Errorf("it logs: %s", r.stderr)
	}
}

func TestDemoKeepsRunning(t *testing.T) {
	t.Parallel()
	dev := startCommand(t, nil, "dev", "--demo", "--keep")
	dev.stderr.await(t, "Ctrl-C ends it", dev.ended)
	order := runCommand(t, exported(t, dev.stdout.String()), "order", "demo-register")
	if order.status != exitDone || !strings.Contains(order.stdout, "registered 415") {
		t.Errorf("order: status %d, %s%s", order.status, order.stdout, order.stderr)
	}
	if r := dev.stop(); r.status != exitDone {
		t.Errorf("status %d: %s", r.status, r.stderr)
	}
}

func TestDemoInterrupted(t *testing.T) {
	t.Parallel()
	demo := startCommand(t, []string{"DATABASE_URL=" + pgtest.New(t), "REDIS_URL=" + redistest.New(t)}, "dev", "--demo")
	demo.stderr.await(t, "An order of", demo.ended)
	if r := demo.stop(); r.status != exitInterrupted || !strings.Contains(r.stderr, "interrupted") || r.stdout != "" {
		t.Errorf("status %d, %s%s", r.status, r.stdout, r.stderr)
	}
}

func TestDemoPlan(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for run := 1; run <= 2; run++ {
		plan := newDemoPlan(run)
		counts := map[record.Outcome]int{}
		for _, job := range plan.whois {
			name, err := domainname.Parse(job.domain)
			if err != nil || name.ASCII != job.domain || seen[job.domain] {
				t.Fatalf("%q is no domain, or there twice: %v", job.domain, err)
			}
			seen[job.domain] = true
			counts[job.outcome]++
		}
		if diff := cmp.Diff(map[record.Outcome]int{record.Available: 1700, record.Taken: 300}, counts); diff != "" {
			t.Error(diff)
		}
		clear(counts)
		for _, job := range plan.register {
			if !seen[job.domain] {
				t.Errorf("%s is registered without being checked", job.domain)
			}
			counts[job.outcome]++
		}
		if diff := cmp.Diff(map[record.Outcome]int{record.Registered: 415, record.Taken: 75, record.Rejected: 10}, counts); diff != "" {
			t.Error(diff)
		}
	}
}

func TestCompareJobs(t *testing.T) {
	t.Parallel()
	plan := []demoJob{{"a.nl", record.Registered}, {"b.nl", record.Taken}}
	sum := func(total int, outcomes map[record.Outcome]int) record.Summary {
		return record.Summary{Order: record.Order{Reference: "r", Total: total}, Outcomes: outcomes}
	}
	good := sum(2, map[record.Outcome]int{record.Registered: 1, record.Taken: 1})
	for name, tc := range map[string]struct {
		sum  record.Summary
		jobs []demoJob
		want string // "": as planned
	}{
		"as planned":         {good, plan, ""},
		"a job less":         {good, plan[:1], "has 1 jobs and counts 2: want 2"},
		"a job more":         {good, append(plan[:2:2], demoJob{"c.nl", record.Taken}), `c.nl ended as "taken": want ""`},
		"another outcome":    {good, []demoJob{plan[0], {"b.nl", record.Registered}}, `b.nl ended as "registered": want "taken"`},
		"not ended":          {good, []demoJob{plan[0], {"b.nl", ""}}, `b.nl ended as ""`},
		"wrong counts":       {sum(2, map[record.Outcome]int{record.Registered: 2}), plan, "counts 2 jobs as registered: want 1"},
		"wrong total":        {sum(3, good.Outcomes), plan, "counts 3: want 2"},
		"too many to tell":   {good, strangers(30), "and 21 differences more"},
		"another's domain":   {good, []demoJob{plan[0], {"x.nl", record.Taken}}, "x.nl ended"},
		"both at once, told": {sum(2, nil), []demoJob{plan[0], {"b.nl", record.Rejected}}, "counts 0 jobs as taken"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkDifference(t, compareJobs(tc.sum, tc.jobs, plan), tc.want)
		})
	}
}

// strangers is n jobs that no plan has.
func strangers(n int) []demoJob {
	jobs := make([]demoJob, n)
	for i := range jobs {
		jobs[i] = demoJob{demoName(i, 1), record.Taken}
	}
	return jobs
}

func checkDifference(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("got %v", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("got %v, want %q", err, want)
	}
}

// The demo must not call good what the ledger calls bad.
func TestCompareLedger(t *testing.T) {
	t.Parallel()
	plan := []demoJob{{"a.nl", record.Registered}, {"taken-b.nl", record.Taken}, {"refused-c.nl", record.Rejected}}
	for name, tc := range map[string]struct {
		sent []string // one register call each
		want string
	}{
		"as planned":       {[]string{"a.nl", "refused-c.nl"}, ""},
		"not paid":         {[]string{"refused-c.nl"}, "a.nl is called registered and was never paid for"},
		"paid twice":       {[]string{"a.nl", "a.nl"}, "a.nl was paid for 2 times"},
		"sent again":       {[]string{"a.nl", "a.nl"}, "a.nl was sent again"},
		"another one paid": {[]string{"a.nl", "x.nl"}, "x.nl was paid for and should not have been"},
		"a taken one sent": {[]string{"a.nl", "taken-b.nl"}, "taken-b.nl was sent although WHOIS calls it taken"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sb, err := sandbox.New(sandbox.Options{ChargeTwice: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := sb.Close(); err != nil {
					t.Error(err)
				}
			})
			token := bearer(t, sb)
			for _, domain := range tc.sent {
				post(t, sb, token, "/domain", `{"domain":"`+domain+`","domainholder_id":"`+sandbox.DefaultHolder+`"}`)
			}
			checkDifference(t, compareLedger(sb.Ledger(), plan), tc.want)
		})
	}
}

func bearer(t *testing.T, sb http.Handler) string {
	t.Helper()
	reply := post(t, sb, "", "/authenticate", `{"client_id":"`+sandbox.DefaultClientID+`","client_secret":"`+sandbox.DefaultClientSecret+`"}`)
	_, token, found := strings.Cut(reply, `"token":"`)
	if !found {
		t.Fatalf("no token in %s", reply)
	}
	token, _, _ = strings.Cut(token, `"`)
	return token
}

func post(t *testing.T, sb http.Handler, token, path, body string) string {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, bytes.NewReader([]byte(body)))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+token)
	recorder := httptest.NewRecorder()
	sb.ServeHTTP(recorder, request)
	return recorder.Body.String()
}
