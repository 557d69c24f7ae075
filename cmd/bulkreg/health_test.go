package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/redistest"
	"github.com/bulkreg/bulkreg/store/pgtest"
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

func readyz(t *testing.T, addr string) (int, condition) {
	t.Helper()
	status, body := probe(t, addr, "/readyz")
	var c condition
	if err := json.Unmarshal([]byte(body), &c); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return status, c
}

func TestCondition(t *testing.T) {
	t.Parallel()
	const long, short = answerLasts, answerLasts - time.Nanosecond
	for name, c := range map[string]struct {
		phase           phase
		postgres, redis time.Duration // since their last answers; negative: never
		want            condition
	}{
		"all is well":    {phaseWorking, 0, short, condition{true, phaseWorking, "answers", "answers"}},
		"at the start":   {phaseWaiting, -1, -1, condition{false, phaseWaiting, "away", "away"}},
		"half way":       {phaseWaiting, 0, -1, condition{false, phaseWaiting, "answers", "away"}},
		"not yet":        {phaseWaiting, 0, 0, condition{false, phaseWaiting, "answers", "answers"}},
		"Postgres left":  {phaseWorking, long, 0, condition{false, phaseWorking, "away", "answers"}},
		"Redis left":     {phaseWorking, 0, long, condition{false, phaseWorking, "answers", "away"}},
		"on its way out": {phaseStopping, 0, 0, condition{false, phaseStopping, "answers", "answers"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			h := &health{clock: func() time.Time { return now }, phase: c.phase, answered: map[dependency]time.Time{}}
			for d, since := range map[dependency]time.Duration{onPostgres: c.postgres, onRedis: c.redis} {
				if since >= 0 {
					h.answered[d] = now.Add(-since)
				}
			}
			if got := h.condition(); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestHealthAnswersProbes(t *testing.T) {
	t.Parallel()
	h, err := startHealth(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := h.http.Addr
	if status, body := probe(t, addr, "/healthz"); status != http.StatusOK || body != "{\"alive\":true}\n" {
		t.Errorf("/healthz: %d %s", status, body)
	}
	if status, body := probe(t, addr, "/readyz"); status != http.StatusServiceUnavailable ||
		body != `{"ready":false,"worker":"waiting","postgres":"away","redis":"away"}`+"\n" {
		t.Errorf("/readyz: %d %s", status, body)
	}
	h.heard(onPostgres)
	h.heard(onRedis)
	h.enter(phaseWorking)
	if status, c := readyz(t, addr); status != http.StatusOK || !c.Ready {
		t.Errorf("/readyz when it works: %d %+v", status, c)
	}
	h.enter(phaseStopping)
	h.enter(phaseWorking) // too late
	if status, c := readyz(t, addr); status != http.StatusServiceUnavailable || c.Worker != phaseStopping {
		t.Errorf("/readyz when it stops: %d %+v", status, c)
	}
	if status, _ := probe(t, addr, "/healthz"); status != http.StatusOK {
		t.Errorf("/healthz when it stops: %d", status)
	}
	if status, _ := probe(t, addr, "/"); status != http.StatusNotFound {
		t.Errorf("/: %d", status)
	}
	if other, err := startHealth(t.Context(), addr); err == nil || other != nil {
		t.Error("two listen on one port")
	}
	if err := h.close(); err != nil {
		t.Error(err)
	}
}

// A dependency that hangs goes away, others stay, and the end waits for nothing.
func TestWatchOfADependencyThatHangs(t *testing.T) {
	t.Parallel()
	h, err := startHealth(t.Context(), "off")
	if err != nil {
		t.Fatal(err)
	}
	if h.http != nil {
		t.Error("it listens although it is off")
	}
	asked := make(chan struct{})
	h.watch(onPostgres, func(ctx context.Context) error {
		close(asked) // and never again
		<-ctx.Done()
		return ctx.Err()
	})
	answered := make(chan struct{}, 10)
	h.watch(onRedis, func(context.Context) error { answered <- struct{}{}; return nil })
	<-asked
	<-answered
	if err := h.close(); err != nil {
		t.Error(err)
	}
	if h.answered[onRedis].Before(h.answered[onPostgres]) {
		t.Error("the answer of one counts for the other")
	}
}

func TestWorkerSaysThatItsPortIsTaken(t *testing.T) {
	t.Parallel()
	taken, err := startHealth(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := taken.close(); err != nil {
			t.Error(err)
		}
	}()
	r := runCommand(t, append(nowhere("127.0.0.1:1"), "METRICS_ADDR="+taken.http.Addr), "worker")
	if r.status != exitError || strings.Count(r.stderr, "\n") != 1 ||
		!strings.Contains(r.stderr, "METRICS_ADDR="+taken.http.Addr) || !strings.Contains(r.stderr, "address already in use") {
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
	becomes(t, addr, condition{false, phaseStopping, "answers", "answers"})
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
			if got := running.health.http != nil; got != answers {
				t.Fatalf("it answers probes: %v, want %v", got, answers)
			}
			if answers {
				becomes(t, running.health.http.Addr, condition{true, phaseWorking, "answers", "answers"})
			}
		})
	}
}

// nowhere is an environment in which everything is at an address where nobody is.
func nowhere(addr string) []string {
	return []string{"DATABASE_URL=postgres://u:hunter2@" + addr + "/d", "REDIS_URL=redis://:hunter2@" + addr + "/0",
		"REGISTRAR_BASE_URL=http://" + addr, "REGISTRAR_CLIENT_ID=x", "REGISTRAR_CLIENT_SECRET=hunter2"}
}
