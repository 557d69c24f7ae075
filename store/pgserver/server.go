// Package pgserver runs a Postgres server of its own from the binaries that are installed on the machine: for the
// embedded `bulkreg dev`, for benchmarks and, through pgtest, for tests. Nothing needs to be configured and nothing
// of an existing Postgres is touched.
//
// It must never listen on anything but the loopback address and its own Unix socket, never run Postgres as root,
// never hand the environment of the program (which holds secrets) to the server, and never be what a production
// deployment stores its orders in.
package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// The name of the superuser of every server, and of the database that an empty name stands for.
const superuser = "postgres"

// How long each way to end the server gets before a harder one follows.
const (
	fastShutdown      = 30 * time.Second
	immediateShutdown = 10 * time.Second
)

// Options say how to run the server. The zero value is a throwaway server on a free port.
type Options struct {
	// BinDir is the folder of initdb and postgres. Empty: PATH, then the places where packages put them.
	BinDir string

	// DataDir keeps the database between runs. It is made when it does not exist. When the program runs as root,
	// every folder above it must be open to the user that Postgres runs as. Empty: a temporary folder that Stop
	// removes.
	DataDir string

	// InMemory keeps a temporary folder in memory where there is plenty of it, for servers that write much and are soon gone.
	InMemory bool

	// Durable makes a commit survive a crash of the machine. A server that is not durable is two to ten times
	// faster on small transactions. When it is killed it may lose the last commits, but stays consistent; set
	// synchronous_commit=on in Settings if it must survive its own death, though not the machine's.
	Durable bool

	// Port on the loopback address. 0: a free one, which stays the same over Restart.
	Port int

	// MaxConnections is Postgres's max_connections. 0: 100.
	MaxConnections int

	// Settings are passed to Postgres as they are and win over everything else here.
	Settings map[string]string

	// Log receives what Postgres logs. Statements in it may hold personal data. nil: nothing.
	Log io.Writer
}

// Server is a running Postgres server. Its methods may be called by any goroutine. On Linux it dies with the
// program, however the program ends; elsewhere a program that is killed leaves it running.
type Server struct {
	options  Options
	account  account
	binaries binaries
	runDir   string // sockets, and the data of a throwaway server
	cluster  string // Postgres's data directory
	lock     *os.File
	password string
	port     int

	mu      sync.Mutex
	process *process
	stopped bool
}

// Start makes the database if there is none yet and starts the server, which takes one to two seconds, or a tenth
// of that for an existing database. The context bounds the start only. ErrNotInstalled says that the machine
// has no usable Postgres.
func Start(ctx context.Context, options Options) (*Server, error) {
	account, err := unprivileged()
	if err != nil {
		return nil, err
	}
	s := &Server{options: options, account: account, port: options.Port}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start postgres: %w", err), s.close())
	}
	return s, nil
}

func (s *Server) open(ctx context.Context) error {
	var err error
	if s.runDir, err = s.account.makeTempDir(s.options.InMemory); err != nil {
		return err
	}
	dataDir := s.options.DataDir
	if dataDir == "" {
		dataDir = filepath.Join(s.runDir, "data")
	}
	if dataDir, err = filepath.Abs(dataDir); err != nil {
		return fmt.Errorf("find data directory: %w", err)
	}
	if err := s.account.makeDataDir(dataDir); err != nil {
		return err
	}
	if s.lock, err = lockDir(dataDir); err != nil {
		return err
	}
	s.cluster = filepath.Join(dataDir, "cluster")
	if err := s.openCluster(ctx, dataDir); err != nil {
		return err
	}
	return s.run(ctx)
}

// URL is the connection string of a database of this server for its superuser, over the loopback address. An
// empty name stands for the database postgres, which always exists.
func (s *Server) URL(database string) string {
	u := s.baseURL(database)
	u.Host = "127.0.0.1:" + strconv.Itoa(s.port)
	u.RawQuery = "sslmode=disable"
	return u.String()
}

// SocketURL is what URL is, over the Unix socket: nothing that blocks loopback traffic stands in its way.
func (s *Server) SocketURL(database string) string {
	u := s.baseURL(database)
	u.RawQuery = url.Values{"host": {s.runDir}, "port": {strconv.Itoa(s.port)}}.Encode()
	return u.String()
}

func (s *Server) baseURL(database string) *url.URL {
	if database == "" {
		database = superuser
	}
	return &url.URL{Scheme: "postgres", User: url.UserPassword(superuser, s.password), Path: "/" + database}
}

// Done is closed when the server that runs now ends, whoever ended it. Restart begins a new one.
func (s *Server) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process.done
}

// Stop ends the server in an orderly way: open transactions are rolled back, everything is written, and a
// temporary data directory is removed. It waits up to 50 seconds. A second Stop does nothing.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil
	}
	s.stopped = true
	return errors.Join(s.shutDown(), s.close())
}

// Kill ends the server at once and without a checkpoint, as a crash would. Its data stays for Restart.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.process.end(syscall.SIGQUIT, immediateShutdown); err != nil {
		return errors.Join(fmt.Errorf("kill postgres: %w", err), s.process.end(syscall.SIGKILL, immediateShutdown))
	}
	return nil
}

// Restart stops the server if it runs and starts it again with the same data and under the same URL. Every
// connection breaks. The context bounds the start only.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return errors.New("restart postgres: the server was stopped for good")
	}
	if err := s.shutDown(); err != nil {
		return err
	}
	if err := s.run(ctx); err != nil {
		return fmt.Errorf("restart postgres: %w", err)
	}
	return nil
}

// shutDown tries the orderly way first and says so when it was not enough.
func (s *Server) shutDown() error {
	err := s.process.end(syscall.SIGINT, fastShutdown)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("shut down postgres: %w", err)
	if quitErr := s.process.end(syscall.SIGQUIT, immediateShutdown); quitErr != nil {
		return errors.Join(err, quitErr, s.process.end(syscall.SIGKILL, immediateShutdown))
	}
	return err
}

// close gives back what open took, but for the process.
func (s *Server) close() error {
	var errs []error
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	if s.runDir != "" {
		errs = append(errs, os.RemoveAll(s.runDir))
	}
	return errors.Join(errs...)
}

// lockDir keeps a second program from using the same data directory; the lock ends with this process.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("data directory %s is in use by another program: %w", dir, err), f.Close())
	}
	return f, nil
}
