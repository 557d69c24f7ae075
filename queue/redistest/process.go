package redistest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	startTries   = 20
	startTimeout = 10 * time.Second
	pollInterval = 5 * time.Millisecond
)

// Process is a redis-server of our own. It keeps nothing on disk: after Restart it is empty. Its methods may be
// called by any goroutine. On Linux it dies with the test program, however that ends.
type Process struct {
	program  string
	password string
	port     int

	mu      sync.Mutex
	running *child
}

// errPortTaken is worth another try.
var errPortTaken = errors.New("the port is taken")

// startProcess looks for the server in binDir, or on PATH if that is empty.
func startProcess(ctx context.Context, binDir string) (*Process, error) {
	program, err := find(binDir)
	if err != nil {
		return nil, err
	}
	p := &Process{program: program, password: rand.Text()}
	for range startTries {
		// Below the ports that Linux and macOS give to outgoing connections, which could take it before Redis does.
		p.port = 20000 + mrand.IntN(12000)
		if err = p.start(ctx); !errors.Is(err, errPortTaken) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("start redis: %w", err)
	}
	return p, nil
}

// URL of database 0, in the form that Asynq and go-redis read.
func (p *Process) URL() string { return p.url(0) }

// Kill ends the server at once, as kill -9 does. Everything in it is lost. A second Kill does nothing.
func (p *Process) Kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kill()
}

// Restart kills the server if it runs and starts it again, empty, under the same URL.
func (p *Process) Restart(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.kill(); err != nil {
		return err
	}
	if err := p.start(ctx); err != nil {
		return fmt.Errorf("restart redis: %w", err)
	}
	return nil
}

// Pause puts the server to sleep: connections stay open and nothing answers until Resume.
func (p *Process) Pause() error { return p.signal(syscall.SIGSTOP) }

// Resume wakes a paused server.
func (p *Process) Resume() error { return p.signal(syscall.SIGCONT) }

// FlushAll empties all databases.
func (p *Process) FlushAll(ctx context.Context) error {
	return withClient(ctx, p.URL(), func(ctx context.Context, client *redis.Client) error {
		return client.FlushAll(ctx).Err()
	})
}

// Done is closed when the server that runs now ends, whoever ended it. Restart begins a new one.
func (p *Process) Done() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running.done
}

func (p *Process) signal(signal syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.running.cmd.Process.Signal(signal); err != nil {
		return fmt.Errorf("send %v to redis: %w", signal, err)
	}
	return nil
}

func (p *Process) kill() error {
	if err := p.running.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill redis: %w", err)
	}
	<-p.running.done
	return nil
}

// start runs the server and returns when it answers.
func (p *Process) start(ctx context.Context) error {
	if err := checkPort(p.port); err != nil {
		return err
	}
	credential, err := unprivileged()
	if err != nil {
		return err
	}
	// The configuration comes on standard input, because the arguments of a process are for all to see.
	cmd := exec.Command(p.program, "-")
	cmd.Stdin = strings.NewReader(p.configuration())
	log := &head{}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = "/"
	cmd.Env = []string{"LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: credential}
	endWithParent(cmd.SysProcAttr)
	running, err := run(cmd)
	if err != nil {
		return err
	}
	p.running = running
	if err := p.awaitReady(ctx); err != nil {
		killErr := p.kill()
		said := strings.TrimSpace(strings.ToValidUTF8(string(log.bytes), "?"))
		if strings.Contains(said, "Address already in use") {
			err = errPortTaken
		}
		return errors.Join(fmt.Errorf("%w; it said: %s", err, said), killErr)
	}
	return nil
}

func (p *Process) configuration() string {
	return strings.Join([]string{
		"bind 127.0.0.1",
		"port " + strconv.Itoa(p.port),
		"requirepass " + p.password,
		"databases " + strconv.Itoa(databases),
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
func (p *Process) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		err := p.knock(ctx)
		if err == nil {
			return withClient(ctx, p.URL(), func(ctx context.Context, client *redis.Client) error {
				return client.Ping(ctx).Err()
			})
		}
		select {
		case <-p.running.done:
			return fmt.Errorf("redis ended: %w", p.running.err)
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(pollInterval):
		}
	}
}

func (p *Process) knock(ctx context.Context) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", "127.0.0.1:"+strconv.Itoa(p.port))
	if err != nil {
		return err
	}
	return conn.Close()
}

func checkPort(port int) error {
	listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if errors.Is(err, syscall.EADDRINUSE) {
		return errPortTaken
	}
	if err != nil {
		return err
	}
	return listener.Close()
}
