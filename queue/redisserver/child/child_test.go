package child

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

func start(t *testing.T, cmd *exec.Cmd) *Child {
	t.Helper()
	c, err := Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Kill(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestChildThatEndsByItself(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]string{"echo said": "", "echo said; exit 3": "exit status 3"} {
		var said bytes.Buffer
		cmd := exec.Command("sh", "-c", script)
		cmd.Stdout = &said
		c := start(t, cmd)
		<-c.Done()
		if said.String() != "said\n" {
			t.Errorf("%s: it said %q", script, said.String())
		}
		if err := c.Err(); (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%s: %v, want %q", script, err, want)
		}
		if !c.State().Exited() || c.State().Pid() != c.Pid() {
			t.Errorf("%s: state %v of %d", script, c.State(), c.Pid())
		}
		if err := c.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("%s: signal after the end: %v", script, err)
		}
		if err := errors.Join(c.End(syscall.SIGTERM, time.Second), c.Kill()); err != nil {
			t.Errorf("%s: end after the end: %v", script, err)
		}
	}
}

func TestEndWaitsForAnOrderlyEnd(t *testing.T) {
	t.Parallel()
	ready := make(signalled)
	cmd := exec.Command("sh", "-c", `trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done`)
	cmd.Stdout = ready
	c := start(t, cmd)
	<-ready
	if err := c.End(syscall.SIGTERM, time.Minute); err != nil {
		t.Error(err)
	}
	if c.State().ExitCode() != 7 {
		t.Errorf("it ended as %v", c.State())
	}
}

func TestEndKillsWhatDoesNotListen(t *testing.T) {
	t.Parallel()
	ready := make(signalled)
	cmd := exec.Command("sh", "-c", `trap '' TERM; echo ready; while :; do sleep 0.01; done`)
	cmd.Stdout = ready
	c := start(t, cmd)
	<-ready
	err := c.End(syscall.SIGTERM, 20*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "still ran 20ms after terminated and was killed") {
		t.Errorf("end: %v", err)
	}
	if status, ok := c.State().Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Errorf("it ended as %v", c.State())
	}
}

func TestProgramThatIsNotThere(t *testing.T) {
	t.Parallel()
	if _, err := Start(exec.Command("/nowhere/nothing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("start: %v", err)
	}
}

// signalled is an output that is closed when something is written to it; one write is expected.
type signalled chan struct{}

func (s signalled) Write(p []byte) (int, error) {
	close(s)
	return len(p), nil
}
