// Package listener bounds what a port takes of its process. It knows nothing of what is said on a connection, but for whether
// somebody is served on it.
package listener

import (
	"net"
	"net/http"
	"sync"
)

// boundedListener holds at most so many connections. When there are more, it closes the oldest that nobody is served on, and
// otherwise the newest: whoever opens connections takes none from those who are served, and what the process may open is never used up.
type boundedListener struct {
	net.Listener
	most int

	mu    sync.Mutex
	conns []*boundedConn // the oldest first
}

type boundedConn struct {
	net.Conn
	listener *boundedListener
	served   bool // it has begun to ask
}

// Bound bounds the connections of a listener, and has a server tell it which of them are served.
func Bound(listener net.Listener, most int, server *http.Server) net.Listener {
	l := &boundedListener{Listener: listener, most: most}
	server.ConnState = l.note
	return l
}

// Accept implements net.Listener.
func (l *boundedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &boundedConn{Conn: conn, listener: l}
	l.mu.Lock()
	l.conns = append(l.conns, c)
	var surplus *boundedConn
	if len(l.conns) > l.most {
		surplus = l.oldest()
	}
	l.mu.Unlock()
	if surplus != nil {
		_ = surplus.Close() // whoever is served on it finds out
	}
	return c, nil
}

// oldest is the oldest connection that nobody is served on. The newest is one.
func (l *boundedListener) oldest() *boundedConn {
	for _, c := range l.conns {
		if !c.served {
			return c
		}
	}
	return l.conns[len(l.conns)-1] // it has begun to ask already
}

func (l *boundedListener) note(conn net.Conn, state http.ConnState) {
	if over, ok := conn.(interface{ NetConn() net.Conn }); ok { // with TLS the server knows the connection that is spoken over ours
		conn = over.NetConn()
	}
	c, ok := conn.(*boundedConn)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c.served = state == http.StateActive
}

// Close implements net.Conn.
func (c *boundedConn) Close() error {
	c.listener.forget(c)
	return c.Conn.Close()
}

func (l *boundedListener) forget(c *boundedConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, other := range l.conns {
		if other == c {
			l.conns = append(l.conns[:i], l.conns[i+1:]...)
			return
		}
	}
}
