package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/traces"
	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/redistest"
	"github.com/bulkreg/bulkreg/store/pgtest"
)

// collector takes spans, as OTLP has them.
type collector struct {
	*httptest.Server
	mu    sync.Mutex
	raw   bytes.Buffer
	heads []string
	spans []*tracepb.Span
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var sent coltracepb.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" || proto.Unmarshal(body, &sent) != nil {
			t.Errorf("%s %s brings no spans", r.Method, r.URL)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.raw.Write(body)
		c.heads = append(c.heads, r.Header.Get("X-Collector-Key"))
		for _, resource := range sent.GetResourceSpans() {
			for _, scope := range resource.GetScopeSpans() {
				c.spans = append(c.spans, scope.GetSpans()...)
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(c.Close)
	return c
}

// of are the spans of a trace, by name.
func (c *collector) of(trace string) map[string][]*tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := map[string][]*tracepb.Span{}
	for _, s := range c.spans {
		if hex.EncodeToString(s.GetTraceId()) == trace {
			found[s.GetName()] = append(found[s.GetName()], s)
		}
	}
	return found
}

// post gives an order in a trace of the caller's.
func post(t *testing.T, url, key, body, trace string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"Authorization": "Bearer " + key, "Content-Type": "text/plain", "Traceparent": "00-" + trace + "-b7ad6b7169203331-01",
		"Tracestate": "who=johnsecretman", "Baggage": "who=johnsecretman", "User-Agent": "johnsecretman",
	} {
		request.Header.Set(name, value)
	}
	if strings.Contains(url, "kind=register") {
		request.Header.Set("Content-Type", "text/csv")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }() // it is not read
	if response.StatusCode != http.StatusAccepted {
		text, err := io.ReadAll(response.Body)
		t.Fatalf("%s: %s, %v", response.Status, text, err)
	}
}

// An order is in the trace of the request that it came with, up to what came of its jobs. A call for several orders links to each.
func TestTracesFollowOrders(t *testing.T) {
	t.Parallel()
	to := newCollector(t)
	_, environ := startSandboxCommand(t)
	url := pgtest.New(t, migrated)
	environ = append(environ, "DATABASE_URL="+url, "REDIS_URL="+redistest.New(t), "WHOIS_LINGER=300ms", "REGISTER_LINGER=10ms",
		"OTEL_EXPORTER_OTLP_ENDPOINT="+to.URL, "OTEL_EXPORTER_OTLP_HEADERS=x-collector-key=verysecretkey")
	key := strings.TrimSpace(runCommand(t, environ, "keys", "create", "johnsshop", "--by", "ann").stdout)
	serving := startCommand(t, append(slices.Clone(environ), "HTTP_ADDR=127.0.0.1:0"), "api")
	orders := "http://" + apiAddr(t, serving) + "/v1/orders"
	traceOf := func(n int) string { return fmt.Sprintf("0af7651916cd43dd8448eb211c80%04d", n) }
	post(t, orders+"?kind=whois&reference=johns-first", key, "john-a.nl\n", traceOf(1))
	post(t, orders+"?kind=whois&reference=johns-second", key, "john-b.nl\n", traceOf(2))
	post(t, orders+"?kind=register&reference=johns-third", key, "domain,holder\njohn-c.nl,demo-holder\njohn-d.nl,demo-holder\n", traceOf(3))
	st := openTestStore(t, url)
	working := startCommand(t, environ, "worker")
	for _, reference := range []string{"johns-first", "johns-second", "johns-third"} {
		o, err := st.Orders.Find(t.Context(), "johnsshop", reference)
		if err != nil {
			t.Fatal(err)
		}
		settled(t, st, o)
	}
	serving.stop()
	log := working.stop().stderr

	followed := to.of(traceOf(3))
	for _, name := range []string{"POST /v1/orders", "deliver register", "batch register", "call check", "call register", "settle", "insert into jobs"} {
		if len(followed[name]) == 0 {
			t.Errorf("no span %q in the trace of the request: %v", name, namesOf(followed))
		}
	}
	connected(t, followed, "b7ad6b7169203331")
	if calls := followed["call register"]; len(calls) != 1 || !strings.Contains(calls[0].String(), "200") {
		t.Errorf("the paid call: %v", calls)
	}
	for name, log := range map[string]string{"worker": log, "API": serving.stderr.String()} {
		if !strings.Contains(log, `"trace":"`+traceOf(3)+`"`) {
			t.Errorf("the log of the %s does not have the trace: %s", name, log)
		}
	}
	linked(t, to, traceOf(1), traceOf(2))
	for _, head := range to.heads {
		if head != "verysecretkey" {
			t.Errorf("the collector is shown %q", head)
		}
	}
	for _, personal := range []string{"john", "demo-holder", "secret", key[20:], "127.0.0.1", "password"} {
		if strings.Contains(strings.ToLower(to.raw.String()), strings.ToLower(personal)) {
			t.Errorf("with the spans leaves %q", personal)
		}
	}
}

