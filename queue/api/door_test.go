package api_test

import (
	"bufio"
	"context"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/queue/api"
	"github.com/bulkreg/bulkreg/store/keys"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

// Nobody gets in without a good key, and nobody does more than its role allows.
func TestKeysAndRoles(t *testing.T) {
	t.Parallel()
	d := setup(t)
	for name, bad := range map[string]string{
		"none": "", "no scheme": d.keys["operator"].Reveal(), "another scheme": "Basic " + d.keys["operator"].Reveal(), "nothing": "Bearer ",
		"no key": "Bearer secret", "no text": "Bearer " + noText(), "an unknown key": "Bearer " + unknownKey(), "expired": "Bearer " + d.keys["expired"].Reveal(),
	} {
		for _, path := range []string{"/v1/orders", "/v1/nothing"} {
			a := d.as("").do(http.MethodGet, path, "", "Authorization", bad).want(http.StatusUnauthorized)
			if a.problem("unauthorized"); a.Header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s: no challenge", name)
			}
		}
	}
	const retry = "/v1/orders/one/retry"
	for key, status := range map[string][]int{"reader": {403, 403, 200}, "submit": {202, 403, 200}, "operator": {202, 200, 200}} {
		d := d.as(key)
		if a := d.post("/v1/orders", strings.Replace(anOrderOfChecks, "one", key, 1)).want(status[0]); status[0] == 403 {
			a.problem("forbidden")
		}
		d.as("operator").post("/v1/orders", anOrderOfChecks)
		if a := d.post(retry, `{"reason": "x"}`).want(status[1]); status[1] == 403 {
			a.problem("forbidden")
		}
		d.get("/v1/orders/one").want(status[2])
	}
	if _, err := d.store.Keys.Revoke(t.Context(), []string{d.keys["submit"].ID()}, "ann"); err != nil {
		t.Fatal(err)
	}
	d.eventually(func() bool { return d.as("submit").get("/v1/orders").StatusCode == http.StatusUnauthorized })
	for _, k := range d.keys {
		if strings.Contains(d.logs.String(), k.Reveal()[30:]) {
			t.Error("the log has a key")
		}
	}
}

// unknownKey is of the right form, and nobody's: the database has to be asked for it.
func unknownKey() string { return summed(strings.Repeat("a", 10), strings.Repeat("a", 52)) }

// noText has a right checksum, and bytes that no database takes as text.
func noText() string { return summed(strings.Repeat("\xff", 10), strings.Repeat("\xfe", 52)) }

// summed makes a key of its parts, as anybody can.
func summed(id, secret string) string {
	text := "bulkreg_" + id + "_" + secret
	sum := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(text)))
	return text + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum))
}

// Whoever presents no good key is told so only so often from an address. Those with a good one are let in from there all the same, also when
// it was never used before.
func TestStrangersAreTurnedAway(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	d := setup(t, func(o *api.Options) { o.Clock = func() time.Time { return begun } })
	for i := range 70 {
		status, kind := http.StatusUnauthorized, "unauthorized"
		if i >= 60 {
			status, kind = http.StatusTooManyRequests, "too-many-requests"
		}
		presented := map[int]string{0: "", 1: "Bearer secret", 2: "Bearer " + summed(fmt.Sprintf("aaaaaaaa%c%c", 'a'+i/20, 'a'+i%20), strings.Repeat("a", 52))}[i%3]
		a := d.as("").do(http.MethodGet, "/v1/orders", "", "Authorization", presented).want(status)
		a.problem(kind)
		if policy := a.Header.Get("RateLimit-Policy"); policy != `"refused";q=60;w=60` || (a.Header.Get("Retry-After") == "") != (i < 60) {
			t.Errorf("%d: headers %v", i, a.Header)
		}
	}
	for _, key := range []string{"operator", "reader", "other"} {
		if a := d.as(key).get("/v1/orders").want(http.StatusOK); !strings.Contains(a.Header.Get("RateLimit-Policy"), `"key"`) {
			t.Errorf("%s: headers %v", key, a.Header)
		}
	}
}

