package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/bulkreg/bulkreg/queue/redisserver/child"
)

// grace is what a child gets to end in an orderly way. A call takes 200 ms at most here.
const grace = 20 * time.Second

// Program is this program, started once more with other arguments. It dies with this one.
type Program struct {
	*child.Child
	command string // its first argument
	stdout  *outputHead
	stderr  *outputHead

	stopped bool
	peak    int64 // bytes of memory that it had at most; known once it was stopped
}

// start runs a command of this program with settings of its own.
func (r *Rig) start(settings []string, args ...string) (*Program, error) {
	p := &Program{command: args[0], stdout: newOutputHead(), stderr: newOutputHead()}
	cmd := exec.Command(r.program, args...) //nolint:gosec,noctx // it is this program; it is ended by stop, in an orderly way
	cmd.Env = slices.Concat(r.environ, settings)
	cmd.Stdout, cmd.Stderr = p.stdout, p.stderr
	var err error
	if p.Child, err = child.Start(cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.command, err)
	}
	return p, nil
}

// stop ends the program in an orderly way. Called again, it does nothing.
func (p *Program) stop() error {
	if p.stopped {
		return nil
	}
	p.stopped = true
	peak, known := residentPeak(p.Pid())
	if err := p.End(syscall.SIGTERM, grace); err != nil {
		return err
	}
	if p.peak = peak; !known {
		p.peak = residentPeakOf(p.State())
	}
	return p.failure()
}

// failure is how an ended program failed, nil if it did not.
func (p *Program) failure() error {
	if err := p.Err(); err != nil {
		return fmt.Errorf("the %s ended with %w; it said: %s", p.command, err, strings.TrimSpace(p.stderr.String()))
	}
	return nil
}

// ended is the error for a program that ended although it should not have.
func (p *Program) ended() error {
	return errors.Join(fmt.Errorf("the %s ended by itself", p.command), p.failure())
}

// residentPeak is how many bytes of memory a running process had at most; false where the system does not tell. Linux
// tells it of an ended one too, but then counts what this process had when it started that one.
func residentPeak(pid int) (int64, bool) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, false
	}
	return parseResident(string(status), "VmHWM:")
}

// residentPeakOf is residentPeak of an ended process, 0 where the system does not tell.
func residentPeakOf(state *os.ProcessState) int64 {
	usage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	peak := int64(usage.Maxrss) //nolint:unconvert // it has 32 bits on some systems
	if runtime.GOOS == "darwin" {
		return peak // in bytes; everybody else counts kilobytes
	}
	return peak << 10
}

// outputHeadSize is ample for what a program prints at its start, and for its first complaints.
const outputHeadSize = 16 << 10

// outputHead keeps the beginning of what a program prints.
type outputHead struct {
	mu    sync.Mutex
	text  []byte
	grown chan struct{} // closed, and made anew, at each write
}

func newOutputHead() *outputHead { return &outputHead{grown: make(chan struct{})} }

func (o *outputHead) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p[:min(len(p), outputHeadSize-len(o.text))]...)
	close(o.grown)
	o.grown = make(chan struct{})
	return len(p), nil
}

func (o *outputHead) String() string {
	text, _ := o.look()
	return text
}

func (o *outputHead) look() (text string, grown <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.ToValidUTF8(string(o.text), "?"), o.grown
}

// awaitLine waits until the program has printed a line that begins with prefix, and returns the rest of that line.
func (p *Program) awaitLine(ctx context.Context, prefix string) (string, error) {
	for {
		text, grown := p.stdout.look()
		for line := range strings.Lines(text) {
			if rest, ok := strings.CutPrefix(line, prefix); ok && strings.HasSuffix(rest, "\n") {
				return strings.TrimSpace(rest), nil
			}
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-p.Done():
			return "", p.ended()
		case <-grown:
		}
	}
}
