package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// bench is a sandbox behind a real server, and a client that knows nothing but HTTP.
type bench struct {
	*sandbox.Sandbox
	t   testing.TB
	url string
	jwt string
}

func setup(t testing.TB, opts sandbox.Options) *bench {
	t.Helper()
	sb, err := sandbox.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sb)
	t.Cleanup(func() {
		if err := sb.Close(); err != nil {
			t.Errorf("close sandbox: %v", err)
		}
		server.Close()
	})
	b := &bench{Sandbox: sb, t: t, url: server.URL}
	if len(opts.Accounts) == 0 {
		b.jwt = b.authenticate(sandbox.DefaultClientID, sandbox.DefaultClientSecret)
	}
	return b
}

func (b *bench) authenticate(id, secret string) string {
	b.t.Helper()
	r := b.must("POST", "/authenticate", map[string]string{"client_id": id, "client_secret": secret})
	if r.status != http.StatusOK {
		b.t.Fatalf("authenticate: %d %s", r.status, r.body)
	}
	return r.json(b.t)["token"].(string)
}

type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r reply) json(t testing.TB) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(r.body, &m); err != nil {
		t.Fatalf("not JSON: %q", r.body)
	}
	return m
}

// line is one result, with every field either API may give.
type line struct {
	Domain     string
	Available  *bool
	Status     string
	Error      string
	StatusCode int
	Message    string
}

func (r reply) results(t testing.TB) []line {
	t.Helper()
	var list struct{ Results []line }
	if err := json.Unmarshal(r.body, &list); err != nil {
		t.Fatalf("not a list of results: %q", r.body)
	}
	return list.Results
}

func (r reply) result(t testing.TB, domain string) line {
	t.Helper()
	for _, l := range r.results(t) {
		if l.Domain == domain {
			return l
		}
	}
	t.Fatalf("no result for %s in %s", domain, r.body)
	return line{}
}

// do sends one request. Keep-alive is off, so that net/http never sends a request again on a line that broke.
func (b *bench) do(method, path string, body any) (reply, error) {
	return b.doAs(b.t.Context(), b.jwt, method, path, body)
}

func (b *bench) doAs(ctx context.Context, token, method, path string, body any) (reply, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return reply{}, err
	}
	request, err := http.NewRequestWithContext(ctx, method, b.url+path, bytes.NewReader(data))
	if err != nil {
		return reply{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	client := &http.Client{Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	if err != nil {
		return reply{}, err
	}
	got, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header, got}, errors.Join(err, response.Body.Close())
}

func (b *bench) must(method, path string, body any) reply {
	b.t.Helper()
	r, err := b.do(method, path, body)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

func (b *bench) whois(domains ...string) reply {
	b.t.Helper()
	return b.must("POST", "/whois", map[string]any{"domains": domains})
}

func (b *bench) register(domains ...string) reply {
	b.t.Helper()
	return b.must("POST", "/domain/bulk", registerBody(domains...))
}

func registerBody(domains ...string) any {
	items := make([]map[string]any, len(domains))
	for i, d := range domains {
		items[i] = map[string]any{"domain": d, "domainholder_id": sandbox.DefaultHolder}
	}
	return map[string]any{"domains": items}
}

func (b *bench) inject(f sandbox.Fault) *sandbox.Injected {
	b.t.Helper()
	hit, err := b.Inject(f)
	if err != nil {
		b.t.Fatal(err)
	}
	return hit
}

// wantError checks the documented error body.
func (b *bench) wantError(r reply, status int) {
	b.t.Helper()
	if r.status != status {
		b.t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	body := r.json(b.t)
	if body["statusCode"] != float64(status) || body["message"] == "" || body["message"] == nil {
		b.t.Errorf("not the documented error body: %s", r.body)
	}
}

func (b *bench) wantPaid(domain string, times int) {
	b.t.Helper()
	if got := b.Ledger().Paid(domain); got != times {
		b.t.Errorf("%s paid %d times, want %d", domain, got, times)
	}
}

// clock is a time that moves only when told.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