// What another source has is not there.
func TestSourcesSeeNothingOfEachOther(t *testing.T) {
	t.Parallel()
	d := setup(t)
	d.post("/v1/orders", anOrderOfChecks).want(http.StatusAccepted)
	jobs := parsed[struct {
		Jobs []struct {
			ID string `json:"job_id"`
		} `json:"jobs"`
	}](d.get("/v1/orders/one/jobs").want(http.StatusOK)).Jobs
	other := d.as("other")
	for _, path := range []string{"/v1/orders/one", "/v1/orders/one/jobs", "/v1/orders/one/export", "/v1/orders/one/failed", "/v1/orders/one/events", "/v1/jobs/" + jobs[0].ID} {
		other.get(path).want(http.StatusNotFound).problem("not-found")
	}
	for _, act := range []string{"retry", "cancel", "pause", "resume"} {
		other.post("/v1/orders/one/"+act, `{"reason": "mine"}`).want(http.StatusNotFound).problem("not-found")
	}
	other.post("/v1/orders/one/confirm", `{"registered": true, "reason": "mine"}`).want(http.StatusNotFound)
	for path, has := range map[string]string{"/v1/orders": `"orders":[]`, "/v1/domains/a.nl": `"jobs":[]`, "/v1/events": `"events":[]`} {
		d.eventually(func() bool { return !strings.Contains(d.get("/v1/events").body, `"events":[]`) })
		if a := other.get(path).want(http.StatusOK); !strings.Contains(a.body, has) {
			t.Errorf("%s: %s", path, a.body)
		}
	}
}

func TestLimitsOfKeys(t *testing.T) {
	t.Parallel()
	d := setup(t)
	slow := d.as("slow")
	for range 2 {
		if a := slow.get("/v1/holds").want(http.StatusOK); !strings.Contains(a.Header.Get("RateLimit-Policy"), "q=2;w=60") {
			t.Errorf("policy %q", a.Header.Get("RateLimit-Policy"))
		}
	}
	a := slow.get("/v1/holds").want(http.StatusTooManyRequests)
	if a.problem("too-many-requests"); a.Header.Get("Retry-After") == "" || !strings.Contains(a.Header.Get("RateLimit"), "r=0") {
		t.Errorf("headers %v", a.Header)
	}
	// A key without a limit of its own has that of the server, and is told so.
	for _, path := range []string{"/v1/holds", "/v1/orders", "/v1/orders/none", "/v1/none", "/v1/holds?no=such"} {
		a := d.get(path)
		if policy := a.Header.Get("RateLimit-Policy"); policy != `"key";q=3000;w=60` || !strings.HasPrefix(a.Header.Get("RateLimit"), `"key";r=2`) {
			t.Errorf("%s: policy %q, limit %q", path, policy, a.Header.Get("RateLimit"))
		}
	}
	d.as("small").post("/v1/orders", anOrderOfChecks).want(http.StatusUnprocessableEntity).problem("limit-reached")

	daily := d.as("daily")
	order := func(reference, kind string, n int) answer {
		var jobs []string
		for i := range n {
			jobs = append(jobs, fmt.Sprintf(`{"domain": "%s-%d.nl"%s}`, reference, i, map[string]string{"register": `, "holder_id": "H"`}[kind]))
		}
		return daily.post("/v1/orders", fmt.Sprintf(`{"reference": %q, "kind": %q, "jobs": [%s]}`, reference, kind, strings.Join(jobs, ",")))
	}
	order("r1", "register", 2).want(http.StatusAccepted)
	order("r1", "register", 2).want(http.StatusOK) // a repeat costs nothing
	a = order("r2", "register", 2).want(http.StatusTooManyRequests)
	if p := a.problem("daily-limit-reached"); !strings.Contains(p.Detail, "3 registrations a day, and 1 are left") || a.Header.Get("Retry-After") == "" {
		t.Errorf("%s, Retry-After %q", p.Detail, a.Header.Get("Retry-After"))
	}
	order("w1", "whois", 3).want(http.StatusAccepted)
	if p := order("w2", "whois", 1).want(http.StatusTooManyRequests).problem("daily-limit-reached"); !strings.Contains(p.Detail, "5 jobs a day, and 0 are left") {
		t.Error(p.Detail)
	}
	daily.get("/v1/orders/w2").want(http.StatusNotFound)
}

