package api_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/queue/api"
	"github.com/bulkreg/bulkreg/store/keys"
)

// anyResponse is what tests read of a response in the document.
type anyResponse struct {
	Content map[string]any `json:"content"`
}

// documented checks that answers are those that the document of a door has.
type documented struct {
	handler http.Handler

	once     sync.Once
	mux      *http.ServeMux                    // of the operations
	statuses map[string]map[string]anyResponse // by operation, as METHOD PATH, and status

	mu   sync.Mutex
	seen map[string]bool // METHOD PATH STATUS
}

func (d *documented) read(t *testing.T) {
	answer := httptest.NewRecorder()
	d.handler.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/openapi.json", nil))
	var doc struct {
		Paths map[string]map[string]struct {
			Responses map[string]anyResponse `json:"responses"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	d.mux, d.seen = http.NewServeMux(), map[string]bool{}
	d.statuses = map[string]map[string]anyResponse{}
	for path, operations := range doc.Paths {
		for method, op := range operations {
			name := strings.ToUpper(method) + " " + path
			d.mux.HandleFunc(name, func(http.ResponseWriter, *http.Request) {})
			d.statuses[name] = op.Responses
		}
	}
}

// operation is the one that a request is of; "" for none.
func (d *documented) operation(t *testing.T, method, target string) string {
	t.Helper()
	d.once.Do(func() { d.read(t) })
	u, err := url.Parse("http://x" + target)
	if err != nil || path.Clean(u.EscapedPath()) != u.EscapedPath() {
		return ""
	}
	_, pattern := d.mux.Handler(&http.Request{Method: method, URL: u})
	return pattern
}

func (d *documented) check(t *testing.T, method, target string, answer *http.Response) {
	t.Helper()
	name := d.operation(t, method, target)
	if name == "" {
		return
	}
	status := strconv.Itoa(answer.StatusCode)
	response, ok := d.statuses[name][status]
	media, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";")
	if _, known := response.Content[media]; !ok || !known && answer.StatusCode != http.StatusNoContent {
		t.Errorf("the document does not have that %s answers %s with %s", name, status, media)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen[name+" "+status] = true
}

// examples are requests of each operation that are well, by METHOD PATH.
func examples() map[string]struct{ path, body string } {
	const reason = `{"reason": "x"}`
	return map[string]struct{ path, body string }{
		"GET /healthz": {"/healthz", ""}, "GET /readyz": {"/readyz", ""},
		"GET /v1/orders": {"/v1/orders", ""}, "POST /v1/orders": {"/v1/orders", anOrderOfChecks},
		"GET /v1/orders/{reference}": {"/v1/orders/one", ""}, "GET /v1/orders/{reference}/jobs": {"/v1/orders/one/jobs", ""},
		"GET /v1/orders/{reference}/export": {"/v1/orders/one/export", ""}, "GET /v1/orders/{reference}/failed": {"/v1/orders/one/failed", ""},
		"GET /v1/orders/{reference}/events":  {"/v1/orders/one/events", ""},
		"POST /v1/orders/{reference}/retry":  {"/v1/orders/one/retry", reason},
		"POST /v1/orders/{reference}/cancel": {"/v1/orders/one/cancel", reason}, "POST /v1/orders/{reference}/confirm": {"/v1/orders/one/confirm", `{"registered": true, "reason": "x"}`},
		"POST /v1/orders/{reference}/pause": {"/v1/orders/one/pause", reason}, "POST /v1/orders/{reference}/resume": {"/v1/orders/one/resume", reason},
		"GET /v1/jobs/{id}": {"/v1/jobs/00000000-0000-5000-8000-000000000000", ""}, "GET /v1/domains/{domain}": {"/v1/domains/a.nl", ""},
		"GET /v1/events": {"/v1/events", ""}, "GET /v1/events/settings": {"/v1/events/settings", ""}, "PUT /v1/events/settings": {"/v1/events/settings", `{"jobs": true}`},
		"GET /v1/holds": {"/v1/holds", ""}, "GET /v1/webhooks": {"/v1/webhooks", ""}, "POST /v1/webhooks": {"/v1/webhooks", aWebhookBody},
		"GET /v1/webhooks/{id}": {noWebhook, ""}, "DELETE /v1/webhooks/{id}": {noWebhook, ""},
		"POST /v1/webhooks/{id}/rotate": {noWebhook + "/rotate", `{"overlap_hours": 1}`}, "POST /v1/webhooks/{id}/test": {noWebhook + "/test", ""},
		"POST /v1/webhooks/{id}/recover":   {noWebhook + "/recover", `{"since": "2026-11-26T00:00:00Z"}`},
		"GET /v1/webhooks/{id}/deliveries": {noWebhook + "/deliveries", ""}, "GET /v1/webhooks/{id}/deliveries/{delivery}": {noWebhook + "/deliveries/1", ""},
		"POST /v1/webhooks/{id}/deliveries/{delivery}/replay": {noWebhook + "/deliveries/1/replay", ""},
	}
}

const (
	noWebhook    = "/v1/webhooks/aaaaaaaaaa"
	aWebhookBody = `{"url": "https://shop.example/hooks"}`
)

// Each operation answers with the problems that the document says, and the document says each that it answers with.
func TestEveryProblemIsDocumented(t *testing.T) {
	t.Parallel()
	d := setup(t, func(o *api.Options) { o.BodyPatience, o.MaxBody = 200*time.Millisecond, 100<<10 })
	d.makeKey("spent", keys.NewKey{Role: "operate", Limits: keys.Limits{RequestsPerMinute: 1}})
	d.as("spent").get("/v1/holds").want(http.StatusOK)
	d.documented.operation(t, http.MethodGet, "/")
	for name := range d.documented.statuses {
		method, _, _ := strings.Cut(name, " ")
		example, ok := examples()[name]
		if !ok {
			t.Errorf("there is no example of %s: add one", name)
			continue
		}
		d.wrong(name, method, example.path, example.body)
	}
	d.post("/v1/orders", anOrderOfChecks).want(http.StatusAccepted)
	d.post("/v1/orders", strings.Replace(anOrderOfChecks, "a.nl", "other.nl", 1)).want(http.StatusConflict)
	for _, status := range []int{http.StatusCreated, http.StatusConflict} {
		d.post("/v1/webhooks", aWebhookBody).want(status)
	}
	if _, err := d.store.Pool.Exec(t.Context(), `UPDATE events_forgotten SET id = 100`); err != nil {
		t.Fatal(err)
	}
	d.get("/v1/events?after=1").want(http.StatusGone)
	if _, err := d.store.Pool.Exec(t.Context(), `UPDATE orders SET reference = 'one', pruned_at = now()`); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"jobs", "export", "failed"} {
		d.get("/v1/orders/one/" + name).want(http.StatusGone)
	}
	for _, name := range []string{"retry", "cancel", "confirm"} {
		d.post("/v1/orders/one/"+name, examples()["POST /v1/orders/{reference}/"+name].body).want(http.StatusGone)
	}
	d.takeDatabaseAway()
	for name, example := range examples() {
		if method, _, _ := strings.Cut(name, " "); name != "GET /healthz" {
			d.do(method, example.path, example.body).want(http.StatusServiceUnavailable)
		}
	}
	for name, statuses := range d.documented.statuses {
		for status := range statuses {
			if !strings.HasPrefix(status, "2") && status != "500" && !d.documented.seen[name+" "+status] {
				t.Errorf("the document has that %s answers %s, and it never did", name, status)
			}
		}
	}
}

// wrong makes a request of an operation wrong in every way that it can be.
func (d *door) wrong(name, method, path, body string) {
	d.t.Helper()
	d.do(method, path+"?no=such", body).want(http.StatusUnprocessableEntity)
	if !strings.HasPrefix(path, "/v1/") {
		return
	}
	d.as("").do(method, path, body).want(http.StatusUnauthorized)
	if _, ok := d.documented.statuses[name]["403"]; ok {
		d.as("reader").do(method, path, body).want(http.StatusForbidden)
	}
	d.as("spent").do(method, path, body).want(http.StatusTooManyRequests)
	if strings.HasPrefix(path, "/v1/orders/") || strings.HasPrefix(path, "/v1/jobs/") || strings.HasPrefix(path, "/v1/webhooks/") {
		d.do(method, path, body).want(http.StatusNotFound)
	}
	if body == "" {
		return
	}
	d.do(method, path, "{").want(http.StatusBadRequest)
	d.do(method, path, body, "Content-Type", "application/xml").want(http.StatusUnsupportedMediaType)
	d.do(method, path, strings.Repeat(" ", 110_000)+body).want(http.StatusRequestEntityTooLarge)
	d.slow(method, path)
}

// slow begins a body and does not go on with it.
func (d *door) slow(method, path string) {
	d.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://"))
	if err != nil {
		d.t.Fatal(err)
	}
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
		method, path, d.keys[d.key].Reveal())
	if err != nil {
		d.t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		d.t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil || response.StatusCode != http.StatusRequestTimeout {
		d.t.Errorf("%s %s: %s, %v", method, path, response.Status, err)
	}
	d.documented.check(d.t, method, path, response)
}
