package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// upstream is an HTTP server behind a proxy. It counts what reaches it.
type upstream struct {
	t      *testing.T
	proxy  *Proxy
	served atomic.Int32
	client *http.Client
}

func setup(t *testing.T) *upstream {
	t.Helper()
	u := &upstream{t: t}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.served.Add(1)
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		fmt.Fprint(w, "hello")
	}))
	t.Cleanup(server.Close)
	var err error
	if u.proxy, err = Listen("tcp", server.Listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	u.client = &http.Client{Transport: transport}
	t.Cleanup(func() {
		if err := u.proxy.Close(); err != nil {
			t.Error(err)
		}
		transport.CloseIdleConnections()
	})
	return u
}

// get asks for a path, and returns what came.
func (u *upstream) get(path string, patience time.Duration) (string, error) {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(u.t.Context(), patience)
	defer cancel()
	// POST, because the client would repeat a GET by itself.
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+u.proxy.Addr()+path, strings.NewReader("x"))
	if err != nil {
		u.t.Fatal(err)
	}
	response, err := u.client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func (u *upstream) works() {
	u.t.Helper()
	if body, err := u.get("/", 30*time.Second); body != "hello" || err != nil {
		u.t.Errorf("%q, %v", body, err)
	}
}

const moment = 50 * time.Millisecond

func TestPasses(t *testing.T) {
	t.Parallel()
	u := setup(t)
	u.works()
	u.works()
	if got := u.proxy.Counts(); got != (Counts{Lines: 1}) {
		t.Errorf("%+v", got)
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	u := setup(t)
	u.works()
	if n := u.proxy.Cut(); n != 1 || u.proxy.Counts().Cut != 1 || u.proxy.Cut() != 0 {
		t.Errorf("cut %d, %+v", n, u.proxy.Counts())
	}
	u.client.CloseIdleConnections()
	u.works()
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	u := setup(t)
	u.proxy.Refuse()
	if _, err := u.get("/", time.Minute); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if u.proxy.Counts().Refused == 0 || u.served.Load() != 0 {
		t.Errorf("%+v, %d served", u.proxy.Counts(), u.served.Load())
	}
	u.proxy.Heal()
	u.works()
}

func TestDelay(t *testing.T) {
	t.Parallel()
	u := setup(t)
	u.proxy.Delay(moment)
	begun := time.Now()
	u.works()
	if took := time.Since(begun); took < 2*moment || u.proxy.Counts().Delayed < 2 {
		t.Errorf("took %v, %+v", took, u.proxy.Counts())
	}
}

func TestBlackHole(t *testing.T) {
	t.Parallel()
	u := setup(t)
	u.proxy.BlackHole()
	if _, err := u.get("/", moment); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if u.proxy.Counts().Swallowed == 0 || u.served.Load() != 0 {
		t.Errorf("%+v, %d served", u.proxy.Counts(), u.served.Load())
	}
	u.proxy.Heal()
	u.works()
}

// A line that has lost a part of what was said must not live on.
func TestHealCutsLinesThatLostData(t *testing.T) {
	t.Parallel()
	u := setup(t)
	line, err := net.Dial("tcp", u.proxy.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	u.proxy.BlackHole()
	if _, err := line.Write([]byte("POST / HT")); err != nil {
		t.Fatal(err)
	}
	for u.proxy.Counts().Swallowed < 9 {
		time.Sleep(time.Millisecond)
	}
	u.proxy.Heal()
	if n, err := line.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("the line lives on: %d, %v", n, err)
	}
}

func TestTrickle(t *testing.T) {
	t.Parallel()
	u := setup(t)
	u.proxy.Trickle(10 * time.Millisecond)
	if _, err := u.get("/", 5*moment); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if n := u.proxy.Counts().Trickled; n == 0 || u.served.Load() != 1 {
		t.Errorf("%d bytes, %d served", n, u.served.Load())
	}
	u.proxy.Heal()
	u.works()
}

func TestDropReply(t *testing.T) {
	t.Parallel()
	u := setup(t)
	u.proxy.DropReply("POST /this")
	u.works()
	if body, err := u.get("/this", time.Minute); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%q, %v", body, err)
	}
	if u.served.Load() != 2 || u.proxy.Counts().Dropped != 1 {
		t.Errorf("%+v, %d served", u.proxy.Counts(), u.served.Load())
	}
	if body, err := u.get("/this", time.Minute); err != nil {
		t.Errorf("a second reply was dropped: %q, %v", body, err)
	}
	u.proxy.DropReply("POST /this")
	u.proxy.Disarm()
	if body, err := u.get("/this", time.Minute); err != nil {
		t.Errorf("a reply was dropped after all: %q, %v", body, err)
	}
}

// The end of what one side says leaves the other one's saying whole.
func TestHalfClosedLine(t *testing.T) {
	t.Parallel()
	u := setup(t)
	line, err := net.Dial("tcp", u.proxy.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	if _, err := line.Write([]byte("POST / HTTP/1.0\r\nContent-Length: 0\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if err := line.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(line)
	if err != nil || !strings.HasSuffix(string(all), "hello") {
		t.Errorf("%q, %v", all, err)
	}
}

func TestTargetThatIsAway(t *testing.T) {
	t.Parallel()
	p, err := Listen("tcp", "127.0.0.1:1") // a port that was free a moment ago may be somebody's now, even this proxy's
	if err != nil {
		t.Fatal(err)
	}
	if line, err := net.Dial("tcp", p.Addr()); err == nil { // else the reset was quicker
		defer line.Close()
		if n, err := line.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}
