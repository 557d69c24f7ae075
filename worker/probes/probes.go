// Package probes answers whoever asks over HTTP whether a worker lives and is fit to work. It judges by what it is told and by
// asking what a worker cannot work without; it must never do any of the work, and never tell addresses or errors.
package probes

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Server answers the probes of whoever runs a worker, over HTTP:
//
//	GET /metrics  what the worker counts and measures, as Prometheus reads it
//	GET /healthz  200 as long as the process lives
//	GET /readyz   200 while the worker works, its roles do not fail again and again, and Postgres and Redis have lately taken
//	              writes, else 503; the body is a readiness
//
// It tells neither addresses nor errors: whoever reaches the port may ask.
type Server struct {
	clock func() time.Time
	port  *Port

	watching context.Context
	cancel   context.CancelFunc
	watchers sync.WaitGroup

	mu       sync.Mutex
	phase    Phase
	answered map[Dependency]time.Time // when each was last heard of
	refused  map[Dependency]time.Time // when each last answered that it takes no writes
	failing  map[string]time.Time     // the roles that fail, and since when
}

// Phase is what a worker is at.
type Phase string

// The phases of a worker, in the order in which it goes through them.
const (
	Waiting  Phase = "waiting" // for Postgres or Redis
	Working  Phase = "working"
	Failing  Phase = "failing" // a role fails again and again, although Postgres and Redis are well
	Stopping Phase = "stopping"
)

// Dependency is what a worker cannot work without.
type Dependency string

// What a worker depends on.
const (
	Postgres Dependency = "postgres"
	Redis    Dependency = "redis"
)

const (
	// askEvery is how often each dependency is asked whether it is there.
	askEvery = 2 * time.Second
	// AskTime is how long an answer may take.
	AskTime = 2 * time.Second
	// AnswerLasts is for how long an answer counts.
	AnswerLasts = 5 * time.Second
	// AtOnce is how many connections probes may hold.
	AtOnce = 64
	// healthGrace is what probes under way get at the end.
	healthGrace = time.Second
)

// Condition is what /readyz judges by.
type Condition struct {
	Ready    bool   `json:"ready"`
	Worker   Phase  `json:"worker"`
	Postgres string `json:"postgres"` // answers, takes no writes or away
	Redis    string `json:"redis"`
}

// Readiness is the body of /readyz.
type Readiness struct {
	Condition

	Failing []string `json:"failing,omitempty"` // the roles that fail again and again
}

// ErrNoWrites says that a dependency answers and takes no writes.
var ErrNoWrites = errors.New("it takes no writes")

// Start listens on an address, or nowhere if it is empty, and tells the metrics there, unless they are nil. The caller closes it.
func Start(ctx context.Context, addr string, metrics http.Handler) (*Server, error) {
	h := &Server{clock: time.Now, phase: Waiting, answered: map[Dependency]time.Time{}}
	h.watching, h.cancel = context.WithCancel(context.WithoutCancel(ctx))
	var err error
	if h.port, err = Open(ctx, addr, h.handler(metrics)); err != nil {
		h.cancel()
		return nil, err
	}
	return h, nil
}

// Addr is where it listens, as host:port; "" if nowhere.
func (h *Server) Addr() string { return h.port.Addr() }

// Close stops asking and answering.
func (h *Server) Close() error {
	h.cancel()
	h.watchers.Wait()
	return h.port.Close()
}

// Watch asks a dependency every now and then, until close. One that hangs does not keep the others from being asked.
func (h *Server) Watch(d Dependency, ask func(context.Context) error) {
	h.heard(d)
	h.watchers.Go(func() {
		ticker := time.NewTicker(askEvery)
		defer ticker.Stop()
		for {
			asking, cancel := context.WithTimeout(h.watching, AskTime)
			switch err := ask(asking); {
			case err == nil:
				h.heard(d)
			case errors.Is(err, ErrNoWrites):
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

func (h *Server) heard(d Dependency) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answered[d] = h.clock()
}

func (h *Server) refuses(d Dependency) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refused == nil {
		h.refused = map[Dependency]time.Time{}
	}
	h.refused[d] = h.clock()
}

// Trouble is told when a role begins to fail, and with nil when it works again.
func (h *Server) Trouble(role string, err error) {
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

// Enter says what the worker is at from now on. What stops never works again.
func (h *Server) Enter(p Phase) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.phase != Stopping {
		h.phase = p
	}
}

// Condition is that of Readiness, alone.
func (h *Server) Condition() Condition { return h.Readiness().Condition }

// Readiness judges. A role that fails while Postgres or Redis is not well says nothing new: it fails for that.
func (h *Server) Readiness() Readiness {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.clock()
	lately := func(at time.Time, ever bool) bool { return ever && now.Sub(at) < AnswerLasts }
	word := func(d Dependency) string {
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
	r := Readiness{Condition: Condition{Worker: h.phase, Postgres: word(Postgres), Redis: word(Redis)}}
	r.Ready = r.Worker == Working && r.Postgres == "answers" && r.Redis == "answers"
	if !r.Ready {
		return r
	}
	for role, since := range h.failing {
		if now.Sub(since) >= AnswerLasts {
			r.Failing = append(r.Failing, role)
		}
	}
	if len(r.Failing) > 0 {
		r.Ready, r.Worker = false, Failing
		slices.Sort(r.Failing)
	}
	return r
}

func (h *Server) handler(metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	Alive(mux, metrics)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		r := h.Readiness()
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
