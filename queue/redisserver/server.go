// Package redisserver runs a Redis server of its own from the binaries that are installed on the machine: for
// benchmarks and, through redistest, for tests. Nothing needs to be configured and nothing of an existing Redis is
// touched.
//
// It must never listen on anything but the loopback address, never run Redis as root, never hand the environment of
// the program (which holds secrets) to the server, and never be what a production deployment delivers its work by: it
// keeps nothing on disk.
package redisserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"net"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/bulkreg/bulkreg/queue/redisserver/child"
)

// Databases is how many numbered databases a server has, from 0.
const Databases = 1024

const (
	startTries   = 20
	startTimeout = 10 * time.Second
	pollInterval = 5 * time.Millisecond
)

// Options say how to run the server. The zero value will do.
type Options struct {
	// BinDir is the folder of redis-server or valkey-server. Empty: PATH.
	BinDir string
}

// Server is a Redis server. It keeps nothing on disk: after Restart it is empty. Its methods may be called by any
// goroutine. On Linux it dies with the program, however the program ends; elsewhere a program that is killed leaves it
// running.
type Server struct {
	program  string
	password string
	port     int

	mu      sync.Mutex
	process *child.Child
}

// errPortTaken is worth another try.
var errPortTaken = errors.New("the port is taken")

// Start starts a server, which takes a few hundredths of a second. The context bounds the start only. ErrNotInstalled
// says that the machine has none.
func Start(ctx context.Context, options Options) (*Server, error) {
	program, err := find(options.BinDir)
	if err != nil {
		return nil, fmt.Errorf("start redis: %w", err)
	}
	s := &Server{program: program, password: rand.Text()}
	for range startTries {
		// Below the ports that Linux and macOS give to outgoing connections, which could take it before Redis does.
		s.port = 20000 + mrand.IntN(12000)
		if err = s.run(ctx); !errors.Is(err, errPortTaken) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("start redis: %w", err)
	}
	return s, nil
}

// URL of database 0, in the form that Asynq and go-redis read.
func (s *Server) URL() string { return s.DatabaseURL(0) }

// DatabaseURL is the URL of one of the numbered databases.
func (s *Server) DatabaseURL(database int) string {
	u := url.URL{
		Scheme: "redis", User: url.UserPassword("", s.password),
		Host: s.address(), Path: "/" + strconv.Itoa(database),
	}
	return u.String()
}

func (s *Server) address() string { return "127.0.0.1:" + strconv.Itoa(s.port) }

// Kill ends the server at once, as kill -9 does. Everything in it is lost. A second Kill does nothing.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kill()
}

// Restart kills the server if it runs and starts it again, empty, under the same URL.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.kill(); err != nil {
		return err
	}
	if err := s.run(ctx); err != nil {
		return fmt.Errorf("restart redis: %w", err)
	}
	return nil
}

// Pause puts the server to sleep: connections stay open and nothing answers until Resume.
func (s *Server) Pause() error { return s.signal(syscall.SIGSTOP) }

// Resume wakes a paused server.
func (s *Server) Resume() error { return s.signal(syscall.SIGCONT) }

// FlushAll empties all databases.
func (s *Server) FlushAll(ctx context.Context) error {
	return Exchange(ctx, s.URL(), func(ctx context.Context, client *redis.Client) error {
		return client.FlushAll(ctx).Err()
	})
}

// Done is closed when the server that runs now ends, whoever ended it. Restart begins a new one.
func (s *Server) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process.Done()
}

func (s *Server) signal(signal syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.process.Signal(signal); err != nil {
		return fmt.Errorf("send %v to redis: %w", signal, err)
	}
	return nil
}

func (s *Server) kill() error {
	if err := s.process.Kill(); err != nil {
		return fmt.Errorf("kill redis: %w", err)
	}
	return nil
}

// run starts the server and returns when it answers.
func (s *Server) run(ctx context.Context) error {
	if err := checkPort(s.address()); err != nil {
		return err
	}
	credential, err := unprivileged()
	if err != nil {
		return err
	}
	// The configuration comes on standard input, because the arguments of a process are for all to see.
	cmd := exec.Command(s.program, "-")
	cmd.Stdin = strings.NewReader(s.configuration())
	log := &head{}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = "/"
	cmd.Env = []string{"LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	if s.process, err = child.Start(cmd); err != nil {
		return err
	}
	if err := s.awaitReady(ctx); err != nil {
		killErr := s.kill()
		said := strings.TrimSpace(strings.ToValidUTF8(string(log.bytes), "?"))
		if strings.Contains(said, "Address already in use") {
			err = errPortTaken
		}
		return errors.Join(fmt.Errorf("%w; it said: %s", err, said), killErr)
	}
	return nil
}

func (s *Server) configuration() string {
	return strings.Join([]string{
		"bind 127.0.0.1",
		"port " + strconv.Itoa(s.port),
		"requirepass " + s.password,
		"databases " + strconv.Itoa(Databases),
		`save ""`,
		"appendonly no",
		"maxmemory-policy noeviction",
		"daemonize no",
		`logfile ""`,
		"loglevel warning",
	}, "\n") + "\n"
}

// awaitReady asks with our password, which no other server on this port would accept. It knocks before that, because
// the client logs each connection that is refused.
func (s *Server) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		err := s.knock(ctx)
		if err == nil {
			return Exchange(ctx, s.URL(), func(ctx context.Context, client *redis.Client) error {
				return client.Ping(ctx).Err()
			})
		}
		select {
		case <-s.process.Done():
			return fmt.Errorf("redis ended: %v", s.process.State())
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(pollInterval):
		}
	}
}

func (s *Server) knock(ctx context.Context) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address())
	if err != nil {
		return err
	}
	return conn.Close()
}

func checkPort(address string) error {
	listener, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return errPortTaken
	}
	if err != nil {
		return err
	}
	return listener.Close()
}

// headSize is ample for why a server did not start.
const headSize = 8 << 10

// head keeps the first bytes written to it. It may be read once the program has ended.
type head struct{ bytes []byte }

func (h *head) Write(p []byte) (int, error) {
	h.bytes = append(h.bytes, p[:min(len(p), headSize-len(h.bytes))]...)
	return len(p), nil
}
