package traces

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// What OpenTelemetry's and other programs' variables say is not for this one: no pipe that one of them names keeps it from starting, no
// value of theirs comes out on standard error, and no proxy of the environment sees spans, or what a collector lets us in with.
func TestEnvironmentIsNotAsked(t *testing.T) {
	if os.Getenv("SEND_TRACES_HERE") != "" {
		sendOne(t)
		return
	}
	t.Parallel()
	var asked atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(proxy.Close)
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	alone := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+t.Name()+"$")
	alone.Env = append(os.Environ(), "SEND_TRACES_HERE=1", "HTTP_PROXY="+proxy.URL, "http_proxy="+proxy.URL)
	for _, signal := range []string{"", "TRACES_"} {
		for _, file := range []string{"CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"} {
			alone.Env = append(alone.Env, "OTEL_EXPORTER_OTLP_"+signal+file+"="+pipe)
		}
		alone.Env = append(alone.Env, "OTEL_EXPORTER_OTLP_"+signal+"HEADERS=verysecretkey", "OTEL_EXPORTER_OTLP_"+signal+"ENDPOINT=http://me:verysecretkey@host:port")
	}
	said, err := alone.CombinedOutput()
	if err != nil || strings.Contains(string(said), "verysecretkey") {
		t.Errorf("it ends with %v, and says %s", err, said)
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("a proxy was asked %d times", n)
	}
}

func sendOne(t *testing.T) {
	t.Helper()
	sender, err := Start(t.Context(), Config{URL: "http://collector.invalid:4318/v1/traces", Ratio: 1, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	_, span := sender.Provider().Tracer("t").Start(t.Context(), "one")
	span.End()
	sender.Close()
}