// What a key may do in a minute is set for the server, and for a key that needs another number.
func TestLimitOfTheServer(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	d := setup(t, func(o *api.Options) { o.RequestsPerMinute, o.Clock = 3, func() time.Time { return begun } })
	d.makeKey("busy", keys.NewKey{Role: "read", Limits: keys.Limits{RequestsPerMinute: 10}})
	for key, most := range map[string]int{"operator": 3, "submit": 3, "slow": 2, "busy": 10} {
		d := d.as(key)
		for range most {
			d.get("/v1/holds").want(http.StatusOK)
		}
		if a := d.get("/v1/holds").want(http.StatusTooManyRequests); a.Header.Get("Retry-After") == "" {
			t.Errorf("%s: headers %v", key, a.Header)
		}
	}
}

func TestJobsAndExports(t *testing.T) {
	t.Parallel()
	d := setup(t)
	d.post("/v1/orders", `{"reference": "r", "kind": "register", "holder_id": "H-1", "nameservers": ["ns1.x.nl", "ns2.x.nl"],
		"jobs": ["a.nl", "zz.nl", "ub.nl", {"domain": "z2.nl", "holder": {"company": "Bakkerij", "email": "info@example.nl", "phone": "+31201234567", "street": "Markt",
		"housenumber": "1", "postalcode": "1000 AA", "city": "Dorp", "country": "NL"}}]}`).want(http.StatusAccepted)
	d.settle()
	domains := func(query string) (list []string) {
		page := parsed[struct {
			Jobs []struct {
				Domain string `json:"domain"`
			} `json:"jobs"`
		}](d.get("/v1/orders/r/jobs" + query).want(http.StatusOK))
		for _, j := range page.Jobs {
			list = append(list, j.Domain)
		}
		return list
	}
	for query, want := range map[string][]string{
		"": {"a.nl", "zz.nl", "ub.nl", "z2.nl"}, "?state=failed": {"zz.nl", "z2.nl"}, "?state=failed&state=unconfirmed": {"zz.nl", "ub.nl", "z2.nl"},
		"?outcome=registered": {"a.nl"}, "?domain=ZZ.nl": {"zz.nl"}, "?limit=2": {"a.nl", "zz.nl"}, "?limit=2&cursor=2": {"ub.nl", "z2.nl"},
	} {
		if got := domains(query); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	export := d.get("/v1/orders/r/export").want(http.StatusOK)
	lines := strings.Split(strings.TrimSpace(export.body), "\n")
	if len(lines) != 5 || !strings.HasPrefix(lines[0], "job_id,domain,kind,state,outcome,attempts,error,") || !strings.Contains(lines[2], `"zz.nl",register,failed,rejected,0,"no such name"`) {
		t.Errorf("export: %s", export.body)
	}
	if n := strings.Count(d.get("/v1/orders/r/export?state=failed&format=ndjson").want(http.StatusOK).body, "\n"); n != 2 {
		t.Errorf("%d lines of failed jobs", n)
	}
	d.get("/v1/orders/r/export?format=xml").want(http.StatusUnprocessableEntity).problem("invalid-request")

	// What failed can be ordered again as it comes, in both forms.
	for i, format := range []string{"csv", "ndjson"} {
		failed := d.get("/v1/orders/r/failed?format=" + format).want(http.StatusOK)
		if !strings.Contains(failed.body, "rejected: no such name") || !strings.Contains(failed.body, "Bakkerij") {
			t.Errorf("failed: %s", failed.body)
		}
		if i == 1 {
			d.post("/v1/orders/again0/cancel", `{"reason": "make room"}`).want(http.StatusOK)
		}
		media := map[string]string{"csv": "text/csv", "ndjson": "application/x-ndjson"}[format]
		o := parsed[anOrder](d.post(fmt.Sprint("/v1/orders?kind=register&reference=again", i), failed.body, "Content-Type", media).want(http.StatusAccepted))
		if o.Total != 2 || o.Counts["queued"] != 2 {
			t.Errorf("again as %s: %+v", format, o)
		}
	}
	d.as("reader").get("/v1/orders/r/failed").want(http.StatusForbidden)
	job := d.get("/v1/domains/zz.nl").want(http.StatusOK)
	listed := parsed[struct {
		Total int `json:"total"`
		Jobs  []struct {
			ID        string `json:"job_id"`
			Reference string `json:"reference"`
		} `json:"jobs"`
	}](job)
	if listed.Total != 3 || listed.Jobs[0].Reference != "r" {
		t.Errorf("domain: %s", job.body)
	}
	detail := d.get("/v1/jobs/" + listed.Jobs[0].ID).want(http.StatusOK)
	if !strings.Contains(detail.body, `"state":"failed"`) || !strings.Contains(detail.body, `"reference":"r"`) || !strings.Contains(detail.body, `"calls":[]`) {
		t.Errorf("job: %s", detail.body)
	}
	for _, cursor := range []string{"2147483648", "9223372036854775808", "-1", "x"} {
		d.get("/v1/orders/r/jobs?cursor=" + cursor).want(http.StatusUnprocessableEntity).problem("invalid-request")
	}
	d.get("/v1/jobs/nonsense").want(http.StatusUnprocessableEntity).problem("invalid-request")
	d.get("/v1/domains/nl").want(http.StatusUnprocessableEntity).problem("invalid-request")
}

func TestActs(t *testing.T) {
	t.Parallel()
	d := setup(t)
	d.post("/v1/orders", `{"reference": "r", "kind": "register", "holder_id": "H-1", "jobs": ["a.nl", "zz.nl", "ub.nl"]}`).want(http.StatusAccepted)
	type result struct {
		DryRun  bool           `json:"dry_run"`
		Changed int            `json:"changed"`
		Left    map[string]int `json:"left"`
	}
	act := func(name, body string) result {
		t.Helper()
		return parsed[result](d.post("/v1/orders/r/"+name, body).want(http.StatusOK))
	}
	held := func(name, body string) bool {
		t.Helper()
		return parsed[struct {
			Changed bool `json:"changed"`
		}](d.post("/v1/orders/r/"+name, body).want(http.StatusOK)).Changed
	}
	if !held("pause", `{"reason": "wait", "dry_run": true}`) || !held("pause", `{"reason": "wait"}`) || held("pause", `{"reason": "wait"}`) {
		t.Error("it is not paused, or twice")
	}
	if holds := d.get("/v1/holds").want(http.StatusOK); !strings.Contains(holds.body, `"reference":"r"`) || strings.Contains(d.as("other").get("/v1/holds").body, `"reference":"r"`) {
		t.Errorf("holds: %s", holds.body)
	}
	if o := d.get("/v1/orders/r"); !strings.Contains(o.body, `"order_paused"`) {
		t.Errorf("it waits for %s", o.body)
	}
	if !held("resume", `{}`) || held("resume", `{}`) {
		t.Error("it is not resumed, or twice")
	}
	d.settle()
	if r := act("retry", `{"dry_run": true}`); !r.DryRun || r.Changed != 1 || r.Left["succeeded"] != 1 || r.Left["unconfirmed"] != 1 {
		t.Errorf("plan of retry: %+v", r)
	}
	if r := act("retry", `{"outcome": "rejected", "reason": "fixed"}`); r.Changed != 1 {
		t.Errorf("retry: %+v", r)
	}
	d.post("/v1/orders/r/confirm", `{"registered": true}`).want(http.StatusUnprocessableEntity).problem("invalid-request")
	d.post("/v1/orders/r/confirm", `{"reason": "asked"}`).want(http.StatusUnprocessableEntity).problem("invalid-request")
	d.post("/v1/orders/r/retry", `{"why": "x"}`).want(http.StatusUnprocessableEntity).problem("invalid-request")
	if r := act("confirm", `{"registered": true, "reason": "asked"}`); r.Changed != 1 {
		t.Errorf("confirm: %+v", r)
	}
	if r := act("cancel", `{"reason": "enough"}`); r.Changed != 1 {
		t.Errorf("cancel: %+v", r)
	}
	if o := parsed[anOrder](d.get("/v1/orders/r")); !o.Done || o.Outcomes["registered"] != 2 || o.Counts["canceled"] != 1 {
		t.Errorf("at the end %+v", o)
	}
	id := parsed[struct {
		Jobs []struct {
			ID string `json:"job_id"`
		} `json:"jobs"`
	}](d.get("/v1/orders/r/jobs?domain=ub.nl")).Jobs[0].ID
	if job := d.get("/v1/jobs/" + id); !strings.Contains(job.body, "key "+d.keys["operator"].ID()+" of shop") {
		t.Errorf("who did it is not on record: %s", job.body)
	}
}

func TestFollowingEvents(t *testing.T) {
	t.Parallel()
	d := setup(t)
	type page struct {
		Events []struct {
			ID        string          `json:"id"`
			Type      string          `json:"type"`
			Reference string          `json:"reference"`
			Domain    string          `json:"domain"`
			Data      json.RawMessage `json:"data"`
		} `json:"events"`
		Next string `json:"next"`
	}
	first := parsed[page](d.get("/v1/events").want(http.StatusOK))
	if len(first.Events) != 0 || first.Next != "0" {
		t.Errorf("at first %+v", first)
	}
	waited := make(chan page)
	go func() { waited <- parsed[page](d.get("/v1/events?wait=60&after=" + first.Next)) }()
	d.do(http.MethodPut, "/v1/events/settings", `{"jobs": true}`).want(http.StatusOK)
	if s := d.get("/v1/events/settings").want(http.StatusOK); !strings.Contains(s.body, `"jobs":true`) {
		t.Errorf("settings %s", s.body)
	}
	d.post("/v1/orders", `{"reference": "r", "kind": "whois", "jobs": ["a.nl"]}`).want(http.StatusAccepted)
	got := <-waited
	if len(got.Events) != 1 || got.Events[0].Type != "order.accepted" || got.Events[0].Reference != "r" || got.Next != got.Events[0].ID {
		t.Errorf("waited for %+v", got)
	}
	d.settle()
	types := []string{}
	d.eventually(func() bool {
		got = parsed[page](d.get("/v1/events?wait=5&after=" + got.Next))
		for _, e := range got.Events {
			types = append(types, e.Type)
		}
		return slices.Contains(types, "order.completed")
	})
	if diff := cmp.Diff([]string{"job.finished", "order.completed"}, types); diff != "" {
		t.Error(diff)
	}
	if only := parsed[page](d.get("/v1/events?types=order.completed,order.accepted")); len(only.Events) != 2 {
		t.Errorf("only some: %+v", only)
	}
	d.get("/v1/events?after=x").want(http.StatusUnprocessableEntity).problem("invalid-request")
	d.get("/v1/events?types=x").want(http.StatusUnprocessableEntity).problem("invalid-request")
}

// sse reads a stream to its end.
func (d *door) sse(path, last string) (lines []string) {
	d.t.Helper()
	d.follow(path, last, func(line string) { lines = append(lines, line) })
	return lines
}

// follow gives each line of a stream, as it comes, to read.
func (d *door) follow(path, last string, read func(line string)) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url+path, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+d.keys[d.key].Reveal())
	if last != "" {
		request.Header.Set("Last-Event-ID", last)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	if response.Header.Get("Content-Type") != "text/event-stream" || response.Header.Get("X-Accel-Buffering") != "no" {
		d.t.Errorf("headers %v", response.Header)
	}
	for s := bufio.NewScanner(response.Body); s.Scan(); {
		read(s.Text())
	}
}

