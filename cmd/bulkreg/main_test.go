package main

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/bulkreg/bulkreg/migrations"
	"github.com/bulkreg/bulkreg/store/pgtest"
)

func TestMain(m *testing.M) {
	redis.SetLogger(quiet{}) // as main does
	pgtest.Main(m)
}

// migrated is what pgtest makes its databases with.
func migrated(ctx context.Context, url string) error {
	_, err := migrations.Up(ctx, url)
	return err
}

// syncBuffer is a buffer that a command may write to from several goroutines.
type syncBuffer struct {
	mu      sync.Mutex
	buffer  bytes.Buffer
	changed chan struct{} // closed, and made anew, at each write
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changed != nil {
		close(b.changed)
	}
	b.changed = make(chan struct{})
	return b.buffer.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// await waits until text was written, and returns everything written so far. It fails the test when the command that
// should write it has ended.
func (b *syncBuffer) await(t *testing.T, text string, ended <-chan struct{}) string {
	t.Helper()
	for {
		b.mu.Lock()
		if b.changed == nil {
			b.changed = make(chan struct{})
		}
		changed, all := b.changed, b.buffer.String()
		b.mu.Unlock()
		if strings.Contains(all, text) {
			return all
		}
		select {
		case <-changed:
		case <-ended:
			if all = b.String(); strings.Contains(all, text) {
				return all
			}
			t.Fatalf("it ended before it wrote %q; it wrote:\n%s", text, all)
		}
	}
}

// result is how a command ended.
type result struct {
	stdout, stderr string
	status         int
}

// runCommand runs one command line to its end, without standard input.
func runCommand(t *testing.T, environ []string, args ...string) result {
	t.Helper()
	c := startCommand(t, environ, args...)
	<-c.ended
	return c.result()
}

// running is a command that runs in the background.
type running struct {
	stdout, stderr syncBuffer
	interrupt      context.CancelFunc // what a signal does
	ended          chan struct{}
	status         int
}

// startCommand starts one command line. It is interrupted, and waited for, when the test ends.
func startCommand(t *testing.T, environ []string, args ...string) *running {
	t.Helper()
	return startCommandWith(t, "", environ, args...)
}

// startCommandWith is startCommand with a standard input.
func startCommandWith(t *testing.T, stdin string, environ []string, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &running{interrupt: cancel, ended: make(chan struct{})}
	environ = slices.Clone(environ)
	if !slices.ContainsFunc(environ, func(entry string) bool { return strings.HasPrefix(entry, "METRICS_ADDR=") }) {
		environ = append(environ, "METRICS_ADDR=off") // tests run side by side
	}
	go func() {
		defer close(c.ended)
		err := run(ctx, args, environ, strings.NewReader(stdin), &c.stdout, &c.stderr)
		c.status = report(&c.stderr, err)
	}()
	t.Cleanup(func() {
		cancel()
		<-c.ended
	})
	return c
}

// stop interrupts the command and waits for its end.
func (c *running) stop() result {
	c.interrupt()
	<-c.ended
	return c.result()
}

// result may be asked for when the command has ended.
func (c *running) result() result {
	return result{stdout: c.stdout.String(), stderr: c.stderr.String(), status: c.status}
}

// exported reads the lines with `export` that a command printed.
func exported(t *testing.T, stdout string) []string {
	t.Helper()
	var environ []string
	for line := range strings.Lines(stdout) {
		if entry, ok := strings.CutPrefix(strings.TrimSpace(line), "export "); ok {
			environ = append(environ, strings.ReplaceAll(entry, "'", ""))
		}
	}
	if len(environ) == 0 {
		t.Fatalf("no export in %q", stdout)
	}
	return environ
}
