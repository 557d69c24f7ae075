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
	"sync"
	"time"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
)

// health answers the probes of whoever runs a worker, over HTTP:
//
//	GET /healthz  200 as long as the process lives
//	GET /readyz   200 while the worker works and Postgres and Redis have answered lately, else 503; the body is a condition
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
}

// phase is what a worker is at.
type phase string

const (
	phaseWaiting  phase = "waiting" // for Postgres or Redis
	phaseWorking  phase = "working"
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
	askEvery = time.Second
	// askTime is how long an answer may take.
	askTime = 2 * time.Second
	// answerLasts is for how long an answer counts.
	answerLasts = 5 * time.Second
	// healthGrace is what probes under way get at the end.
	healthGrace = time.Second
)

// condition is the body of /readyz.
type condition struct {
	Ready    bool   `json:"ready"`
	Worker   phase  `json:"worker"`
	Postgres string `json:"postgres"` // answers or away
	Redis    string `json:"redis"`
}

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
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          log.New(io.Discard, "", 0), // of bad requests: anybody could fill our log
	}
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
			select {
			case <-h.watching.Done():
				return
			case <-ticker.C:
			}
			asking, cancel := context.WithTimeout(h.watching, askTime)
			if ask(asking) == nil {
				h.heard(d)
			}
			cancel()
		}
	})
}

func (h *health) heard(d dependency) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answered[d] = h.clock()
}

// enter says what the worker is at from now on. What stops never works again.
func (h *health) enter(p phase) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.phase != phaseStopping {
		h.phase = p
	}
}

func (h *health) condition() condition {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.clock()
	word := func(d dependency) string {
		if at, ever := h.answered[d]; ever && now.Sub(at) < answerLasts {
			return "answers"
		}
		return "away"
	}
	c := condition{Worker: h.phase, Postgres: word(onPostgres), Redis: word(onRedis)}
	c.Ready = c.Worker == phaseWorking && c.Postgres == "answers" && c.Redis == "answers"
	return c
}

func (h *health) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answerProbe(w, http.StatusOK, map[string]bool{"alive": true})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		c := h.condition()
		status := http.StatusOK
		if !c.Ready {
			status = http.StatusServiceUnavailable
		}
		answerProbe(w, status, c)
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
