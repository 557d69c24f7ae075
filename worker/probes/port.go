package probes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/bulkreg/bulkreg/queue/listener"
)

// Port is where those who watch a process ask it. It bounds what they take of the process. Nil is nowhere.
type Port struct {
	http  *http.Server
	ended chan struct{} // closed when it serves no more
	err   error         // why, unless it was closed; read after ended
}

// Open listens on an address, or nowhere if it is empty. The caller closes it.
func Open(ctx context.Context, addr string, handler http.Handler) (*Port, error) {
	if addr == "" {
		return nil, nil //nolint:nilnil // nowhere
	}
	var listen net.ListenConfig
	port, err := listen.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	p := &Port{ended: make(chan struct{}), http: &http.Server{
		Addr:              port.Addr().String(),
		Handler:           handler,
		ReadHeaderTimeout: 2 * time.Second,
		ReadTimeout:       5 * time.Second,
		WriteTimeout:      5 * time.Second,
		IdleTimeout:       15 * time.Second,
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          log.New(io.Discard, "", 0), // of bad requests: anybody could fill our log
	}}
	bound := listener.Bound(port, AtOnce, p.http)
	go func() {
		defer close(p.ended)
		if err := p.http.Serve(bound); !errors.Is(err, http.ErrServerClosed) {
			p.err = fmt.Errorf("serve probes: %w", err)
		}
	}()
	return p, nil
}

// Addr is where it listens, as host:port; "" if nowhere.
func (p *Port) Addr() string {
	if p == nil {
		return ""
	}
	return p.http.Addr
}

// Close stops answering.
func (p *Port) Close() error {
	if p == nil {
		return nil
	}
	ending, cancel := context.WithTimeout(context.Background(), healthGrace)
	defer cancel()
	err := p.http.Shutdown(ending)
	if errors.Is(err, context.DeadlineExceeded) {
		err = p.http.Close()
	}
	<-p.ended
	return errors.Join(p.err, err)
}

// Alive adds to a mux what answers that the process lives, and what tells its metrics where there are any.
func Alive(mux *http.ServeMux, metrics http.Handler) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answerProbe(w, http.StatusOK, map[string]bool{"alive": true})
	})
	if metrics != nil {
		mux.Handle("GET /metrics", metrics)
	}
}
