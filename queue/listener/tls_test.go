package listener

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// countingListener counts the connections that were accepted.
type countingListener struct {
	net.Listener
	accepted atomic.Int64
}

// Accept implements net.Listener.
func (l *countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.accepted.Add(1)
	}
	return conn, err
}

// Who is served over TLS stays, too, while there are others to close.
func TestServedOverTLS(t *testing.T) {
	t.Parallel()
	const most = 4
	begun, finish := make(chan struct{}), make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		begun <- struct{}{}
		select {
		case <-finish:
		case <-r.Context().Done():
		}
	}))
	counted := &countingListener{Listener: Bound(server.Listener, most, server.Config)}
	server.Listener = counted
	server.StartTLS()
	t.Cleanup(server.Close)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		response, err := server.Client().Do(request)
		if err == nil {
			err = response.Body.Close()
		}
		answered <- err
	}()
	<-begun
	hangingOn(t, counted.Addr().String(), 3*most, "")
	for counted.accepted.Load() < 1+3*most {
		time.Sleep(time.Millisecond)
	}
	close(finish)
	if err := <-answered; err != nil {
		t.Errorf("who was served: %v", err)
	}
}
