package api_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkreg/bulkreg/queue/api"
)

const anOrderOfChecks = `{"reference": "one", "kind": "whois", "labels": {"campaign": "spring"}, "jobs": [{"domain": "a.nl"}, "Bücher.nl", {"domain": "t.nl"}]}`

func TestSubmitAndLookAtAnOrder(t *testing.T) {
	t.Parallel()
	d := setup(t)
	accepted := d.post("/v1/orders", anOrderOfChecks).want(http.StatusAccepted)
	if at := accepted.Header.Get("Location"); at != "/v1/orders/one" {
		t.Errorf("Location is %q", at)
	}
	if o := parsed[anOrder](accepted); o.Reference != "one" || o.Source != "shop" || o.Total != 3 || o.Repeat || o.Counts["queued"] != 3 || o.Labels["campaign"] != "spring" {
		t.Errorf("accepted %s", accepted.body)
	}
	// The same again, in whatever form: nothing changes.
	again := d.post("/v1/orders?reference=one&kind=whois", "xn--bcher-kva.nl\nT.nl\na.nl\n", "Content-Type", "text/plain").want(http.StatusOK)
	if o := parsed[anOrder](again); !o.Repeat || o.Total != 3 {
		t.Errorf("again: %s", again.body)
	}
	p := d.post("/v1/orders", strings.Replace(anOrderOfChecks, `, {"domain": "t.nl"}`, "", 1)).want(http.StatusConflict).problem("order-conflict")
	if !strings.Contains(p.Detail, "it has 3 jobs and not 2") {
		t.Errorf("conflict: %s", p.Detail)
	}
	d.settle()
	o := parsed[anOrder](d.get("/v1/orders/one").want(http.StatusOK))
	if !o.Done || o.Counts["succeeded"] != 3 || o.Outcomes["available"] != 3 {
		t.Errorf("at the end: %+v", o)
	}
	d.as("other").get("/v1/orders/one").want(http.StatusNotFound).problem("not-found")
	// Another source's order of that name is another one.
	d.as("other").post("/v1/orders", anOrderOfChecks).want(http.StatusAccepted)
}

// The key that repeats a request is the order's reference.
func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	d := setup(t)
	const body = `{"kind": "whois", "jobs": ["a.nl"]}`
	for _, status := range []int{http.StatusAccepted, http.StatusOK} {
		d.post("/v1/orders", body, "Idempotency-Key", "7b0e9d5e/1").want(status)
	}
	d.get("/v1/orders/7b0e9d5e%2F1").want(http.StatusOK)
	p := d.post("/v1/orders", body).want(http.StatusUnprocessableEntity).problem("invalid-request")
	if len(p.Errors) != 1 || p.Errors[0].Location != "reference" {
		t.Errorf("without any: %+v", p)
	}
}

// What a purge took away is not claimed to differ: whether it does is not known any more.
func TestRepeatsAfterAPurge(t *testing.T) {
	t.Parallel()
	d := setup(t)
	const checks = `{"reference": "checks", "kind": "whois", "jobs": ["a.nl"]}`
	const people = `{"reference": "people", "kind": "register", "jobs": [{"domain": "b.nl", "holder": {"firstname": "Ann", "lastname": "Groen",
		"email": "ann@groen.example", "phone": "+31.612345678", "street": "Weg", "housenumber": "1", "postalcode": "1234AB", "city": "Ede", "country": "NL"}}]}`
	for _, body := range []string{checks, people} {
		d.post("/v1/orders", body).want(http.StatusAccepted)
	}
	d.settle()
	if purged, err := d.store.Operator.PurgeHolders(t.Context(), time.Microsecond); err != nil || purged.Holders != 1 {
		t.Fatalf("%+v, %v", purged, err)
	}
	d.post("/v1/orders", checks).want(http.StatusOK)
	if p := d.post("/v1/orders", people).want(http.StatusConflict).problem("order-conflict"); !strings.Contains(p.Detail, "cannot be told") {
		t.Error(p.Detail)
	}
	if p := d.post("/v1/orders", strings.Replace(people, "b.nl", "c.nl", 1)+" ").want(http.StatusConflict).problem("order-conflict"); !strings.Contains(p.Detail, "purged") {
		t.Error(p.Detail)
	}
	if p := d.post("/v1/orders", strings.Replace(checks, "a.nl", "c.nl", 1)).want(http.StatusConflict).problem("order-conflict"); !strings.Contains(p.Detail, "are others") {
		t.Error(p.Detail)
	}
}

