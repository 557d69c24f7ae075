package listener

import (
	"context"
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
	var first context.Context
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		if asked++; asked == 1 {
			first = r.Context()
			done := Keep(first)
			defer done()
		}
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
	// Where all are served, those whom somebody vouches for stay.
	mu.Lock()
	vouched := first
	mu.Unlock()
	for range 3 * most {
		mu.Lock()
		before := asked
		mu.Unlock()
		hangingOn(t, listener.Addr().String(), 1, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		for now := before; now == before; time.Sleep(time.Millisecond) {
			if t.Context().Err() != nil {
				t.Fatal("nobody is served")
			}
			mu.Lock()
			now = asked
			mu.Unlock()
		}
	}
	if err := vouched.Err(); err != nil {
		t.Errorf("who is vouched for: %v", err)
	}
	if n := held(); n > most {
		t.Errorf("%d connections", n)
	}
}
