package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
)

// health answers the probes of whoever runs a worker, over HTTP:
//
//	GET /healthz  200 as long as the process lives
//	GET /readyz   200 while the worker works, its roles do not fail again and again, and Postgres and Redis have lately taken
//	              writes, else 503; the body is a readiness
//
// It tells neither addresses nor errors: whoever reaches the port may ask.
type health struct {
	clock func() time.Time
	http  *http.Server  // nil: nobody is answered
	ended chan struct{} // closed when it serves no more
	err   error         // why, unless it was closed; read after ended

	watching context.Context
	cancel   context.CancelFunc
	watchers sync.WaitGroup

	mu       sync.Mutex
	phase    phase
	answered map[dependency]time.Time // when each was last heard of
	refused  map[dependency]time.Time // when each last answered that it takes no writes
	failing  map[string]time.Time     // the roles that fail, and since when
}

// phase is what a worker is at.
type phase string

const (
	phaseWaiting  phase = "waiting" // for Postgres or Redis
	phaseWorking  phase = "working"
	phaseFailing  phase = "failing" // a role fails again and again, although Postgres and Redis are well
	phaseStopping phase = "stopping"
)

// dependency is what a worker cannot work without.
type dependency string

const (
	onPostgres dependency = "postgres"
	onRedis    dependency = "redis"
)

const (
	// askEvery is how often each dependency is asked whether it is there.
	askEvery = 2 * time.Second
	// askTime is how long an answer may take.
	askTime = 2 * time.Second
	// answerLasts is for how long an answer counts.
	answerLasts = 5 * time.Second
	// probesAtOnce is how many connections probes may hold.
	probesAtOnce = 64
	// healthGrace is what probes under way get at the end.
	healthGrace = time.Second
)

// condition is what /readyz judges by.
type condition struct {
	Ready    bool   `json:"ready"`
	Worker   phase  `json:"worker"`
	Postgres string `json:"postgres"` // answers, takes no writes or away
	Redis    string `json:"redis"`
}

// readiness is the body of /readyz.
type readiness struct {
	condition

	Failing []string `json:"failing,omitempty"` // the roles that fail again and again
}

// errNoWrites says that a dependency answers and takes no writes.
var errNoWrites = errors.New("it takes no writes")

// startHealth listens on an address, or nowhere if it is config.Off. The caller closes it.
func startHealth(ctx context.Context, addr string) (*health, error) {
	h := &health{clock: time.Now, phase: phaseWaiting, answered: map[dependency]time.Time{}, ended: make(chan struct{})}
	h.watching, h.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if addr == config.Off {
		close(h.ended)
		return h, nil
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", addr)
	if err != nil {
		h.cancel()
		return nil, fmt.Errorf("listen on METRICS_ADDR=%s: %w (give another address, or %s)", addr, err, config.Off)
	}
	h.http = &http.Server{
		Addr:              listener.Addr().String(),
		Handler:           h.handler(),
		ReadHeaderTimeout: 2 * time.Second,
		ReadTimeout:       5 * time.Second,
		WriteTimeout:      5 * time.Second,
		IdleTimeout:       15 * time.Second,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          log.New(io.Discard, "", 0), // of bad requests: anybody could fill our log
	}
	listener = bound(listener, probesAtOnce, h.http)
	go func() {
		defer close(h.ended)
		if err := h.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			h.err = fmt.Errorf("serve METRICS_ADDR: %w", err)
		}
	}()
	return h, nil
}

// close stops asking and answering.
func (h *health) close() error {
	h.cancel()
	h.watchers.Wait()
	if h.http == nil {
		return nil
	}
	ending, cancel := context.WithTimeout(context.Background(), healthGrace)
	defer cancel()
	err := h.http.Shutdown(ending)
	if errors.Is(err, context.DeadlineExceeded) {
		err = h.http.Close()
	}
	<-h.ended
	return errors.Join(h.err, err)
}

// watch asks a dependency every now and then, until close. One that hangs does not keep the others from being asked.
func (h *health) watch(d dependency, ask func(context.Context) error) {
	h.heard(d)
	h.watchers.Go(func() {
		ticker := time.NewTicker(askEvery)
		defer ticker.Stop()
		for {
			asking, cancel := context.WithTimeout(h.watching, askTime)
			switch err := ask(asking); {
			case err == nil:
				h.heard(d)
			case errors.Is(err, errNoWrites):
				h.refuses(d)
			}
			cancel()
			select {
			case <-h.watching.Done():
				return
			case <-ticker.C:
			}
		}
	})
}

func (h *health) heard(d dependency) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answered[d] = h.clock()
}

func (h *health) refuses(d dependency) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refused == nil {
		h.refused = map[dependency]time.Time{}
	}
	h.refused[d] = h.clock()
}

// trouble is told when a role begins to fail, and with nil when it works again.
func (h *health) trouble(role string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		delete(h.failing, role)
		return
	}
	if h.failing == nil {
		h.failing = map[string]time.Time{}
	}
	h.failing[role] = h.clock()
}

// enter says what the worker is at from now on. What stops never works again.
func (h *health) enter(p phase) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.phase != phaseStopping {
		h.phase = p
	}
}

func (h *health) condition() condition { return h.readiness().condition }

// readiness judges. A role that fails while Postgres or Redis is not well says nothing new: it fails for that.
func (h *health) readiness() readiness {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.clock()
	lately := func(at time.Time, ever bool) bool { return ever && now.Sub(at) < answerLasts }
	word := func(d dependency) string {
		answered, ever := h.answered[d]
		refused, refuses := h.refused[d]
		switch {
		case lately(refused, refuses) && refused.After(answered):
			return "takes no writes"
		case lately(answered, ever):
			return "answers"
		}
		return "away"
	}
	r := readiness{condition: condition{Worker: h.phase, Postgres: word(onPostgres), Redis: word(onRedis)}}
	r.Ready = r.Worker == phaseWorking && r.Postgres == "answers" && r.Redis == "answers"
	if !r.Ready {
		return r
	}
	for role, since := range h.failing {
		if now.Sub(since) >= answerLasts {
			r.Failing = append(r.Failing, role)
		}
	}
	if len(r.Failing) > 0 {
		r.Ready, r.Worker = false, phaseFailing
		slices.Sort(r.Failing)
	}
	return r
}

func (h *health) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answerProbe(w, http.StatusOK, map[string]bool{"alive": true})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		r := h.readiness()
		status := http.StatusOK
		if !r.Ready {
			status = http.StatusServiceUnavailable
		}
		answerProbe(w, status, r)
	})
	return mux
}

func answerProbe(w http.ResponseWriter, status int, body any) {
	encoded, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if _, err := w.Write(append(encoded, '\n')); err != nil {
		return // who asked has gone
	}
}
