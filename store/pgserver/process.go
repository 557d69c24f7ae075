package pgserver

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is a started program. One goroutine owns it and waits for its end.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed at the end of the process
	err  error         // how it ended; may be read once done is closed
}

// start runs the command. Linux ends a child with its parent's *thread* (see endWithParent), so the goroutine
// that forks keeps its thread until the child has ended.
func start(cmd *exec.Cmd) (*process, error) {
	// A process that outlives the command can hold its output open; do not wait for it for ever.
	cmd.WaitDelay = 5 * time.Second
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("run %s: %w", cmd.Path, err)
	}
	return p, nil
}

// end sends the signal and waits for the end of the process, which may have come already.
func (p *process) end(signal syscall.Signal, patience time.Duration) error {
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %v: %w", signal, err)
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
		return fmt.Errorf("process %d still runs %v after %v", p.cmd.Process.Pid, patience, signal)
	}
}
