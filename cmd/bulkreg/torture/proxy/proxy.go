// Package proxy is a TCP proxy that does to a line what networks do: cut it, refuse it, slow it down, swallow what
// passes, or lose one reply. Each fault is counted when it really happens.
//
// It serves tests. It must never change or repeat a byte that it lets pass, and never let a line live on from which it
// has swallowed something.
package proxy

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// Counts are how often each fault has happened so far.
type Counts struct {
	Lines     int // accepted and connected through
	Cut       int // lines closed
	Refused   int // lines closed as soon as they were opened
	Delayed   int // pieces of data held back
	Swallowed int // bytes that went nowhere, those of dropped replies left out
	Dropped   int // replies whose request went through
	Trickled  int // bytes of replies that were sent one by one
	Frozen    int // transactions that stand still, or stood
}

// mode is what happens to whatever passes.
type mode int

const (
	passing mode = iota
	refusing
	delaying
	swallowing
	trickling
)

// Proxy passes lines on to a target. Its methods may be called by any goroutine.
type Proxy struct {
	network, target string
	postgres        bool
	listener        net.Listener
	running         sync.WaitGroup

	mu      sync.Mutex
	mode    mode
	every   time.Duration // of delaying and trickling
	changed chan struct{} // closed, and made anew, when the mode changes
	lines   map[*line]struct{}
	closed  bool
	drop    string // the next request that holds this loses its reply; "" is none
	commit  string // the next transaction with such a statement loses the reply to its commit; "" is none
	freeze  string // the next transaction with such a statement stands still after it; "" is none
	counts  Counts
}

// Listen starts a proxy on a free loopback port. Network and target are those of net.Dial.
func Listen(network, target string) (*Proxy, error) { return listen(network, target, false) }

// ListenPostgres is Listen before a Postgres that is spoken to in the clear: the proxy reads along.
func ListenPostgres(network, target string) (*Proxy, error) { return listen(network, target, true) }

func listen(network, target string, postgres bool) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start proxy: %w", err)
	}
	p := &Proxy{
		network: network, target: target, postgres: postgres, listener: listener,
		changed: make(chan struct{}), lines: map[*line]struct{}{},
	}
	p.running.Go(p.accept)
	return p, nil
}

// Addr is where clients connect to: host and port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Close cuts every line and waits until nothing runs any more.
func (p *Proxy) Close() error {
	err := p.listener.Close()
	p.mu.Lock()
	p.closed = true
	p.cutAll()
	p.mu.Unlock()
	p.running.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Counts are how often each fault has happened so far.
func (p *Proxy) Counts() Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts
}

// Cut closes every line and returns how many those were. New ones are let through.
func (p *Proxy) Cut() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cutAll()
}

// Refuse cuts every line and closes each new one at once, until Heal.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set(refusing, 0)
	p.cutAll()
}

// Delay holds each piece of data back for d, in both directions, until Heal.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set(delaying, d)
}

// BlackHole lets lines be opened and swallows all data, in both directions, until Heal.
func (p *Proxy) BlackHole() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set(swallowing, 0)
}

// Trickle sends replies one byte each interval, until Heal.
func (p *Proxy) Trickle(every time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set(trickling, every)
}

// Heal lets everything pass again. Lines that have lost data are cut.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set(passing, 0)
	for l := range p.lines {
		if l.lost {
			p.cut(l)
		}
	}
}

// DropReply lets the next request through in which the text stands, swallows what comes back, and cuts the line. The
// text must lie within one piece of data, as a request line does.
func (p *Proxy) DropReply(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop = text
}

// DropCommit lets the next transaction through that has a statement in which the text stands, swallows the reply to its
// commit, and cuts the line: it is committed, and nobody knows. A statement outside of a transaction block is one by
// itself.
func (p *Proxy) DropCommit(statement string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.commit = statement
}

// Freeze lets the next transaction block stand still, until Heal, after a statement in which the text stands: Postgres carries the
// statement out, nothing more passes in either direction, and neither end learns that the other has gone. So it looks when a client
// loses its power, or its network.
func (p *Proxy) Freeze(statement string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.freeze = statement
}

// Disarm forgets what was to be dropped, or to stand still, and has not come.
func (p *Proxy) Disarm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop, p.commit, p.freeze = "", "", ""
}

// set changes the mode; the caller holds the lock, as with everything below that is said to.
func (p *Proxy) set(m mode, every time.Duration) {
	p.mode, p.every = m, every
	close(p.changed)
	p.changed = make(chan struct{})
}

// cutAll closes every line; the caller holds the lock.
func (p *Proxy) cutAll() int {
	n := 0
	for l := range p.lines {
		n += p.cut(l)
	}
	return n
}

// cut closes a line once; the caller holds the lock.
func (p *Proxy) cut(l *line) int {
	if _, open := p.lines[l]; !open {
		return 0
	}
	delete(p.lines, l)
	l.close()
	p.counts.Cut++
	return 1
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.serve(client) })
	}
}

const dialTimeout = 5 * time.Second

// serve passes one line on until it ends.
func (p *Proxy) serve(client net.Conn) {
	if p.refuses(client) {
		return
	}
	server, err := net.DialTimeout(p.network, p.target, dialTimeout)
	if err != nil {
		hangUp(client) // the target refuses, and so do we
		return
	}
	l := &line{proxy: p, client: client, server: server, ended: make(chan struct{})}
	if p.postgres {
		l.session = newSession()
	}
	if !p.enter(l) {
		l.close()
		return
	}
	p.running.Go(l.replies)
	l.requests()
}

// refuses closes a line that may not be opened.
func (p *Proxy) refuses(client net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mode != refusing && !p.closed {
		return false
	}
	p.counts.Refused++
	hangUp(client)
	return true
}

func (p *Proxy) enter(l *line) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.mode == refusing {
		return false
	}
	p.lines[l] = struct{}{}
	p.counts.Lines++
	return true
}

// leave forgets a line that one of its ends has closed.
func (p *Proxy) leave(l *line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.lines, l)
	l.close()
}

// count changes the counts, and perhaps more, under the lock.
func (p *Proxy) count(change func(*Counts)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.counts)
}

// now is the mode, its interval, and what to watch for a change.
func (p *Proxy) now() (mode, time.Duration, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mode, p.every, p.changed
}

// dropsReplyTo says, once, that a request's reply is to be dropped.
func (p *Proxy) dropsReplyTo(request []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drop == "" || !strings.Contains(string(request), p.drop) {
		return false
	}
	p.drop = ""
	return true
}

// dropsCommitOf says, once, that the commit of a statement's transaction is to go unanswered.
func (p *Proxy) dropsCommitOf(statement string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.commit == "" || !strings.Contains(statement, p.commit) {
		return false
	}
	p.commit = ""
	return true
}

// freezesAfter says, once, that a transaction is to stand still after a statement.
func (p *Proxy) freezesAfter(statement string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.freeze == "" || !strings.Contains(statement, p.freeze) {
		return false
	}
	p.freeze = ""
	p.counts.Frozen++
	return true
}

// rearm waits for another transaction, because the one that was chosen has been rolled back.
func (p *Proxy) rearm(statement string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.commit = statement
}

// hangUp closes a line with a reset, so that nobody takes it for an orderly end.
func hangUp(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a line that cannot be reset is closed all the same
	}
	_ = c.Close() // it is given up; there is nobody to tell
}
