package devenv

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkreg/bulkreg/queue/intake/domainname"
	"github.com/bulkreg/bulkreg/store/record"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

func TestPlan(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for run := 1; run <= 2; run++ {
		plan := NewPlan(run)
		counts := map[record.Outcome]int{}
		for _, job := range plan.Whois {
			name, err := domainname.Parse(job.Domain)
			if err != nil || name.ASCII != job.Domain || seen[job.Domain] {
				t.Fatalf("%q is no domain, or there twice: %v", job.Domain, err)
			}
			seen[job.Domain] = true
			counts[job.Outcome]++
		}
		if diff := cmp.Diff(map[record.Outcome]int{record.Available: 1700, record.Taken: 300}, counts); diff != "" {
			t.Error(diff)
		}
		clear(counts)
		for _, job := range plan.Register {
			if !seen[job.Domain] {
				t.Errorf("%s is registered without being checked", job.Domain)
			}
			counts[job.Outcome]++
		}
		if diff := cmp.Diff(map[record.Outcome]int{record.Registered: 415, record.Taken: 75, record.Rejected: 10}, counts); diff != "" {
			t.Error(diff)
		}
	}
}

func TestCompareJobs(t *testing.T) {
	t.Parallel()
	plan := []Job{{"a.nl", record.Registered}, {"b.nl", record.Taken}}
	sum := func(total int, outcomes map[record.Outcome]int) record.Summary {
		return record.Summary{Order: record.Order{Reference: "r", Total: total}, Outcomes: outcomes}
	}
	good := sum(2, map[record.Outcome]int{record.Registered: 1, record.Taken: 1})
	for name, tc := range map[string]struct {
		sum  record.Summary
		jobs []Job
		want string // "": as planned
	}{
		"as planned":         {good, plan, ""},
		"a job less":         {good, plan[:1], "has 1 jobs and counts 2: want 2"},
		"a job more":         {good, append(plan[:2:2], Job{"c.nl", record.Taken}), `c.nl ended as "taken": want ""`},
		"another outcome":    {good, []Job{plan[0], {"b.nl", record.Registered}}, `b.nl ended as "registered": want "taken"`},
		"not ended":          {good, []Job{plan[0], {"b.nl", ""}}, `b.nl ended as ""`},
		"wrong counts":       {sum(2, map[record.Outcome]int{record.Registered: 2}), plan, "counts 2 jobs as registered: want 1"},
		"wrong total":        {sum(3, good.Outcomes), plan, "counts 3: want 2"},
		"too many to tell":   {good, strangers(30), "and 21 differences more"},
		"another's domain":   {good, []Job{plan[0], {"x.nl", record.Taken}}, "x.nl ended"},
		"both at once, told": {sum(2, nil), []Job{plan[0], {"b.nl", record.Rejected}}, "counts 0 jobs as taken"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkDifference(t, compareJobs(tc.sum, tc.jobs, plan), tc.want)
		})
	}
}

// strangers is n jobs that no plan has.
func strangers(n int) []Job {
	jobs := make([]Job, n)
	for i := range jobs {
		jobs[i] = Job{nameOf(i, 1), record.Taken}
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
	plan := []Job{{"a.nl", record.Registered}, {"taken-b.nl", record.Taken}, {"refused-c.nl", record.Rejected}}
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
			checkDifference(t, CompareLedger(sb.Ledger(), plan), tc.want)
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