// A stream tells all of an order, ends with it, and goes on where a reader was before.
func TestStreamOfAnOrder(t *testing.T) {
	t.Parallel()
	d := setup(t)
	d.post("/v1/orders", anOrderOfChecks).want(http.StatusAccepted)
	read := make(chan []string)
	go func() { read <- d.sse("/v1/orders/one/events", "") }()
	d.eventually(func() bool { return !strings.Contains(d.get("/v1/events").body, `"events":[]`) })
	d.settle()
	lines := <-read
	var names []string
	last := ""
	for _, line := range lines {
		if name, ok := strings.CutPrefix(line, "event: "); ok && name != "progress" {
			names = append(names, name)
		}
		if id, ok := strings.CutPrefix(line, "id: "); ok {
			last = id
		}
	}
	if diff := cmp.Diff([]string{"order.accepted", "order.completed"}, names); diff != "" {
		t.Errorf("%s in %v", diff, lines)
	}
	if text := strings.Join(lines, "\n"); !strings.Contains(text, `"done":true`) {
		t.Errorf("no progress to the end in %s", text)
	}
	for _, line := range d.sse("/v1/orders/one/events", last) {
		if strings.HasPrefix(line, "id: ") {
			t.Errorf("told again: %s", line)
		}
	}
	// Of a log that reached further than this one does, before a restore: all is told again.
	if again := strings.Join(d.sse("/v1/orders/one/events", last+"0"), "\n"); !strings.Contains(again, "event: order.accepted") || !strings.Contains(again, "id: "+last) {
		t.Errorf("behind an id that nothing has: %s", again)
	}
	d.do(http.MethodGet, "/v1/orders/one/events", "", "Last-Event-ID", "x").want(http.StatusUnprocessableEntity)
}

