package probes

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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

func readyz(t *testing.T, addr string) (int, Condition) {
	t.Helper()
	status, body := probe(t, addr, "/readyz")
	var c Condition
	if err := json.Unmarshal([]byte(body), &c); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return status, c
}

func TestCondition(t *testing.T) {
	t.Parallel()
	const long, short = AnswerLasts, AnswerLasts - time.Nanosecond
	for name, c := range map[string]struct {
		phase           Phase
		postgres, redis time.Duration // since their last answers; negative: never
		want            Condition
	}{
		"all is well":    {Working, 0, short, Condition{true, Working, "answers", "answers"}},
		"at the start":   {Waiting, -1, -1, Condition{false, Waiting, "away", "away"}},
		"half way":       {Waiting, 0, -1, Condition{false, Waiting, "answers", "away"}},
		"not yet":        {Waiting, 0, 0, Condition{false, Waiting, "answers", "answers"}},
		"Postgres left":  {Working, long, 0, Condition{false, Working, "away", "answers"}},
		"Redis left":     {Working, 0, long, Condition{false, Working, "answers", "away"}},
		"on its way out": {Stopping, 0, 0, Condition{false, Stopping, "answers", "answers"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			h := &Server{clock: func() time.Time { return now }, phase: c.phase, answered: map[Dependency]time.Time{}}
			for d, since := range map[Dependency]time.Duration{Postgres: c.postgres, Redis: c.redis} {
				if since >= 0 {
					h.answered[d] = now.Add(-since)
				}
			}
			if got := h.Condition(); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestHealthAnswersProbes(t *testing.T) {
	t.Parallel()
	h, err := Start(t.Context(), "127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	addr := h.Addr()
	if status, body := probe(t, addr, "/healthz"); status != http.StatusOK || body != "{\"alive\":true}\n" {
		t.Errorf("/healthz: %d %s", status, body)
	}
	if status, body := probe(t, addr, "/readyz"); status != http.StatusServiceUnavailable ||
		body != `{"ready":false,"worker":"waiting","postgres":"away","redis":"away"}`+"\n" {
		t.Errorf("/readyz: %d %s", status, body)
	}
	h.heard(Postgres)
	h.heard(Redis)
	h.Enter(Working)
	if status, c := readyz(t, addr); status != http.StatusOK || !c.Ready {
		t.Errorf("/readyz when it works: %d %+v", status, c)
	}
	h.Enter(Stopping)
	h.Enter(Working) // too late
	if status, c := readyz(t, addr); status != http.StatusServiceUnavailable || c.Worker != Stopping {
		t.Errorf("/readyz when it stops: %d %+v", status, c)
	}
	if status, _ := probe(t, addr, "/healthz"); status != http.StatusOK {
		t.Errorf("/healthz when it stops: %d", status)
	}
	if status, _ := probe(t, addr, "/"); status != http.StatusNotFound {
		t.Errorf("/: %d", status)
	}
	if other, err := Start(t.Context(), addr, nil); err == nil || other != nil {
		t.Error("two listen on one port")
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}

// A dependency that hangs goes away, others stay, and the end waits for nothing.
func TestWatchOfADependencyThatHangs(t *testing.T) {
	t.Parallel()
	h, err := Start(t.Context(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if h.Addr() != "" {
		t.Error("it listens although it is off")
	}
	asked := make(chan struct{})
	h.Watch(Postgres, func(ctx context.Context) error {
		close(asked) // and never again
		<-ctx.Done()
		return ctx.Err()
	})
	answered := make(chan struct{}, 10)
	h.Watch(Redis, func(context.Context) error { answered <- struct{}{}; return nil })
	<-asked
	<-answered
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if h.answered[Redis].Before(h.answered[Postgres]) {
		t.Error("the answer of one counts for the other")
	}
}

// A role that fails for a while, though Postgres and Redis are well, makes the worker unready.
func TestReadinessOfRoles(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	h := &Server{clock: func() time.Time { return now }, phase: Working, answered: map[Dependency]time.Time{}}
	after := func(d time.Duration, want Readiness) {
		t.Helper()
		now = now.Add(d)
		if diff := cmp.Diff(want, h.Readiness(), cmp.AllowUnexported(Readiness{})); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	hear := func() { h.heard(Postgres); h.heard(Redis) }
	well := Readiness{Condition: Condition{true, Working, "answers", "answers"}}
	hear()
	h.Trouble("rescuing", errors.New("x"))
	h.Trouble("dispatching", errors.New("x"))
	after(0, well)
	now = now.Add(AnswerLasts - 1)
	hear()
	after(0, well)
	after(1, Readiness{Condition: Condition{false, Failing, "answers", "answers"}, Failing: []string{"dispatching", "rescuing"}})
	h.refuses(Redis)
	after(0, Readiness{Condition: Condition{false, Working, "answers", "takes no writes"}}) // it says why by itself
	hear()
	h.Trouble("rescuing", nil)
	after(1, Readiness{Condition: Condition{false, Failing, "answers", "answers"}, Failing: []string{"dispatching"}})
	h.Trouble("dispatching", nil)
	after(1, well)
	h.refuses(Redis)
	h.refuses(Postgres)
	after(AnswerLasts, Readiness{Condition: Condition{false, Working, "away", "away"}})
}

// The body names the roles that fail, and nothing of why.
func TestReadyzNamesTheRoles(t *testing.T) {
	t.Parallel()
	h, err := Start(t.Context(), "127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	h.heard(Postgres)
	h.heard(Redis)
	h.Enter(Working)
	h.Trouble("dispatching", errors.New("password"))
	h.mu.Lock()
	h.failing["dispatching"] = time.Now().Add(-AnswerLasts)
	h.mu.Unlock()
	status, body := probe(t, h.Addr(), "/readyz")
	want := `{"ready":false,"worker":"failing","postgres":"answers","redis":"answers","failing":["dispatching"]}` + "\n"
	if status != http.StatusServiceUnavailable || body != want || !json.Valid([]byte(body)) {
		t.Errorf("%d %s", status, body)
	}
}