func TestFormsOfAnOrder(t *testing.T) {
	t.Parallel()
	d := setup(t)
	packed := func(text string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write([]byte(text)) // into memory
		_ = w.Close()
		return b.String()
	}
	const register = "/v1/orders?kind=register&holder_id=H-1&period=24&nameservers=ns1.x.nl,ns2.x.nl&label=a:b&label=c:d:e"
	for i, c := range []struct{ path, body, media, encoding string }{
		{register, "domain\na.nl\nb.nl\n", "text/csv", ""},
		{register, "\"domain\";\"period\"\r\n\"a1.nl\";\"24\"\r\n\"b1.nl\";\r\n", "text/csv; charset=utf-8", "gzip"},
		{register, `{"domain":"a2.nl"}` + "\n" + `{"domain":"b2.nl","nameservers":["ns1.x.nl","ns2.x.nl"]}`, "application/x-ndjson", ""},
		{"/v1/orders", `{"jobs": [{"domain":"a3.nl"},{"domain":"b3.nl"}], "kind": "register", "holder_id": "H-1", "period": 24, "nameservers": ["ns1.x.nl","ns2.x.nl"], "labels": {"a":"b","c":"d:e"}}`, "application/json", "gzip"},
	} {
		reference := fmt.Sprint("form ", i)
		body := c.body
		if c.encoding != "" {
			body = packed(body)
		}
		o := parsed[anOrder](d.post(c.path, body, "Content-Type", c.media, "Content-Encoding", c.encoding, "Idempotency-Key", reference).want(http.StatusAccepted))
		if o.Total != 2 || o.Labels["a"] != "b" || o.Labels["c"] != "d:e" {
			t.Errorf("%s: %+v", c.media, o)
		}
		export := d.get("/v1/orders/form%20" + fmt.Sprint(i) + "/export?format=ndjson").want(http.StatusOK)
		for line := range strings.Lines(export.body) {
			var j struct {
				Period      int      `json:"period_months"`
				Holder      string   `json:"holder_id"`
				Nameservers []string `json:"nameservers"`
			}
			if err := json.Unmarshal([]byte(line), &j); err != nil || j.Period != 24 || j.Holder != "H-1" || len(j.Nameservers) != 2 {
				t.Errorf("%s: %s, %v", c.media, line, err)
			}
		}
	}
}

// All that is wrong is told at once, and nothing is stored, unless the sender wants it left out.
func TestInvalidJobs(t *testing.T) {
	t.Parallel()
	d := setup(t)
	const body = `{"reference": "bad", "kind": "register", "holder_id": "H-1", "jobs": [{"domain": "a.nl"}, {"domain": "www.b.nl", "period": 500}, {"domain": "nl"}]}`
	p := d.post("/v1/orders", body).want(http.StatusUnprocessableEntity).problem("invalid-order")
	var where []string
	for _, f := range p.Errors {
		where = append(where, fmt.Sprint(f.Line, " ", f.Location))
	}
	if diff := cmp.Diff([]string{"2 body.jobs[1].domain", "2 body.jobs[1].period", "3 body.jobs[2].domain"}, where); diff != "" {
		t.Errorf("errors (-want +got):\n%s\n%+v", diff, p.Errors)
	}
	d.get("/v1/orders/bad").want(http.StatusNotFound)
	o := parsed[anOrder](d.post("/v1/orders?on_invalid=skip", body).want(http.StatusAccepted))
	if o.Total != 1 || o.Skipped != 2 || len(o.Errors) != 3 {
		t.Errorf("skipping: %+v", o)
	}
	d.post("/v1/orders?kind=whois&reference=empty", "# nothing\n", "Content-Type", "text/plain").want(http.StatusUnprocessableEntity).problem("invalid-order")
}

