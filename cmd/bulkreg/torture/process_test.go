package torture

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/queue/redisserver/child"
)

// process is one bulkreg. It dies with the test, and everything it says is kept in a file.
type process struct {
	*child.Child
	name string
	log  string // the file
}

// startProcess starts the binary with these settings and nothing else in its environment.
func startProcess(t *testing.T, dir, name string, environ []string, args ...string) *process {
	t.Helper()
	path, err := bulkreg.path(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := &process{name: name, log: filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".log")}
	log, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := log.Close(); err != nil { // the child has its own
			t.Error(err)
		}
	}()
	cmd := exec.Command(path, args...)
	cmd.Env = environ
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = log, log
	if p.Child, err = child.Start(cmd); err != nil {
		t.Fatal(err)
	}
	return p
}

// alive says whether it has not ended. A stopped one is alive.
func (p *process) alive() bool {
	select {
	case <-p.Done():
		return false
	default:
		return true
	}
}

// killed says whether SIGKILL ended it. It may be asked for when it has ended.
func (p *process) killed() bool {
	status, ok := p.State().Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// said is what it has said so far.
func (p *process) said(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(p.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// tail is the end of what it has said.
func (p *process) tail(t *testing.T, lines int) string {
	t.Helper()
	all := strings.Split(strings.TrimSpace(p.said(t)), "\n")
	if left := len(all) - lines; left > 0 {
		all = append([]string{fmt.Sprintf("... %d lines before ...", left)}, all[left:]...)
	}
	return strings.Join(all, "\n")
}

// tick is how often something is looked at that no signal tells of.
const tick = 20 * time.Millisecond

// await waits until something holds that no signal tells of. What fails meanwhile counts as not so yet: much of
// what is looked at here is broken on purpose.
func await(t *testing.T, what string, patience time.Duration, holds func() (bool, error)) {
	t.Helper()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		ok, err := holds()
		if ok && err == nil {
			return
		}
		select {
		case <-timeout.C:
			t.Fatalf("not within %v: %s (%v)", patience, what, err)
		case <-t.Context().Done():
			t.Fatalf("the test ended: %s", what)
		case <-ticker.C:
		}
	}
}

// pass lets time go by that a fault is to last.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}
