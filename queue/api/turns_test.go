package api_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/bulkreg/bulkreg/queue/api"
)

// Whatever one source asks for, and however often at once, it leaves half of the connections to the database to others.
func TestNoSourceTakesAllConnections(t *testing.T) {
	t.Parallel()
	const connections, requests = 10, 40 // as many as the store has of itself
	for name, ask := range map[string]struct{ method, path, body string }{
		"a list": {http.MethodGet, "/v1/orders", ""}, "an order": {http.MethodGet, "/v1/orders/one", ""}, "an export": {http.MethodGet, "/v1/orders/one/export", ""},
		"failed lines": {http.MethodGet, "/v1/orders/one/failed", ""}, "a plan": {http.MethodPost, "/v1/orders?dry_run=true", anOrderOfChecks},
		"an order that comes": {http.MethodPost, "/v1/orders", anOrderOfChecks}, "an act": {http.MethodPost, "/v1/orders/one/retry", `{"reason": "x"}`},
		"a reader who waits": {http.MethodGet, "/v1/events?wait=60", ""}, "a stream": {http.MethodGet, "/v1/orders/one/events", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := setup(t, func(o *api.Options) { o.Connections = connections })
			d.post("/v1/orders", anOrderOfChecks).want(http.StatusAccepted)
			d.as("other").get("/v1/events/settings").want(http.StatusOK)
			locking, err := pgx.ConnectConfig(t.Context(), d.store.Pool.Config().ConnConfig)
			if err != nil {
				t.Fatal(err)
			}
			defer locking.Close(context.WithoutCancel(t.Context()))
			tx, err := locking.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
			if _, err := tx.Exec(t.Context(), `LOCK TABLE orders, events IN ACCESS EXCLUSIVE MODE`); err != nil {
				t.Fatal(err)
			}
			asking, stop := context.WithCancel(t.Context())
			defer stop()
			var group errgroup.Group
			for range requests {
				group.Go(func() error {
					d.abandoned(asking, ask.method, ask.path, ask.body)
					return nil
				})
			}
			const stuck = `SELECT pg_stat_clear_snapshot(), (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')`
			var n int
			d.eventually(func() bool {
				if err := tx.QueryRow(t.Context(), stuck).Scan(nil, &n); err != nil {
					t.Fatal(err)
				}
				return n >= connections/2
			})
			for range 5 {
				begun := time.Now()
				d.as("other").get("/v1/events/settings").want(http.StatusOK)
				if took := time.Since(begun); took > 10*time.Second {
					t.Errorf("another source waited for %v", took)
				}
				if err := tx.QueryRow(t.Context(), stuck).Scan(nil, &n); err != nil || n > connections/2+1 { // one is the bookkeeper's
					t.Errorf("%d of %d connections wait for one source, %v", n, connections, err)
				}
			}
			if err := tx.Rollback(t.Context()); err != nil {
				t.Error(err)
			}
			stop()
			if err := group.Wait(); err != nil {
				t.Error(err)
			}
			d.get("/v1/orders").want(http.StatusOK) // and its turn comes again
		})
	}
}

// abandoned makes a request that ends, whatever comes of it, when ctx does.
func (d *door) abandoned(ctx context.Context, method, path, body string) {
	request, err := http.NewRequestWithContext(ctx, method, d.url+path, strings.NewReader(body))
	if err != nil {
		d.t.Error(err)
		return
	}
	request.Header.Set("Authorization", "Bearer "+d.keys[d.key].Reveal())
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if response, err := http.DefaultClient.Do(request); err == nil {
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
}
