package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkreg/bulkreg/store/pruning"
	"github.com/bulkreg/bulkreg/store/record"
)

// A reader that was away for too long is told so, and one that has nothing to read keeps up all the same.
func TestEventsThatAreNotKept(t *testing.T) {
	t.Parallel()
	d := setup(t)
	type page struct {
		Events []any  `json:"events"`
		Next   string `json:"next"`
	}
	d.post("/v1/orders", anOrderOfChecks).want(http.StatusAccepted)
	var first page
	d.eventually(func() bool {
		first = parsed[page](d.get("/v1/events"))
		return len(first.Events) == 1
	})
	quiet := parsed[page](d.as("other").get("/v1/events"))
	if len(quiet.Events) != 0 || quiet.Next != first.Next {
		t.Errorf("a source without events goes on behind %q, want %q", quiet.Next, first.Next)
	}
	if _, err := d.store.Pool.Exec(t.Context(), `INSERT INTO events (type, at, source, order_id, account, data)
		SELECT 'order.completed', now(), 'shop', id, 'default', '{}' FROM orders CROSS JOIN generate_series(1, 3)`); err != nil {
		t.Fatal(err)
	}
	last := parsed[page](d.get("/v1/events?after=" + first.Next)).Next
	if _, err := d.store.Pool.Exec(t.Context(), `UPDATE events SET at = now() - interval '2 hours'`); err != nil {
		t.Fatal(err)
	}
	if n, err := d.store.Events.Forget(t.Context(), time.Hour, 100); err != nil || n != 4 {
		t.Fatalf("forgot %d, %v", n, err)
	}
	p := d.get("/v1/events?after=" + first.Next).want(http.StatusGone).problem("events-gone")
	if !strings.Contains(p.Detail, "go on behind "+last) {
		t.Error(p.Detail)
	}
	for _, after := range []string{last, "0"} {
		if got := parsed[page](d.get("/v1/events?after=" + after).want(http.StatusOK)); len(got.Events) != 0 {
			t.Errorf("behind %s: %+v", after, got)
		}
	}
}

// A reader that has read further than the log goes, which a restore has set back, does not wait for ids that others will have.
func TestEventsOfALogThatWasSetBack(t *testing.T) {
	t.Parallel()
	d := setup(t)
	d.post("/v1/orders", anOrderOfChecks).want(http.StatusAccepted)
	var next string
	d.eventually(func() bool {
		page := parsed[struct {
			Events []any  `json:"events"`
			Next   string `json:"next"`
		}](d.get("/v1/events"))
		next = page.Next
		return len(page.Events) == 1
	})
	p := d.get("/v1/events?after=" + next + "0&wait=30").want(http.StatusGone).problem("events-gone")
	if !strings.Contains(p.Detail, "set back") || !strings.Contains(p.Detail, "Go on behind "+next) {
		t.Error(p.Detail)
	}
	d.get("/v1/events?after=" + next).want(http.StatusOK)
}

// An order whose jobs are not kept any more says so, and still what it came to.
func TestJobsThatAreNotKept(t *testing.T) {
	t.Parallel()
	d := setup(t)
	d.post("/v1/orders", anOrderOfChecks).want(http.StatusAccepted)
	d.settle()
	reference := parsed[struct {
		Orders []struct {
			Reference string `json:"reference"`
		} `json:"orders"`
	}](d.get("/v1/orders")).Orders[0].Reference
	path := "/v1/orders/" + reference
	before := parsed[map[string]any](d.get(path))
	d.eventually(func() bool {
		n, err := d.store.Pruning.Begin(t.Context(), pruning.Age{Kind: record.Whois, OlderThan: time.Microsecond}, 10)
		if err != nil {
			t.Fatal(err)
		}
		return n == 1
	})
	if r, err := d.store.Pruning.Remove(t.Context(), 1000); err != nil || r.Orders != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, page := range []string{"/jobs", "/export", "/failed"} {
		if p := d.get(path + page).want(http.StatusGone).problem("jobs-gone"); !strings.Contains(p.Detail, reference) {
			t.Errorf("%s: %s", page, p.Detail)
		}
	}
	for _, act := range []string{"/retry", "/cancel"} {
		d.as("operator").post(path+act, `{"reason":"because"}`).want(http.StatusGone).problem("jobs-gone")
	}
	after := parsed[map[string]any](d.get(path))
	if after["pruned_at"] == nil {
		t.Errorf("it does not say so: %v", after)
	}
	delete(after, "pruned_at")
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("what it came to has changed (-before +after):\n%s", diff)
	}
	d.post("/v1/orders", anOrderOfChecks).want(http.StatusOK) // and a repeat is known as one
}
