package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// pod is a process that is started, asked and ended as Kubernetes does it with a pod.
type pod struct {
	*process
	times    podTimes
	listens  string // the message of the log that says where
	ready    atomic.Bool
	deleted  time.Time
	forsaken context.CancelFunc // asks it no more
}

// deployment is pods of one kind, by its manifests.
type deployment struct {
	name  string
	args  []string
	times podTimes
	// listens is the message that says where the port is that is asked.
	listens string
	pods    []*pod
}

// add starts one more pod, and asks it from now on.
func (w *world) add(d *deployment) *pod {
	w.t.Helper()
	p := &pod{times: d.times, listens: d.listens}
	p.process = w.start(d.name, w.environ("HTTP_ADDR=127.0.0.1:0", "METRICS_ADDR=127.0.0.1:0"), d.args...)
	asking, cancel := context.WithCancel(w.t.Context())
	var asked sync.WaitGroup
	asked.Go(func() { p.ask(asking) })
	p.forsaken = func() { cancel(); asked.Wait() }
	w.t.Cleanup(p.forsaken)
	d.pods = append(d.pods, p)
	return p
}

// ask sees to whether it is ready until the context ends: it has to start first, and loses it by some failures in a row.
func (p *pod) ask(ctx context.Context) {
	started, failures := false, 0
	for ctx.Err() == nil {
		probe := p.times.readiness
		if !started {
			probe = p.times.startup
		}
		err := p.once(ctx, probe)
		switch {
		case err == nil && !started:
			started = true
			continue // Kubernetes asks at once whether it is ready
		case err == nil:
			p.ready.Store(true)
			failures = 0
		default:
			if failures++; failures >= probe.failures {
				p.ready.Store(false)
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(probe.period):
		}
	}
}

var errNotListening = errors.New("it does not listen yet")

func (p *pod) once(ctx context.Context, probe podProbe) error {
	addr := p.addr(p.listens)
	if addr == "" {
		return errNotListening
	}
	ctx, cancel := context.WithTimeout(ctx, probe.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+probe.path, nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s: %s", probe.path, response.Status)
	}
	return nil
}

// delete is what becomes of a pod when it is deleted, but for the wait until it has ended.
func (p *pod) delete() {
	p.deleted = time.Now()
	p.forsaken()
}

// ends waits for the end of a deleted pod that has got its SIGTERM. It is killed when its time is over.
func (w *world) ends(p *pod) {
	w.t.Helper()
	select {
	case <-p.Done():
	case <-time.After(time.Until(p.deleted.Add(p.times.grace))):
		w.t.Errorf("%s has not ended %v after it was deleted, and is killed", p.name, p.times.grace)
		w.signal(p.process, syscall.SIGKILL)
		<-p.Done()
	}
	if err := p.Err(); err != nil {
		w.t.Errorf("%s was to end in an orderly way: %v", p.name, err)
	}
}

// service leads requests to the pods that are ready.
type service struct {
	mu        sync.Mutex
	endpoints []*pod
}

func (s *service) lead(pods []*pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endpoints = append([]*pod(nil), pods...)
}

// pick is one of the pods that are ready.
func (s *service) pick() (*pod, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ready []*pod
	for _, p := range s.endpoints {
		if p.ready.Load() {
			ready = append(ready, p)
		}
	}
	if len(ready) == 0 {
		return nil, errors.New("no API is ready")
	}
	return ready[rand.IntN(len(ready))], nil
}
