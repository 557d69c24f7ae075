package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	startTimeout = 60 * time.Second // also covers the recovery after a crash
	startTries   = 50
	pollInterval = 10 * time.Millisecond
)

// What a start can stumble over and try again.
var (
	errPortTaken    = errors.New("the port is taken")
	errStillRunning = errors.New("a server that used this data directory before is still shutting down")
)

// run starts postgres and returns when it accepts connections.
func (s *Server) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	var err error
	for range startTries {
		port := s.port
		if port == 0 {
			if port, err = freePort(); err != nil {
				return err
			}
		}
		err = s.launch(ctx, port)
		switch {
		case err == nil:
			s.port = port
			return nil
		case errors.Is(err, errPortTaken) && s.port == 0:
		case errors.Is(err, errStillRunning):
			if sleep(ctx, 20*pollInterval) != nil {
				return err
			}
		default:
			return err
		}
	}
	return fmt.Errorf("gave up after %d tries: %w", startTries, err)
}

func (s *Server) launch(ctx context.Context, port int) error {
	log := &tail{}
	cmd := s.command(s.binaries.postgres, s.arguments(port)...)
	output := io.Writer(log)
	if s.options.Log != nil {
		output = io.MultiWriter(log, s.options.Log)
	}
	cmd.Stdout, cmd.Stderr = output, output
	p, err := start(cmd)
	if err != nil {
		return err
	}
	s.process = p
	if err := s.awaitReady(ctx, p); err != nil {
		if errors.Is(err, errEnded) {
			return log.explain()
		}
		return errors.Join(fmt.Errorf("wait until postgres is ready: %w; it said: %w", err, log.explain()),
			p.end(syscall.SIGKILL, immediateShutdown))
	}
	return nil
}

var errEnded = errors.New("postgres ended")

// awaitReady reads the status that Postgres keeps in the eighth line of postmaster.pid (since version 10) for
// pg_ctl; the first line tells whether the file is this process's.
func (s *Server) awaitReady(ctx context.Context, p *process) error {
	pid := strconv.Itoa(p.cmd.Process.Pid)
	for {
		content, err := os.ReadFile(filepath.Join(s.cluster, "postmaster.pid"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		lines := strings.Split(string(content), "\n")
		if len(lines) >= 8 && lines[0] == pid && strings.TrimSpace(lines[7]) == "ready" {
			return nil
		}
		select {
		case <-p.done:
			return errEnded
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollInterval):
		}
	}
}

func (s *Server) arguments(port int) []string {
	connections := s.options.MaxConnections
	if connections == 0 {
		connections = 100
	}
	settings := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"port":                    strconv.Itoa(port),
		"unix_socket_directories": s.runDir,
		"max_connections":         strconv.Itoa(connections),
	}
	if !s.options.Durable {
		settings["fsync"] = "off"
		settings["full_page_writes"] = "off"
		settings["synchronous_commit"] = "off"
		// Package store asks: whoever runs this server knows what it may lose.
		settings["bulkreg.unsafe"] = "allow"
	}
	for name, value := range s.options.Settings {
		settings[name] = value
	}
	arguments := []string{"-D", s.cluster}
	for name, value := range settings {
		arguments = append(arguments, "--"+name+"="+value)
	}
	slices.Sort(arguments[2:])
	return arguments
}

// command prepares a program of Postgres: as the unprivileged user, in a folder that this user can enter, in a
// process group of its own so that Ctrl-C in a terminal leaves its end to us, and with an environment that holds
// neither secrets nor settings of another Postgres. TZ spares initdb a search through all time zones.
func (s *Server) command(path string, arguments ...string) *exec.Cmd {
	cmd := exec.Command(path, arguments...)
	cmd.Dir = s.runDir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: s.account.credential}
	endWithParent(cmd.SysProcAttr)
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC"}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"} {
		if value, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	return cmd
}

// freePort looks below the ports that Linux (from 32768) and macOS (from 49152) give to outgoing connections, so
// that none of those can take the port between this look and the server's bind, or during a restart.
func freePort() (int, error) {
	var err error
	for range startTries {
		port := 20000 + rand.IntN(12000)
		var listener net.Listener
		if listener, err = net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			return port, listener.Close()
		}
	}
	return 0, fmt.Errorf("find free port: %w", err)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
