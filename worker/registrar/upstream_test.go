package registrar

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

const (
	testSecret = `s3cret/of+the "demo" account`
	fixedToken = "eyJhbGciOiJIUzI1NiJ9.eyJhY2NvdW50IjoiZGVtbyJ9.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
)

// received is one request as it came over the wire.
type received struct {
	*http.Request
	body []byte
	conn int // connections count from 1
}

// reply is what the upstream does about one request: it writes raw and then closes, hangs, or waits for the next.
type reply struct {
	raw   []byte
	close bool
	hang  bool // until the test ends
}

// scripted serves raw bytes over a listener, so that a test decides about every byte.
type scripted struct {
	listener net.Listener
	answer   func(received) reply
	end      chan struct{}
	done     sync.WaitGroup

	mu       sync.Mutex
	conns    []net.Conn
	requests []received
}

// newUpstream answers every authentication request with testdata/token.http and leaves the others to answer.
func newUpstream(t *testing.T, answer func(received) reply) *scripted {
	t.Helper()
	token := fixture(t, "token")
	return newBareUpstream(t, func(r received) reply {
		if r.URL.Path == DefaultPaths().Authenticate {
			return token
		}
		return answer(r)
	})
}

func newBareUpstream(t *testing.T, answer func(received) reply) *scripted {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &scripted{listener: l, answer: answer, end: make(chan struct{})}
	u.done.Go(u.accept)
	t.Cleanup(u.close)
	return u
}

func (u *scripted) url() string { return "http://" + u.listener.Addr().String() }

func (u *scripted) accept() {
	for {
		c, err := u.listener.Accept()
		if err != nil {
			return
		}
		u.mu.Lock()
		u.conns = append(u.conns, c)
		n := len(u.conns)
		u.mu.Unlock()
		u.done.Go(func() { u.serve(c, n) })
	}
}

func (u *scripted) serve(c net.Conn, n int) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		r := received{Request: req, body: body, conn: n}
		u.mu.Lock()
		u.requests = append(u.requests, r)
		u.mu.Unlock()
		out := u.answer(r)
		if _, err := c.Write(out.raw); err != nil || out.close {
			return
		}
		if out.hang {
			<-u.end
			return
		}
	}
}

func (u *scripted) all() []received {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.requests)
}

// to returns what came for a path.
func (u *scripted) to(path string) []received {
	var found []received
	for _, r := range u.all() {
		if r.URL.Path == path {
			found = append(found, r)
		}
	}
	return found
}

func (u *scripted) close() {
	u.mu.Lock()
	select {
	case <-u.end:
		u.mu.Unlock()
		return
	default:
	}
	close(u.end)
	u.listener.Close()
	for _, c := range u.conns {
		c.Close()
	}
	u.mu.Unlock()
	u.done.Wait()
}

// fixture is testdata/name.http, after which the connection stays open, as a server with keep-alive leaves it.
func fixture(t testing.TB, name string) reply {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name+".http"))
	if err != nil {
		t.Fatal(err)
	}
	return reply{raw: raw}
}

// fixtureBody is the body alone, as net/http reads it.
func fixtureBody(t testing.TB, name string) []byte {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(fixture(t, name).raw)), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) { // some fixtures are cut on purpose
		t.Fatal(err)
	}
	return body
}

func jsonReply(status int, body string) reply {
	return reply{raw: fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Length: %d\r\n\r\n%s", status, http.StatusText(status), len(body), body)}
}

// quoteJSON escapes s as in a JSON string, without the quotes around it.
func quoteJSON(t testing.TB, s string) string {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[1 : len(b)-1])
}

func always(r reply) func(received) reply { return func(received) reply { return r } }

// fakeClock starts at the same moment in every test.
type fakeClock struct {
	mu  sync.Mutex
	now time.Time
}

func newFakeClock() *fakeClock { return &fakeClock{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)} }

func (f *fakeClock) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fakeClock) advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

func testConfig(base string) Config {
	return Config{BaseURL: base, ClientID: "demo-client", ClientSecret: testSecret, Clock: newFakeClock().Now}
}

func newTestClient(t testing.TB, cfg Config) *Client {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// testContext ends a test that hangs long before the test binary's own timeout does.
func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}