func TestDryRun(t *testing.T) {
	t.Parallel()
	d := setup(t)
	d.post("/v1/orders", `{"reference": "first", "kind": "register", "holder_id": "H", "jobs": ["a.nl", "b.nl"]}`).want(http.StatusAccepted)
	const second = `{"reference": "second", "kind": "register", "holder_id": "H", "jobs": ["b.nl", "c.nl", "d.nl"], "dry_run": true}`
	plan := parsed[struct {
		DryRun bool `json:"dry_run"`
		Jobs   int  `json:"jobs"`
		New    int  `json:"new"`
		Live   int  `json:"in_progress"`
	}](d.post("/v1/orders", second).want(http.StatusOK))
	if !plan.DryRun || plan.Jobs != 3 || plan.New != 2 || plan.Live != 1 {
		t.Errorf("plan %+v", plan)
	}
	d.get("/v1/orders/second").want(http.StatusNotFound)
}

// What cannot be read is told in a way that says what to do, and stores nothing.
func TestUnreadableOrders(t *testing.T) {
	t.Parallel()
	d := setup(t, func(o *api.Options) { o.MaxBody = 4096 })
	const at = "/v1/orders?reference=r&kind=whois"
	large := strings.Repeat("a-long-domain-name.nl\n", 400)
	bomb := func() string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		for range 1000 {
			_, _ = w.Write([]byte(large)) // into memory
		}
		_ = w.Close()
		return b.String()
	}()
	for name, c := range map[string]struct {
		path, body, media, encoding string
		status                      int
		problem                     string
	}{
		"no JSON":              {"/v1/orders", `{"reference"`, "application/json", "", 400, "bad-request"},
		"a list":               {"/v1/orders", `[]`, "application/json", "", 400, "bad-request"},
		"something behind":     {"/v1/orders", `{"reference":"r","kind":"whois","jobs":["a.nl"]} {}`, "application/json", "", 400, "bad-request"},
		"jobs twice":           {"/v1/orders", `{"reference":"r","kind":"whois","jobs":["a.nl"],"jobs":["b.nl"]}`, "application/json", "", 400, "bad-request"},
		"no jobs":              {"/v1/orders", `{"reference":"r","kind":"whois"}`, "application/json", "", 422, "invalid-request"},
		"member twice":         {"/v1/orders", `{"reference":"r","reference":"s","kind":"whois","jobs":["a.nl"]}`, "application/json", "", 422, "invalid-request"},
		"unknown member":       {"/v1/orders", `{"reference":"r","knd":"whois","kind":"whois","jobs":["a.nl"]}`, "application/json", "", 422, "invalid-request"},
		"unknown parameter":    {at + "&ref=x", "a.nl", "text/plain", "", 422, "invalid-request"},
		"no path":              {"/v1/orders?reference=..&kind=whois", "a.nl", "text/plain", "", 422, "invalid-request"},
		"unknown kind":         {"/v1/orders?reference=r&kind=transfer", "a.nl", "text/plain", "", 422, "invalid-request"},
		"unknown account":      {at + "&account=nobody", "a.nl", "text/plain", "", 422, "invalid-request"},
		"a holder for a check": {at + "&holder_id=H", "a.nl", "text/plain", "", 422, "invalid-request"},
		"no character":         {"/v1/orders", `{"reference":"\ud800","kind":"whois","jobs":["a.nl"]}`, "application/json", "", 422, "invalid-request"},
		"no UTF-8":             {"/v1/orders", "{\"reference\":\"\xff\",\"kind\":\"whois\",\"jobs\":[\"a.nl\"]}", "application/json", "", 422, "invalid-request"},
		"no label":             {"/v1/orders", `{"reference":"r","kind":"whois","labels":{"a":"\udfff"},"jobs":["a.nl"]}`, "application/json", "", 422, "invalid-request"},
		"no UTF-8 in a query":  {"/v1/orders?reference=%ff&kind=whois", "a.nl", "text/plain", "", 422, "invalid-request"},
		"media type":           {at, "a.nl", "application/xml", "", 415, "unsupported-media-type"},
		"no media type":        {at, "a.nl", "", "", 415, "unsupported-media-type"},
		"encoding":             {at, "a.nl", "text/plain", "br", 415, "unsupported-media-type"},
		"no gzip":              {at, "a.nl", "text/plain", "gzip", 400, "bad-request"},
		"too large":            {at, large, "text/plain", "", 413, "too-large"},
		"unpacks too large":    {at, bomb[:min(len(bomb), 4000)], "text/plain", "gzip", 413, "too-large"},
		"a cut gzip":           {at, bomb[:40], "text/plain", "gzip", 400, "bad-request"},
		"a register without":   {"/v1/orders?reference=r&kind=register", "a.nl", "text/plain", "", 422, "invalid-order"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := *d
			d.t = t
			d.post(c.path, c.body, "Content-Type", c.media, "Content-Encoding", c.encoding).want(c.status).problem(c.problem)
		})
	}
	t.Cleanup(func() {
		if n, err := d.store.Orders.List(t.Context(), "", 10); err == nil && len(n) > 0 {
			t.Errorf("stored %+v", n)
		}
	})
}

