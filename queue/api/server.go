package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/queue/listener"
)

// Listen says where a Server listens.
type Listen struct {
	Addr     string // host:port
	CertFile string // PEM, with KeyFile; "" for none: it speaks without TLS
	KeyFile  string // PEM
	// Read reads one of the two files. It waits for nothing and bounds what it reads: whatever the path leads to by then. Needed with CertFile.
	Read  func(path string) ([]byte, error)
	Grace time.Duration // what requests under way get at the end
	Log   zerolog.Logger
}

const (
	// connectionsAtOnce bounds what the door holds open: streams of events stay open for long.
	connectionsAtOnce = 4096
	// headerTime is how long a request's header may take, and idleTime how long a connection may wait for the next request.
	headerTime = 10 * time.Second
	idleTime   = 2 * time.Minute
	// answerTime is how long it may take from the end of the header on until an answer begins: an order of a million jobs is stored
	// within it. From then on each piece of the answer has a deadline of its own.
	answerTime = 15 * time.Minute
	// maxHeader bounds a request's header, in bytes.
	maxHeader = 16 << 10
)

// Server is the door on an address.
type Server struct {
	api   *API
	grace time.Duration
	http  *http.Server
	port  net.Listener
	run   context.Context // of the API's chores
	stop  context.CancelFunc
	tasks sync.WaitGroup
	ended chan error
}

// Serve listens and serves until Close.
func (a *API) Serve(ctx context.Context, l Listen) (*Server, error) {
	config, reload, err := l.tls()
	if err != nil {
		return nil, err
	}
	var listen net.ListenConfig
	port, err := listen.Listen(ctx, "tcp", l.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", l.Addr, err)
	}
	s := &Server{api: a, grace: l.Grace, port: port, ended: make(chan error, 1), http: &http.Server{
		Handler: a.handler, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, WriteTimeout: answerTime, MaxHeaderBytes: maxHeader,
		TLSConfig: config, ErrorLog: log.New(io.Discard, "", 0), // of bad requests: anybody could fill our log
	}}
	s.run, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.tasks.Go(func() { a.Run(s.run) })
	if reload != nil {
		s.tasks.Go(func() { reload(s.run) })
	}
	bound := listener.Bound(port, connectionsAtOnce, s.http)
	go func() { s.ended <- s.serve(bound) }()
	return s, nil
}

func (s *Server) serve(l net.Listener) error {
	var err error
	if s.http.TLSConfig != nil {
		err = s.http.ServeTLS(l, "", "")
	} else {
		err = s.http.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve API: %w", err)
}

// Addr is where it listens, as host:port.
func (s *Server) Addr() string { return s.port.Addr().String() }

// Failed gives the error of a Server that serves no more although nobody closed it.
func (s *Server) Failed() <-chan error { return s.ended }

// Close takes no more requests, has streams and waiting readers end, and sees the other requests through.
func (s *Server) Close() error {
	s.stop() // whoever waits for events is told that there are no more
	ending, cancel := context.WithTimeout(context.Background(), s.grace)
	defer cancel()
	err := s.http.Shutdown(ending)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	s.tasks.Wait()
	if err != nil {
		return fmt.Errorf("stop API: %w", err)
	}
	return nil
}
