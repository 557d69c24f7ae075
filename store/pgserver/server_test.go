package pgserver

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func startServer(t *testing.T, options Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return s
}

// query runs statements on a connection of its own and returns the first value of the last one.
func query(ctx context.Context, url string, statements ...string) (string, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return "", err
	}
	var value string
	for i, statement := range statements {
		if i < len(statements)-1 {
			_, err = conn.Exec(ctx, statement)
		} else {
			err = conn.QueryRow(ctx, statement).Scan(&value)
		}
		if err != nil {
			break
		}
	}
	return value, errors.Join(err, conn.Close(ctx))
}

func wantValue(t *testing.T, url, want string, statements ...string) {
	t.Helper()
	got, err := query(t.Context(), url, statements...)
	if err != nil || got != want {
		t.Errorf("%q = %q, %v; want %q", statements[len(statements)-1], got, err, want)
	}
}

func wantGone(t *testing.T, s *Server) {
	t.Helper()
	select {
	case <-s.Done():
	default:
		t.Error("Done is open though the server ended")
	}
	if value, err := query(t.Context(), s.URL(""), "SELECT 'alive'"); err == nil {
		t.Errorf("the server still answers: %s", value)
	}
}

func TestServerAnswersOnLoopbackAndSocket(t *testing.T) {
	t.Parallel()
	s := startServer(t, Options{MaxConnections: 17, Settings: map[string]string{"work_mem": "5MB", "fsync": "on"}})
	for _, url := range []string{s.URL(""), s.SocketURL("")} {
		wantValue(t, url, "127.0.0.1", "SHOW listen_addresses")
		wantValue(t, url, "17", "SHOW max_connections")
		wantValue(t, url, "5MB", "SHOW work_mem")
		wantValue(t, url, "on", "SHOW fsync")
		wantValue(t, url, "off", "SHOW synchronous_commit")
		wantValue(t, url, "UTF8 C", "SELECT pg_encoding_to_char(encoding) || ' ' || datcollate FROM pg_database "+
			"WHERE datname = current_database()")
	}
	if _, err := query(t.Context(), s.URL(""), "CREATE DATABASE orders", "SELECT 'made'"); err != nil {
		t.Fatal(err)
	}
	wantValue(t, s.URL("orders"), "orders", "SELECT current_database()")
}

func TestServerWantsThePassword(t *testing.T) {
	t.Parallel()
	s := startServer(t, Options{})
	for _, url := range []string{s.URL(""), s.SocketURL("")} {
		_, err := query(t.Context(), strings.Replace(url, s.password, "guess", 1), "SELECT 'in'")
		if err == nil || !strings.Contains(err.Error(), "password authentication failed") {
			t.Errorf("with a wrong password: %v", err)
		}
	}
}

func TestRestartKeepsDataAndURL(t *testing.T) {
	t.Parallel()
	s := startServer(t, Options{Settings: map[string]string{"synchronous_commit": "on"}})
	before := s.URL("")
	wantValue(t, before, "1", "CREATE TABLE job (id int)", "INSERT INTO job VALUES (1)", "SELECT sum(id)::text FROM job")
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantValue(t, before, "3", "INSERT INTO job VALUES (2)", "SELECT sum(id)::text FROM job")

	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	wantGone(t, s)
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantValue(t, before, "3", "SELECT sum(id)::text FROM job")
}

func TestDoneNoticesADeathThatNobodyAskedFor(t *testing.T) {
	t.Parallel()
	s := startServer(t, Options{})
	if err := s.process.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("the death of the server went unnoticed")
	}
	wantGone(t, s)
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantValue(t, s.URL(""), "back", "SELECT 'back'")
}

func TestStopRemovesTheTemporaryDirectory(t *testing.T) {
	t.Parallel()
	s := startServer(t, Options{})
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	wantGone(t, s)
	if _, err := os.Stat(s.runDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is left: %v", s.runDir, err)
	}
	if err := s.Stop(); err != nil {
		t.Errorf("second stop: %v", err)
	}
	if err := s.Restart(t.Context()); err == nil {
		t.Error("a stopped server restarted")
	}
}

