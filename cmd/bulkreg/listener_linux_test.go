package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/worker/probes"
	"github.com/bulkreg/bulkreg/worker/sandbox"
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

// The worker itself, with few files that it may open.
func TestWorkerHasFilesLeft(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0") // a free port
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	p := startChild(t, "ulimit -n 256;", append(nowhere("127.0.0.1:1"), "METRICS_ADDR="+address), "worker")
	p.stderr.await(t, "Redis is away; waiting for it", p.ended)
	for range 4 {
		hangingOn(t, address, 200, "GET /")
		if took := answers(t, "http://"+address+"/healthz"); took > 2*time.Second {
			t.Errorf("a probe took %v", took)
		}
		open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.Process.Pid))
		if err != nil || len(open) > probes.AtOnce+64 {
			t.Errorf("%d files are open, %v", len(open), err)
		}
	}
	p.signal(t, os.Interrupt)
	<-p.ended
}

// The sandbox, too, is there for whoever asks.
func TestSandboxBesideHalfOpenConnections(t *testing.T) {
	t.Parallel()
	s, err := startSandbox(t.Context(), "127.0.0.1:0", sandboxOptions(0, 0, sandbox.Unlimited, ""))
	if err != nil {
		t.Fatal(err)
	}
	s.grace = time.Millisecond
	defer func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}()
	hangingOn(t, s.url[len("http://"):], callersAtOnce+100, "POST /whois HTTP/1.1\r\n")
	if took := answers(t, s.url+"/sandbox/ledger"); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}
