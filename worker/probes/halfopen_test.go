package probes

import (
	"io"
	"net"
	"net/http"
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
	h, err := Start(t.Context(), "127.0.0.1:0", nil)
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
