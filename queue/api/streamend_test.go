package api_test

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/queue/api"
)

// A stream ends with the newest end of its order: not where a page of events happens to end with an earlier one, and not before the
// newest one is in the log.
func TestStreamsEndWithTheNewestEnd(t *testing.T) {
	t.Parallel()
	d := setup(t)
	d.post("/v1/orders", anOrderOfChecks).want(http.StatusAccepted)
	d.settle()
	d.eventually(func() bool { return strings.Contains(d.get("/v1/events").body, `"order.completed"`) })
	exec := func(sql string) {
		t.Helper()
		if _, err := d.store.Pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	// It was done before, tried again, and is done once more: a page of 100 events ends with the first end.
	exec(`UPDATE events SET at = at - interval '1 hour'`)
	exec(`INSERT INTO events (type, at, source, order_id, account, data)
		SELECT CASE n WHEN 98 THEN 'order.completed' ELSE 'job.finished' END, e.at, e.source, e.order_id, e.account, '{}'
		FROM generate_series(1, 120) AS n, events e WHERE e.type = 'order.completed' ORDER BY n`)
	done := make(chan []string)
	go func() { done <- d.sse("/v1/orders/one/events", "") }()
	select {
	case lines := <-done:
		t.Fatalf("it ended without the newest end, after %d lines", len(lines))
	case <-time.After(50 * time.Millisecond):
	}
	exec(`INSERT INTO events (type, at, source, order_id, account, data)
		SELECT type, now(), source, order_id, account, '{"outcomes": {"newest": 1}}' FROM events WHERE type = 'order.completed' ORDER BY id LIMIT 1`)
	lines := <-done
	events := slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return !strings.HasPrefix(l, "id: ") })
	if len(events) != 123 || !strings.Contains(strings.Join(lines, "\n"), `"newest"`) {
		t.Errorf("%d events", len(events))
	}
}

// Whoever waits for events with a key that is revoked meanwhile is told none.
func TestWaitingWithARevokedKey(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64 // what is known of a key is asked again after a while
	d := setup(t, func(o *api.Options) {
		o.Keys = api.KeysOf(o.Store.Keys, func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) })
	})
	answered := make(chan answer)
	go func() { answered <- d.as("reader").get("/v1/events?wait=60") }()
	d.eventually(func() bool { return strings.Contains(d.keyUse("reader"), "used") })
	if _, err := d.store.Keys.Revoke(t.Context(), []string{d.keys["reader"].ID()}, "ann"); err != nil {
		t.Fatal(err)
	}
	ahead.Store(int64(time.Minute))
	d.post("/v1/orders", anOrderOfChecks).want(http.StatusAccepted)
	(<-answered).want(http.StatusUnauthorized).problem("unauthorized")
}

func (d *door) keyUse(name string) string {
	d.t.Helper()
	var use string
	if err := d.store.Pool.QueryRow(d.t.Context(), `SELECT CASE WHEN last_used_at IS NULL THEN '' ELSE 'used' END FROM api_keys WHERE id = $1`, d.keys[name].ID()).Scan(&use); err != nil {
		d.t.Fatal(err)
	}
	return use
}
