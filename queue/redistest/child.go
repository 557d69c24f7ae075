package redistest

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
)

// child is a started program. One goroutine owns it and waits for its end.
type child struct {
	cmd  *exec.Cmd
	done chan struct{} // closed at the end of the program
	err  error         // how it ended; may be read once done is closed
}

// run keeps the thread that forks until the child has ended, because Linux ends a child with its parent's thread.
func run(cmd *exec.Cmd) (*child, error) {
	c := &child{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		if c.err = cmd.Wait(); c.err == nil {
			c.err = errors.New("exit status 0")
		}
		close(c.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("run %s: %w", cmd.Path, err)
	}
	return c, nil
}

// headSize is ample for why a server did not start.
const headSize = 8 << 10

// head keeps the first bytes written to it. It may be read once the program has ended.
type head struct{ bytes []byte }

func (h *head) Write(p []byte) (int, error) {
	h.bytes = append(h.bytes, p[:min(len(p), headSize-len(h.bytes))]...)
	return len(p), nil
}
