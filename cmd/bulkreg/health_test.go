package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/redistest"
	"github.com/bulkreg/bulkreg/store/pgtest"
	"github.com/bulkreg/bulkreg/worker/probes"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// probe asks one of the probes of a running worker, and returns the status and the body.
func probe(t *testing.T, addr, path string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func readyz(t *testing.T, addr string) (int, probes.Condition) {
	t.Helper()
	status, body := probe(t, addr, "/readyz")
	var c probes.Condition
	if err := json.Unmarshal([]byte(body), &c); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return status, c
}

func TestWorkerSaysThatItsPortIsTaken(t *testing.T) {
	t.Parallel()
	taken, err := probes.Start(t.Context(), "127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := taken.Close(); err != nil {
			t.Error(err)
		}
	}()
	r := runCommand(t, append(nowhere("127.0.0.1:1"), "METRICS_ADDR="+taken.Addr()), "worker")
	if r.status != exitError || strings.Count(r.stderr, "\n") != 1 ||
		!strings.Contains(r.stderr, "METRICS_ADDR: listen on "+taken.Addr()) || !strings.Contains(r.stderr, "address already in use") {
		t.Errorf("status %d, %s", r.status, r.stderr)
	}
}

// A worker that sees its calls through is alive, and gets no more work.
func TestProbesWhileAWorkerStops(t *testing.T) {
	t.Parallel()
	upstream, err := startSandbox(t.Context(), "127.0.0.1:0", sandboxOptions(0, 0, sandbox.Unlimited, ""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := upstream.close(); err != nil {
			t.Error(err)
		}
	})
	gate := upstream.Hold(sandbox.OpWhois, sandbox.BeforeReply)
	database := pgtest.New(t, migrated)
	submitOrder(t, openTestStore(t, database), queue.Whois, "r", "a.nl")
	w, addr := probed(t, append(upstream.environ(), "DATABASE_URL="+database, "REDIS_URL="+redistest.New(t)))
	<-gate.Held()
	w.interrupt()
	becomes(t, addr, probes.Condition{Ready: false, Worker: probes.Stopping, Postgres: "answers", Redis: "answers"})
	if status, _ := probe(t, addr, "/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: %d", status)
	}
	gate.Release()
	if r := w.stop(); r.status != exitDone {
		t.Errorf("status %d: %s", r.status, r.stderr)
	}
}

// dev answers probes only where somebody asks for that: the usual port may be taken.
func TestDevAnswersProbesIfAsked(t *testing.T) {
	t.Parallel()
	for setting, answers := range map[string]bool{"METRICS_ADDR=127.0.0.1:0": true, "METRICS_ADDR=": false, "METRICS_ADDR=off": false} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			var running embedded
			a := &app{environ: []string{setting, "LOG_LEVEL=error", "DATABASE_URL=" + pgtest.New(t)}, stdout: io.Discard, stderr: io.Discard}
			err := running.start(t.Context(), a, "127.0.0.1:0", false)
			defer func() {
				if err := running.stop(); err != nil {
					t.Error(err)
				}
			}()
			if err != nil {
				t.Fatal(err)
			}
			if got := running.health.Addr() != ""; got != answers {
				t.Fatalf("it answers probes: %v, want %v", got, answers)
			}
			if answers {
				becomes(t, running.health.Addr(), probes.Condition{Ready: true, Worker: probes.Working, Postgres: "answers", Redis: "answers"})
			}
		})
	}
}

// nowhere is an environment in which everything is at an address where nobody is.
func nowhere(addr string) []string {
	return []string{"DATABASE_URL=postgres://u:hunter2@" + addr + "/d", "REDIS_URL=redis://:hunter2@" + addr + "/0",
		"REGISTRAR_BASE_URL=http://" + addr, "REGISTRAR_CLIENT_ID=x", "REGISTRAR_CLIENT_SECRET=hunter2"}
}