func TestListOrders(t *testing.T) {
	t.Parallel()
	d := setup(t)
	for i := range 5 {
		kind := []string{"whois", "register"}[i%2]
		d.post("/v1/orders", fmt.Sprintf(`{"reference": "r%d", "kind": %q, "labels": {"n": "%d", "all": "yes"}, "jobs": [%s]}`, i, kind, i%2,
			map[string]string{"whois": `"a.nl"`, "register": fmt.Sprintf(`{"domain": "u%d.nl", "holder_id": "H"}`, i)}[kind])).want(http.StatusAccepted)
	}
	d.as("other").post("/v1/orders", anOrderOfChecks).want(http.StatusAccepted)
	list := func(query string) (names []string) {
		t.Helper()
		for cursor := ""; ; {
			page := parsed[struct {
				Orders []anOrder `json:"orders"`
				Next   string    `json:"next_cursor"`
			}](d.get("/v1/orders?limit=2" + query + cursor).want(http.StatusOK))
			for _, o := range page.Orders {
				names = append(names, o.Reference)
			}
			if page.Next == "" {
				return names
			}
			cursor = "&cursor=" + page.Next
		}
	}
	want := func(query string, names ...string) {
		t.Helper()
		if got := list(query); !slices.Equal(got, names) {
			t.Errorf("%s: %v, want %v", query, got, names)
		}
	}
	want("", "r4", "r3", "r2", "r1", "r0")
	want("&kind=register", "r3", "r1")
	want("&label=n:1&label=all:yes", "r3", "r1")
	want("&label=n:7")
	want("&created_from=" + time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	want("&created_until="+time.Now().Add(time.Hour).UTC().Format(time.RFC3339), "r4", "r3", "r2", "r1", "r0")
	d.settle()
	d.eventually(func() bool { return slices.Equal(list("&state=done"), []string{"r4", "r2", "r0"}) })
	want("&state=open", "r3", "r1")
	want("&needs_attention=true", "r3", "r1")
	o := parsed[anOrder](d.get("/v1/orders/r3").want(http.StatusOK))
	if o.Needs == nil || o.Needs.Jobs != 1 || !strings.Contains(o.Needs.Do, "POST to confirm") {
		t.Errorf("needs attention: %+v", o)
	}
	for _, bad := range []string{"limit=0", "limit=x", "cursor=x", "label=n", "kind=x", "state=x", "what=x"} {
		d.get("/v1/orders?" + bad).want(http.StatusUnprocessableEntity).problem("invalid-request")
	}
}

// Whose a domain is is told, but not what another source calls its order.
func TestDuplicatesOfAnotherSource(t *testing.T) {
	t.Parallel()
	d := setup(t)
	order := func(reference string) string {
		return `{"reference": "` + reference + `", "kind": "register", "holder_id": "H", "jobs": ["a.nl", "b.nl"]}`
	}
	d.post("/v1/orders", order("hush-77")).want(http.StatusAccepted)
	other := d.as("other")
	other.post("/v1/orders", order("mine")).want(http.StatusAccepted)
	for _, path := range []string{"/v1/orders/mine/jobs", "/v1/domains/a.nl", "/v1/orders/mine/failed", "/v1/orders/mine/export"} {
		a := other.get(path).want(http.StatusOK)
		if strings.Contains(a.body, "hush") || !strings.Contains(a.body, "in progress in an order of another source") {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	for _, a := range []answer{other.post("/v1/orders?dry_run=true", order("third")), other.post("/v1/orders/mine/retry", `{"reason": "x", "dry_run": true}`)} {
		if a.want(http.StatusOK); strings.Contains(a.body, "hush") {
			t.Errorf("a dry run: %s", a.body)
		}
	}
	d.post("/v1/orders", order("again")).want(http.StatusAccepted)
	if a := d.get("/v1/orders/again/jobs"); !strings.Contains(a.body, "in progress in order hush-77") {
		t.Errorf("one's own: %s", a.body)
	}
}

// What the registrar said of a call as a whole may be about another source's domains.
func TestWordsAboutSharedCalls(t *testing.T) {
	t.Parallel()
	d := setup(t)
	d.post("/v1/orders", `{"reference": "r", "kind": "whois", "jobs": ["a.nl"]}`).want(http.StatusAccepted)
	for _, sql := range []string{
		`UPDATE jobs SET state = 'failed', outcome = 'rejected', finished_at = now(), wake_at = NULL, last_error = 'invalid: hush-merger.nl, and a.nl'`,
		`INSERT INTO claims (id, kind, account, worker, job_ids, order_ids, lease_until)
			SELECT '00000000-0000-0000-0000-000000000011', 'whois', 'default', 'w', ARRAY[id], ARRAY[order_id], now() FROM jobs`,
		`INSERT INTO calls (id, claim_id, op, size, deadline, error, job_ids)
			SELECT '00000000-0000-0000-0000-000000000021', '00000000-0000-0000-0000-000000000011', 'whois', 2, now(), 'invalid: hush-merger.nl, and a.nl', ARRAY[id] FROM jobs`,
		`INSERT INTO holds (account, reason, scope, words, probe_every, next_probe_at) VALUES ('default', 'contract', 'all', 'invalid: hush-merger.nl', interval '1 hour', now())`,
		`INSERT INTO operator_acts (job_id, act, operator, state_before, outcome_before, error_before)
			SELECT id, 'retry', 'ann', 'failed', 'rejected', 'invalid: hush-merger.nl' FROM jobs`,
		`UPDATE jobs SET whois_status = 'premium, as hush-merger.nl'`,
		`INSERT INTO readings (job_id, call_id, availability, status) SELECT id, '00000000-0000-0000-0000-000000000021', 'taken', 'as hush-merger.nl' FROM jobs`,
	} {
		if _, err := d.store.Pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	id := parsed[struct {
		Jobs []struct {
			ID string `json:"job_id"`
		} `json:"jobs"`
	}](d.get("/v1/orders/r/jobs")).Jobs[0].ID
	for _, path := range []string{"/v1/orders/r/jobs", "/v1/jobs/" + id, "/v1/domains/a.nl", "/v1/orders/r/export", "/v1/orders/r/failed", "/v1/holds", "/v1/orders/r"} {
		if a := d.get(path).want(http.StatusOK); strings.Contains(a.body, "hush") || path != "/v1/orders/r" && !strings.Contains(a.body, "[a domain]") {
			t.Errorf("%s: %s", path, a.body)
		}
	}
}