func namesOf(spans map[string][]*tracepb.Span) []string {
	var names []string
	for name, all := range spans {
		names = append(names, fmt.Sprintf("%s (%d)", name, len(all)))
	}
	slices.Sort(names)
	return names
}

// connected checks that each span hangs on another one, or on that of the caller.
func connected(t *testing.T, spans map[string][]*tracepb.Span, caller string) {
	t.Helper()
	ids := map[string]bool{caller: true}
	for _, all := range spans {
		for _, s := range all {
			ids[hex.EncodeToString(s.GetSpanId())] = true
		}
	}
	for name, all := range spans {
		for _, s := range all {
			if !ids[hex.EncodeToString(s.GetParentSpanId())] {
				t.Errorf("span %q hangs on nothing", name)
			}
		}
	}
}

// linked checks that there was one call for the orders of two traces, in a trace of its own that links to both.
func linked(t *testing.T, to *collector, first, second string) {
	t.Helper()
	to.mu.Lock()
	defer to.mu.Unlock()
	for _, s := range to.spans {
		if s.GetName() != "batch whois" {
			continue
		}
		var links []string
		for _, l := range s.GetLinks() {
			links = append(links, hex.EncodeToString(l.GetTraceId()))
		}
		slices.Sort(links)
		if own := hex.EncodeToString(s.GetTraceId()); slices.Equal(links, []string{first, second}) && own != first && own != second {
			return
		}
	}
	t.Errorf("no batch links to %s and %s", first, second)
}

// Whatever a collector does, work goes on, and a worker stops in time.
func TestCollectorsHoldNothingUp(t *testing.T) {
	t.Parallel()
	hanging := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hanging }))
	t.Cleanup(hangs.Close)
	t.Cleanup(func() { close(hanging) })
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) }))
	t.Cleanup(refuses.Close)
	for name, endpoint := range map[string]string{"it hangs": hangs.URL, "it is away": "http://127.0.0.1:1", "it refuses": refuses.URL, "it is none": "collector:4317"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, environ := startSandboxCommand(t)
			url := pgtest.New(t, migrated)
			environ = append(environ, "DATABASE_URL="+url, "REDIS_URL="+redistest.New(t), "WHOIS_LINGER=10ms", "OTEL_EXPORTER_OTLP_ENDPOINT="+endpoint)
			st := openTestStore(t, url)
			working := startCommand(t, environ, "worker")
			settled(t, st, submitOrder(t, st, queue.Whois, "checks", "a.nl", "b.nl"))
			begun := time.Now()
			r := working.stop()
			if took := time.Since(begun); r.status != exitDone || took > traces.CloseTime+5*time.Second {
				t.Errorf("it ended with %d after %s: %s", r.status, took, r.stderr)
			}
			for line := range strings.Lines(r.stderr) {
				if !strings.HasPrefix(line, "{") {
					t.Errorf("the log has a line that is none: %s", line)
				}
			}
		})
	}
}
