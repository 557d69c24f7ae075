package sandbox

import (
	"slices"
	"sync"
)

// Request is a received request, as hooks and gates see it.
type Request struct {
	Seq     int // of its Call
	Op      Op
	Account string
	Domains []string
}

// Point is where a gate stands.
type Point string

// The points of a request at which a gate can stand.
const (
	BeforeEffect Point = "before-effect" // received, nothing done yet
	BeforeReply  Point = "before-reply"  // all done, no byte of reply sent
)

// Gate keeps requests in flight until it is told to let them go, so that a test can act at that very moment
// instead of sleeping. A held request stays held although its client gives up.
type Gate struct {
	op      Op
	point   Point
	owner   *gates
	held    chan Request
	next    chan struct{}
	opened  chan struct{}
	opening sync.Once
}

// Hold sets up a gate for the requests of op, or of all with OpAny. Release it, or Close the sandbox, before
// waiting for its server to end.
func (s *Sandbox) Hold(op Op, point Point) *Gate {
	g := &Gate{
		op: op, point: point, owner: s.gates,
		held: make(chan Request), next: make(chan struct{}), opened: make(chan struct{}),
	}
	s.gates.add(g)
	return g
}

// Held gives each request that has come to the gate, once. Reading it does not let the request go.
func (g *Gate) Held() <-chan Request { return g.held }

// Next lets go one request that was read from Held. It waits until there is one.
func (g *Gate) Next() {
	select {
	case g.next <- struct{}{}:
	case <-g.opened:
	case <-g.owner.done:
	}
}

// Release takes the gate away and lets every request go. Releasing twice does nothing.
func (g *Gate) Release() {
	g.opening.Do(func() {
		close(g.opened)
		g.owner.remove(g)
	})
}

// wait holds a request at the gate: first until somebody takes note of it, then until it may go.
func (g *Gate) wait(r Request) {
	select {
	case g.held <- r:
	case <-g.opened:
		return
	case <-g.owner.done:
		return
	}
	select {
	case <-g.next:
	case <-g.opened:
	case <-g.owner.done:
	}
}

type gates struct {
	done <-chan struct{} // the sandbox is closed

	mu   sync.Mutex
	list []*Gate
}

func (gs *gates) add(g *Gate) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	gs.list = append(gs.list, g)
}

func (gs *gates) remove(g *Gate) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	gs.list = slices.DeleteFunc(gs.list, func(other *Gate) bool { return other == g })
}

// wait takes a request through every gate that stands at a point.
func (gs *gates) wait(point Point, r Request) {
	for _, g := range gs.at(point, r.Op) {
		g.wait(r)
	}
}

func (gs *gates) at(point Point, op Op) []*Gate {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	var found []*Gate
	for _, g := range gs.list {
		if g.point == point && (g.op == OpAny || g.op == op) {
			found = append(found, g)
		}
	}
	return found
}