func TestDurableDataDirOutlivesTheServer(t *testing.T) {
	t.Parallel()
	// Not t.TempDir: its parent is closed to other users, and as root Postgres runs as another user.
	dir, err := os.MkdirTemp("", "pgserver-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	options := Options{DataDir: filepath.Join(dir, "a", "b"), Durable: true}
	first := startServer(t, options)
	wantValue(t, first.URL(""), "kept", "CREATE TABLE note AS SELECT 'kept' AS text", "SELECT text FROM note")
	for _, setting := range []string{"fsync", "full_page_writes", "synchronous_commit"} {
		wantValue(t, first.URL(""), "on", "SHOW "+setting)
	}

	if _, err := Start(t.Context(), options); err == nil || !strings.Contains(err.Error(), "in use by another program") {
		t.Errorf("a second server on the same directory: %v", err)
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	second := startServer(t, options)
	wantValue(t, second.URL(""), "kept", "SELECT text FROM note")
	if err := second.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(second.cluster, "PG_VERSION"), []byte("12\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), options); !errors.Is(err, ErrNotInstalled) ||
		!strings.Contains(err.Error(), "the database was made by 12") {
		t.Errorf("a database of another version: %v", err)
	}
}

func TestRootIsToldOfAClosedDirectory(t *testing.T) {
	t.Parallel()
	a := account{name: "postgres", credential: nil}
	if err := a.canEnter(t.TempDir()); err != nil {
		t.Errorf("for ourselves: %v", err)
	}
	closed, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	stranger := account{name: "stranger", credential: strangerCredential()}
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	err = stranger.canEnter(closed)
	if err == nil || !strings.Contains(err.Error(), closed) || !strings.Contains(err.Error(), "user stranger") {
		t.Errorf("for a stranger: %v", err)
	}
	if err := stranger.canEnter("/"); err != nil {
		t.Errorf("the root folder: %v", err)
	}
}

func TestMissingBinaries(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := Start(t.Context(), Options{BinDir: dir})
	if !errors.Is(err, ErrNotInstalled) {
		t.Fatalf("error is %v", err)
	}
	for _, want := range []string{dir, "initdb and postgres", "apt-get install postgresql", "brew install postgresql"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}

func TestTakenPort(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, err = Start(t.Context(), Options{Port: listener.Addr().(*net.TCPAddr).Port})
	if !errors.Is(err, errPortTaken) {
		t.Errorf("error is %v", err)
	}
}

func TestRefusedSettingIsExplained(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), Options{Settings: map[string]string{"work_mem": "plenty"}})
	if err == nil || !strings.Contains(err.Error(), `invalid value for parameter "work_mem"`) {
		t.Errorf("error is %v", err)
	}
}

func TestStartObeysTheContext(t *testing.T) {
	t.Parallel()
	// Too short for the look at the binaries, for initdb, for all of it on a slow machine.
	for _, patience := range []time.Duration{0, 30 * time.Millisecond, 200 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if s, err := Start(ctx, Options{}); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrNotInstalled) {
			t.Errorf("after %v Start = %v, %v", patience, s, err)
		}
		cancel()
	}
}

func TestLogGetsWhatPostgresSays(t *testing.T) {
	t.Parallel()
	log := &lockedBuffer{}
	s := startServer(t, Options{Log: log})
	if _, err := query(t.Context(), s.URL(""), "SELECT 1/0"); err == nil {
		t.Fatal("division by zero went well")
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "division by zero") {
		t.Errorf("the log is %s", log.String())
	}
}

type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

const childVariable = "PGSERVER_TEST_CHILD"

// TestServerDiesWithTheProgram runs this test binary once more as a program that starts a server and is killed.
func TestServerDiesWithTheProgram(t *testing.T) {
	if os.Getenv(childVariable) != "" {
		startAndWaitForDeath(t)
	}
	t.Parallel()
	if !diesWithParent() {
		t.Log("this system cannot tie a child to its parent; nothing to check")
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestServerDiesWithTheProgram$", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), childVariable+"=yes")
	cmd.Stderr = os.Stderr
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatal(err, cmd.Wait())
	}
	fields := strings.Fields(line)
	if len(fields) != 3 {
		t.Fatalf("the program says %q", line)
	}
	pid, runDir, url := fields[0], fields[1], fields[2]
	t.Cleanup(func() {
		if err := os.RemoveAll(runDir); err != nil {
			t.Error(err)
		}
	})
	wantValue(t, url, "alive", "SELECT 'alive'")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the program ended well though it was killed")
	}
	waitGone(t, pid)
}

func startAndWaitForDeath(t *testing.T) {
	s, err := Start(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Println(s.process.cmd.Process.Pid, s.runDir, s.URL("")); err != nil {
		t.Fatal(err)
	}
	select {}
}

// waitGone polls, because the process is not ours to wait for.
func waitGone(t *testing.T, pid string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		status, err := os.ReadFile("/proc/" + pid + "/stat")
		if errors.Is(err, os.ErrNotExist) || strings.Contains(string(status), ") Z ") {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("process %s outlived its program", pid)
		case <-time.After(pollInterval):
		}
	}
}
