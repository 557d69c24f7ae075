package main

import (
	"encoding/csv"
	"fmt"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/queue/api/view"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// finishedDesk has an order of three registrations, of which one is left.
func finishedDesk(t *testing.T) *desk {
	t.Helper()
	d := newDesk(t)
	file := d.file("list.csv", "domain,holder_id,nameservers\na.nl,H1,ns1.b.nl ns2.b.nl\nmünchen.de,-H2,\nc.nl,H3,\n")
	d.must(exitDone, "enqueue", "register", file, "--order", "one", "--yes")
	d.work(record.Register, fates{
		"a.nl":              succeeds(record.Registered),
		"xn--mnchen-3ya.de": fails(record.Rejected, "=HYPERLINK(\"http://x\")\tno, \"never\""),
	})
	return d
}

func TestOrder(t *testing.T) {
	t.Parallel()
	d := finishedDesk(t)
	r := d.must(exitDone, "order", "one")
	want := `Order     one
Source    cli
Kind      register
Account   default
Jobs      3
States    queued 1, succeeded 1, failed 1
Outcomes  registered 1, rejected 1
Calls     1
Created   <time>
Finished  not yet
`
	if diff := cmp.Diff(want, stable(r.stdout)); diff != "" {
		t.Error(diff)
	}
	for _, args := range [][]string{{"order", "two"}, {"jobs", "two"}, {"watch", "two"}, {"export", "two"}, {"order", "one", "--source", "shop"}} {
		r := d.must(exitError, args...)
		if strings.Count(r.stderr, "\n") != 1 || !strings.HasPrefix(r.stderr, "bulkreg: there is no order ") || r.stdout != "" {
			t.Errorf("%q: %q, %q", args, r.stderr, r.stdout)
		}
	}
}

func TestOrders(t *testing.T) {
	t.Parallel()
	d := finishedDesk(t)
	d.must(exitDone, "enqueue", "whois", "a.nl", "--order", "two", "--source", "shop")
	r := d.must(exitDone, "orders")
	want := `REFERENCE  SOURCE  KIND      ACCOUNT  JOBS  CREATED               STANDING
two        shop    whois     default  1     <time>  queued 1
one        cli     register  default  3     <time>  registered 1, rejected 1, queued 1
`
	if diff := cmp.Diff(want, stable(r.stdout)); diff != "" {
		t.Error(diff)
	}
	for want, args := range map[string][]string{
		"[two one]": {}, "[two]": {"--limit", "1"}, "[one]": {"--source", "cli"}, "[]": {"--source", "none"},
	} {
		r := d.must(exitDone, append([]string{"orders", "-o", "json"}, args...)...)
		var references []string
		for _, o := range parsed[[]orderJSON](t, r.stdout) {
			references = append(references, o.Reference)
		}
		if got := fmt.Sprint(references); got != want {
			t.Errorf("%q lists %s, want %s", args, got, want)
		}
	}
	d.must(exitUsage, "orders", "--limit", "0")
}

func TestJobs(t *testing.T) {
	t.Parallel()
	d := finishedDesk(t)
	r := d.must(exitDone, "jobs", "one")
	want := `JOB                                   DOMAIN                          STATE      OUTCOME     ATTEMPTS  ERROR
<uuid>  a.nl                            succeeded  registered  1         -
<uuid>  xn--mnchen-3ya.de (münchen.de)  failed     rejected    1         =HYPERLINK("http://x") no, "never"
<uuid>  c.nl                            queued     -           0         -
`
	if diff := cmp.Diff(want, stable(r.stdout)); diff != "" {
		t.Error(diff)
	}
	for _, tc := range []struct {
		args    []string
		domains string
		more    bool
	}{
		{nil, "[a.nl xn--mnchen-3ya.de c.nl]", false},
		{[]string{"--limit", "3"}, "[a.nl xn--mnchen-3ya.de c.nl]", false},
		{[]string{"--limit", "2"}, "[a.nl xn--mnchen-3ya.de]", true},
		{[]string{"--limit", "0"}, "[a.nl xn--mnchen-3ya.de c.nl]", false},
		{[]string{"--state", "failed"}, "[xn--mnchen-3ya.de]", false},
		{[]string{"--state", "held"}, "[]", false},
	} {
		r := d.must(exitDone, append([]string{"jobs", "one", "-o", "json"}, tc.args...)...)
		var domains []string
		for _, j := range parsed[[]view.Job](t, r.stdout) {
			domains = append(domains, j.Domain)
		}
		if got := fmt.Sprint(domains); got != tc.domains || strings.Contains(r.stderr, "--limit 0 lists all") != tc.more {
			t.Errorf("%q lists %s, and says %q", tc.args, got, r.stderr)
		}
	}
	if r := d.must(exitUsage, "jobs", "one", "--state", "faild"); !strings.Contains(r.stderr, "queued, running") {
		t.Errorf("got %s", r.stderr)
	}
	d.must(exitUsage, "jobs", "one", "--limit", "-1")
	d.must(exitUsage, "jobs")
}

func TestJob(t *testing.T) {
	t.Parallel()
	d := finishedDesk(t)
	ids := map[string]string{}
	for _, j := range parsed[[]view.Job](t, d.must(exitDone, "jobs", "one", "-o", "json").stdout) {
		ids[j.Domain] = j.ID.String()
	}
	r := d.must(exitDone, "job", ids["a.nl"])
	want := `Job           <uuid>
Domain        a.nl
Order         one (source cli, place 1)
Kind          register
Account       default
Holder        H1
Period        12 months
Name servers  ns1.b.nl, ns2.b.nl
State         succeeded
Outcome       registered
Attempts      1
Error         -
Created       <time>
Finished      <time>

CALLED                OP        JOBS  STATUS  DURATION  ATTEMPT     WORKER  UPSTREAM SAID
<time>  register  2     200     120ms     registered  host-1  -
`
	if diff := cmp.Diff(want, stable(r.stdout)); diff != "" {
		t.Error(diff)
	}
	got := parsed[map[string]any](t, d.must(exitDone, "job", ids["xn--mnchen-3ya.de"], "-o", "json").stdout)
	call := got["calls"].([]any)[0].(map[string]any)
	for _, field := range []string{"created_at", "finished_at", "job_id"} {
		if got[field] == nil {
			t.Errorf("there is no %s", field)
		}
		delete(got, field)
	}
	delete(got, "calls")
	refusal := "=HYPERLINK(\"http://x\")\tno, \"never\""
	if diff := cmp.Diff(map[string]any{
		"domain": "xn--mnchen-3ya.de", "domain_unicode": "münchen.de", "kind": "register", "state": "failed", "outcome": "rejected",
		"attempts": 1.0, "error": refusal, "holder_id": "-H2", "period_months": 12.0, "source": "cli", "reference": "one",
		"account": "default", "wake_at": nil,
	}, got); diff != "" {
		t.Error(diff)
	}
	if call["op"] != "register" || call["status"] != 200.0 || call["attempt"] != "failed" || call["message"] != refusal || call["duration_ms"] != 120.0 {
		t.Errorf("call %v", call)
	}
	if r := d.must(exitDone, "job", ids["c.nl"]); !strings.Contains(stable(r.stdout), "Next          <time>: delivered again") {
		t.Errorf("got %s", r.stdout)
	}
	if r := d.must(exitError, "job", uuid.NewString()); !strings.Contains(r.stderr, "there is no job") {
		t.Errorf("got %s", r.stderr)
	}
	if r := d.must(exitUsage, "job", "one"); !strings.Contains(r.stderr, `"one" is no job ID`) {
		t.Errorf("got %s", r.stderr)
	}
}

// What a job waits for is said for every state.
func TestNextAttention(t *testing.T) {
	t.Parallel()
	for _, state := range record.States() {
		next := nextAttention(record.Job{State: state, Account: "brand-b"})
		if (next == "never: it is final") != state.Final() || next == "" {
			t.Errorf("%s: %q", state, next)
		}
	}
}

func TestExport(t *testing.T) {
	t.Parallel()
	d := finishedDesk(t)
	r := d.must(exitDone, "export", "one")
	rows, err := csv.NewReader(strings.NewReader(stable(r.stdout))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"job_id", "domain", "kind", "state", "outcome", "attempts", "error",
			"domain_unicode", "holder_id", "period_months", "nameservers", "created_at", "finished_at", "whois_status", "allow_status"},
		{"<uuid>", "a.nl", "register", "succeeded", "registered", "1", "", "", "H1", "12", "ns1.b.nl ns2.b.nl", "<time>", "<time>", "", ""},
		{"<uuid>", "xn--mnchen-3ya.de", "register", "failed", "rejected", "1", "'=HYPERLINK(\"http://x\")\tno, \"never\"",
			"münchen.de", "'-H2", "12", "", "<time>", "<time>", "", ""},
		{"<uuid>", "c.nl", "register", "queued", "", "0", "", "", "H3", "12", "", "<time>", "", "", ""},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Error(diff)
	}

	r = d.must(exitDone, "export", "one", "--format", "ndjson", "--state", "failed")
	if strings.Count(r.stdout, "\n") != 1 {
		t.Errorf("got %q", r.stdout)
	}
	j := parsed[view.Job](t, r.stdout)
	if j.Domain != "xn--mnchen-3ya.de" || j.HolderID != "-H2" || j.Error != "=HYPERLINK(\"http://x\")\tno, \"never\"" || j.FinishedAt == nil {
		t.Errorf("got %+v", j)
	}
	d.must(exitUsage, "export", "one", "--format", "xlsx")
}
