// Package child starts programs that must not outlive this one: the Redis of redisserver, and what `bulkreg bench`
// measures.
//
// It must never leave a child behind that it was told to end, and never end a process that it did not start.
package child

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Child is a started program. Its methods may be called by any goroutine; one of its own waits for its end. On Linux
// the child is killed when this program dies, however that happens; elsewhere a program that is killed leaves it
// running.
type Child struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // may be read once done is closed
}

// outputDelay is how long the output of an ended child may be held open by a process that it has started itself.
const outputDelay = 5 * time.Second

// Start runs a command in a process group of its own, so that Ctrl-C in a terminal leaves its end to its parent.
//
// Linux ends a child with the *thread* that forked it, so the goroutine that forks keeps its thread until then.
func Start(cmd *exec.Cmd) (*Child, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	endWithParent(cmd.SysProcAttr)
	cmd.WaitDelay = outputDelay
	c := &Child{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		c.err = cmd.Wait()
		close(c.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("run %s: %w", cmd.Path, err)
	}
	return c, nil
}

// Pid is the child's process id.
func (c *Child) Pid() int { return c.cmd.Process.Pid }

// Done is closed when the child has ended and all of its output has been read.
func (c *Child) Done() <-chan struct{} { return c.done }

// Err is how an ended child ended: nil for the exit status 0. It may be asked for when Done is closed.
func (c *Child) Err() error { return c.err }

// State is what is known of an ended child. It may be asked for when Done is closed.
func (c *Child) State() *os.ProcessState { return c.cmd.ProcessState }

// Signal sends a signal. It fails with os.ErrProcessDone when the child has ended.
func (c *Child) Signal(signal os.Signal) error { return c.cmd.Process.Signal(signal) }

// Kill ends the child at once and waits for that. One that has ended already is fine.
func (c *Child) Kill() error { return c.End(syscall.SIGKILL, time.Minute) }

// End sends a signal and waits for the child's end, which may have come already. A child that still runs after patience
// is killed, and the error says so.
func (c *Child) End(signal os.Signal, patience time.Duration) error {
	if err := c.signalUnlessDone(signal); err != nil {
		return err
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-c.done:
		return nil
	case <-timer.C:
	}
	if err := c.signalUnlessDone(os.Kill); err != nil {
		return err
	}
	<-c.done
	return fmt.Errorf("%s still ran %v after %v and was killed", c.cmd.Path, patience, signal)
}

func (c *Child) signalUnlessDone(signal os.Signal) error {
	if err := c.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %v to %s: %w", signal, c.cmd.Path, err)
	}
	return nil
}
