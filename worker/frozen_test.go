package worker_test

import (
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// freezer stands before a server and passes connections on. Those that it freezes stay open, and swallow what comes: so does a
// firewall that has forgotten them. New ones go through.
type freezer struct {
	t        *testing.T
	listener net.Listener
	target   string
	running  sync.WaitGroup

	mu    sync.Mutex
	open  map[net.Conn]struct{}
	lines []*atomic.Bool
	all   bool // new ones are frozen, too
}

func newFreezer(t *testing.T, target string) *freezer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &freezer{t: t, listener: listener, target: target, open: map[net.Conn]struct{}{}}
	f.running.Go(f.accept)
	t.Cleanup(f.close)
	return f
}

func (f *freezer) close() {
	if err := f.listener.Close(); err != nil {
		f.t.Error(err)
	}
	f.mu.Lock()
	for c := range f.open {
		f.hangUp(c)
	}
	f.mu.Unlock()
	f.running.Wait()
}

func (f *freezer) hangUp(c net.Conn) {
	if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		f.t.Error(err)
	}
}

func (f *freezer) accept() {
	for {
		near, err := f.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", f.target)
		if err != nil {
			f.t.Error(err)
			f.hangUp(near)
			continue
		}
		frozen := new(atomic.Bool)
		f.mu.Lock()
		frozen.Store(f.all)
		f.open[near], f.open[far] = struct{}{}, struct{}{}
		f.lines = append(f.lines, frozen)
		f.mu.Unlock()
		f.running.Go(func() { f.pass(far, near, frozen) })
		f.running.Go(func() { f.pass(near, far, frozen) })
	}
}

// pass passes one direction on. The end of a frozen connection is not passed on, either.
func (f *freezer) pass(to io.Writer, from net.Conn, frozen *atomic.Bool) {
	piece := make([]byte, 32<<10)
	for {
		n, err := from.Read(piece)
		if frozen.Load() {
			if err != nil {
				return
			}
			continue
		}
		if err == nil {
			_, err = to.Write(piece[:n])
		}
		if err != nil {
			f.mu.Lock()
			f.hangUp(from)
			f.hangUp(to.(net.Conn))
			f.mu.Unlock()
			return
		}
	}
}

// freeze freezes the connections that there are, and returns how many; with all those to come as well.
func (f *freezer) freeze(all bool) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = all
	for _, frozen := range f.lines {
		frozen.Store(true)
	}
	return len(f.lines)
}

// through is an address that leads through the freezer to where it led before.
func (f *freezer) through(address string) string {
	f.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		f.t.Fatal(err)
	}
	u.Host = f.listener.Addr().String()
	return u.String()
}

// hostOf is the host and port of an address.
func hostOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// Connections to Postgres freeze, and new ones go through: a failover, or a firewall that has forgotten them. Every role gives
// its statement up in time and goes on; a claim that was cut off is rescued.
func TestFrozenConnectionsAreGivenUp(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	f := newFreezer(t, hostOf(t, b.url))
	frozen, err := store.Open(t.Context(), f.through(b.url), store.Options{MaxConns: 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(frozen.Close)
	o := b.options()
	o.Store = frozen
	stop := b.work(o)
	b.settled(b.submit(queue.Whois, "before", names("a", 10)))
	if n := f.freeze(false); n == 0 {
		t.Fatal("there was no connection to freeze")
	}
	order := b.submit(queue.Register, "after", names("b", 10))
	begun := time.Now()
	if sum := b.settled(order)[0]; sum.Outcomes[record.Registered] != 10 {
		t.Errorf("ended as %v %v", sum.Counts, sum.Outcomes)
	}
	if took := time.Since(begun); took > 90*time.Second {
		t.Errorf("it took %v to give frozen connections up", took)
	}
	stop()
	b.invariants()
}
