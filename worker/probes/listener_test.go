package probes

import (
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// hangingOn opens connections to an address and says little or nothing on them, until the test ends.
func hangingOn(t *testing.T, address string, connections int, says string) {
	t.Helper()
	for range connections {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() }) // the server may have closed it
		if _, err := io.WriteString(conn, says); err != nil {
			continue // as now
		}
	}
}

// answers asks on a connection of its own, and measures how long the answer takes.
func answers(t *testing.T, url string) time.Duration {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	begun := time.Now()
	response, err := client.Get(url)
	if err != nil {
		t.Error(err)
		return time.Since(begun)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("%s: %s", url, response.Status)
	}
	return time.Since(begun)
}

// Whoever holds connections open and says nothing, or does not come to an end, keeps no probe out.
func TestProbesBesideHalfOpenConnections(t *testing.T) {
	t.Parallel()
	h, err := Start(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, says := range []string{"", "G", "GET /healthz HTTP/1.1\r\nX: ", "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n", "POST /healthz HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n"} {
		hangingOn(t, h.Addr(), 5*AtOnce, says)
		if took := answers(t, "http://"+h.Addr()+"/healthz"); took > 2*time.Second { // milliseconds, as a rule
			t.Errorf("behind connections that say %q, a probe took %v", says, took)
		}
	}
}

// What a server holds open is bounded, however many connect: those that it has and no more are descriptors of this process.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	const most = 8
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	slow := make(chan struct{})
	asked := 0
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked++
		mu.Unlock()
		select {
		case <-slow:
		case <-r.Context().Done():
		}
	})}
	bounded := Bound(listener, most, server).(*boundedListener)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(bounded) }()
	t.Cleanup(func() {
		close(slow)
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-ended
	})
	held := func() int {
		bounded.mu.Lock()
		defer bounded.mu.Unlock()
		return len(bounded.conns)
	}
	// Those who are served stay, while there are others to close.
	hangingOn(t, listener.Addr().String(), most/2, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	for {
		mu.Lock()
		n := asked
		mu.Unlock()
		if n == most/2 {
			break
		}
		select {
		case <-t.Context().Done():
			t.Fatal("nobody is served")
		case <-time.After(time.Millisecond):
		}
	}
	for range 10 {
		hangingOn(t, listener.Addr().String(), most, "")
		if n := held(); n > most {
			t.Errorf("%d connections", n)
		}
	}
	served := 0
	bounded.mu.Lock()
	for _, c := range bounded.conns {
		if c.served {
			served++
		}
	}
	bounded.mu.Unlock()
	if served != most/2 {
		t.Errorf("%d of %d are served still", served, most/2)
	}
}
