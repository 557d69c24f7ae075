package main

import (
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// childArgs tells the test program to be bulkreg, with these arguments.
const childArgs = "BULKREG_TEST_CHILD"

// TestChild is no test of its own: it is bulkreg, in a process of its own, for the tests below.
func TestChild(*testing.T) {
	args := os.Getenv(childArgs)
	if args == "" {
		return
	}
	os.Args = append([]string{"bulkreg"}, strings.Fields(args)...)
	main()
}

// process is bulkreg in a process of its own.
type process struct {
	*exec.Cmd
	stderr syncBuffer
	ended  chan struct{}
}

// startChild starts bulkreg behind a shell's commands, "" for none.
func startChild(t *testing.T, before string, environ []string, args string) *process {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &process{ended: make(chan struct{})}
	c.Cmd = exec.CommandContext(t.Context(), "sh", "-c", before+` exec "$0" -test.run='^TestChild$'`, program)
	c.Env = append(os.Environ(), append(environ, childArgs+"="+args)...)
	c.Stdout, c.Stderr = io.Discard, &c.stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.ended)
		_ = c.Wait() // the test looks at the state
	}()
	t.Cleanup(func() { <-c.ended })
	return c
}

func (c *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := c.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// A hangup, as of a terminal that is closed or by a supervisor, ends every command in good order.
func TestHangupIsAsGoodAsTerminate(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ args, up, end string }{
		"worker":  {"worker", "Redis is away; waiting for it", "stopped; it had not begun"},
		"sandbox": {"sandbox --addr 127.0.0.1:0", "Ctrl-C ends it.", ""},
	} {
		for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT} {
			t.Run(name+", "+s.String(), func(t *testing.T) {
				t.Parallel()
				if signal.Ignored(s) {
					t.Skip("these tests run where the signal means nothing, as under nohup")
				}
				p := startChild(t, "", append(nowhere("127.0.0.1:1"), "METRICS_ADDR=off"), c.args)
				p.stderr.await(t, c.up, p.ended)
				p.signal(t, s)
				<-p.ended
				if code := p.ProcessState.ExitCode(); code != exitDone || !strings.Contains(p.stderr.String(), c.end) {
					t.Errorf("status %d: %s", code, p.stderr.String())
				}
			})
		}
	}
}

// Under nohup a hangup means nothing.
func TestHangupThatIsIgnored(t *testing.T) {
	t.Parallel()
	p := startChild(t, `trap "" HUP;`, nil, "sandbox --addr 127.0.0.1:0")
	p.stderr.await(t, "Ctrl-C ends it.", p.ended)
	status, err := os.ReadFile("/proc/" + strconv.Itoa(p.Process.Pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "SigIgn:")
	mask, err := strconv.ParseUint(strings.Fields(rest)[0], 16, 64)
	if err != nil || mask&1 == 0 { // the first bit is the first signal's
		t.Errorf("a hangup is not ignored, %v:\n%s", err, status)
	}
	p.signal(t, syscall.SIGHUP)
	p.signal(t, syscall.SIGTERM)
	<-p.ended
	if code := p.ProcessState.ExitCode(); code != exitDone {
		t.Errorf("status %d: %s", code, p.stderr.String())
	}
}