// Whatever is asked, the answer is in our words.
func TestOddRequests(t *testing.T) {
	t.Parallel()
	d := setup(t)
	d.get("/v1/nothing").want(http.StatusNotFound).problem("not-found")
	d.as("").get("/nothing").want(http.StatusNotFound).problem("not-found")
	for path, meant := range map[string]string{"//v1/orders": "ask for /v1/orders", "/v1": "/docs", "/v1/orders/": "ask for /v1/orders", "/v1/../docs": "ask for /docs"} {
		if p := d.get(path).want(http.StatusNotFound).problem("not-found"); !strings.Contains(p.Detail, meant) {
			t.Errorf("%s: %s", path, p.Detail)
		}
	}
	a := d.do(http.MethodDelete, "/v1/orders/one", "").want(http.StatusMethodNotAllowed)
	if a.problem("method-not-allowed"); !strings.Contains(a.Header.Get("Allow"), "GET") {
		t.Errorf("Allow: %q", a.Header.Get("Allow"))
	}
	d.post("/v1/orders/one/retry", `{"reason"`).want(http.StatusBadRequest).problem("bad-request")
	d.post("/v1/orders/one/retry", `{"reason": "`+strings.Repeat("x", 70_000)+`"}`).want(http.StatusRequestEntityTooLarge).problem("too-large")
	d.post("/v1/orders/one/retry", `<reason/>`, "Content-Type", "application/xml").want(http.StatusUnsupportedMediaType).problem("unsupported-media-type")
	d.do(http.MethodPost, "/v1/orders", anOrderOfChecks, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site").want(http.StatusForbidden).problem("cross-origin")
	if a := d.do(http.MethodGet, "/healthz", "", "X-Request-Id", "mine-1").want(http.StatusOK); a.Header.Get("X-Request-Id") != "mine-1" ||
		a.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(a.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("headers %v", a.Header)
	}
	if a := d.do(http.MethodGet, "/healthz", "", "X-Request-Id", "bad id\"").want(http.StatusOK); strings.Contains(a.Header.Get("X-Request-Id"), "bad") {
		t.Errorf("the id is %q", a.Header.Get("X-Request-Id"))
	}
	d.as("").get("/readyz").want(http.StatusOK)
	d.takeDatabaseAway()
	d.as("").get("/readyz").want(http.StatusServiceUnavailable).problem("unavailable")
}

// The document says what each operation needs, and what is asked of a submitted order is what is read of one.
func TestDocument(t *testing.T) {
	t.Parallel()
	d := setup(t)
	if path := os.Getenv("OPENAPI_TO"); path != "" { // for whoever judges the document
		if err := os.WriteFile(path, []byte(d.as("").get("/openapi.json").want(http.StatusOK).body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	type operation struct {
		Role       string           `json:"x-bulkreg-role"`
		Security   []map[string]any `json:"security"`
		Parameters []struct {
			Name string `json:"name"`
			In   string `json:"in"`
		} `json:"parameters"`
	}
	doc := parsed[struct {
		OpenAPI    string                          `json:"openapi"`
		Paths      map[string]map[string]operation `json:"paths"`
		Components struct {
			Schemas map[string]struct {
				Properties map[string]any `json:"properties"`
			} `json:"schemas"`
		} `json:"components"`
	}](d.as("").get("/openapi.json").want(http.StatusOK))
	page := d.as("").get("/docs").want(http.StatusOK).body
	if !strings.HasPrefix(doc.OpenAPI, "3.1") || strings.Contains(page, "<script") || strings.Contains(page, "src=") {
		t.Errorf("OpenAPI %s, and a page of %d bytes", doc.OpenAPI, len(page))
	}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			if strings.HasPrefix(path, "/v1/") != (op.Role != "" && len(op.Security) == 1) {
				t.Errorf("%s %s needs the role %q", method, path, op.Role)
			}
			if !strings.Contains(page, strings.ToUpper(method)+"</span> "+path) {
				t.Errorf("the page has no %s %s", method, path)
			}
		}
	}
	for _, path := range []string{"/v1/orders", "/v1/orders/{reference}", "/v1/orders/{reference}/jobs", "/v1/orders/{reference}/export",
		"/v1/orders/{reference}/failed", "/v1/orders/{reference}/events", "/v1/jobs/{id}", "/v1/domains/{domain}", "/v1/events", "/v1/holds", "/healthz", "/readyz"} {
		if doc.Paths[path] == nil {
			t.Errorf("no %s", path)
		}
	}
	// Each member of the body and each parameter is known to what reads them: with a wrong value it is told so, and not that it is unknown.
	for name := range doc.Components.Schemas["Order"].Properties {
		if name == "jobs" {
			continue
		}
		a := d.post("/v1/orders", fmt.Sprintf(`{"jobs": [], %q: {"no": {"such": "value"}}}`, name)).want(http.StatusUnprocessableEntity)
		if strings.Contains(a.body, "is not known here") {
			t.Errorf("the document has %s: %s", name, a.body)
		}
	}
	for _, p := range doc.Paths["/v1/orders"]["post"].Parameters {
		if p.In == "query" {
			if a := d.post("/v1/orders?"+p.Name+"=1", `{}`); strings.Contains(a.body, "is not known here") || strings.Contains(a.body, "no parameter") {
				t.Errorf("the document has %s: %s", p.Name, a.body)
			}
		}
	}
}

func TestProblemsAreExplained(t *testing.T) {
	t.Parallel()
	d := setup(t)
	page := d.as("").get("/docs").want(http.StatusOK).body
	for _, name := range slices.Sorted(maps.Keys(map[string]bool{"order-conflict": true, "invalid-order": true, "unavailable": true, "unauthorized": true})) {
		if a := d.as("").get("/problems/" + name).want(http.StatusOK); len(a.body) < 50 || !strings.Contains(page, "/problems/"+name) {
			t.Errorf("%s: %s", name, a.body)
		}
	}
	d.as("").get("/problems/none").want(http.StatusNotFound).problem("not-found")
}

// takeDatabaseAway lets nobody connect any more, and ends who is.
func (d *door) takeDatabaseAway() {
	d.t.Helper()
	config := d.store.Pool.Config().ConnConfig.Copy()
	name := config.Database
	config.Database = "postgres"
	conn, err := pgx.ConnectConfig(d.t.Context(), config)
	if err != nil {
		d.t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(d.t.Context()))
	for _, sql := range []string{
		`ALTER DATABASE ` + pgx.Identifier{name}.Sanitize() + ` WITH ALLOW_CONNECTIONS false`,
		`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '` + name + `'`,
	} {
		if _, err := conn.Exec(d.t.Context(), sql); err != nil {
			d.t.Fatal(err)
		}
	}
}

// A database that is away is told as such, and never in its own words.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	d := setup(t)
	d.get("/v1/holds").want(http.StatusOK) // the key is known now
	d.takeDatabaseAway()
	a := d.get("/v1/orders").want(http.StatusServiceUnavailable)
	if p := a.problem("unavailable"); a.Header.Get("Retry-After") == "" || strings.Contains(a.body, "pool") || p.Detail == "" {
		t.Errorf("%s, Retry-After %q", a.body, a.Header.Get("Retry-After"))
	}
}

// A stream ends when its key does.
func TestStreamOfARevokedKey(t *testing.T) {
	t.Parallel()
	d := setup(t, func(o *api.Options) { o.Heartbeat = 20 * time.Millisecond })
	d.post("/v1/orders", anOrderOfChecks).want(http.StatusAccepted)
	beats, ended := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(ended)
		d.as("reader").follow("/v1/orders/one/events", "", func(line string) {
			if line == ": still there" {
				select {
				case beats <- struct{}{}:
				default:
				}
			}
		})
	}()
	select {
	case <-beats:
	case <-ended:
		t.Fatal("it ended at once")
	}
	if _, err := d.store.Keys.Revoke(t.Context(), []string{d.keys["reader"].ID()}, "ann"); err != nil {
		t.Fatal(err)
	}
	<-ended
}
