// Package listener bounds what a port takes of its process. It knows nothing of what is said on a connection, but for whether
// somebody is served on it.
package listener

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// boundedListener holds at most so many connections. When there are more, it closes the oldest that nobody is served on, then the oldest
// that nobody vouches for, and otherwise the newest: whoever opens connections takes none from those who are known, and what the
// process may open is never used up.
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
	kept     int  // requests on it that somebody vouches for
}

// Bound bounds the connections of a listener, and has a server tell it which of them are served.
func Bound(listener net.Listener, most int, server *http.Server) net.Listener {
	l := &boundedListener{Listener: listener, most: most}
	server.ConnState = l.note
	server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		if c, ok := boundedOf(conn); ok {
			return context.WithValue(ctx, connKey{}, c)
		}
		return ctx
	}
	return l
}

type connKey struct{}

// Keep vouches for the request of a context: its connection is not closed for another one before done is called.
func Keep(request context.Context) (done func()) {
	c, ok := request.Value(connKey{}).(*boundedConn)
	if !ok {
		return func() {}
	}
	c.keep(1)
	return func() { c.keep(-1) }
}

func (c *boundedConn) keep(n int) {
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	c.kept += n
}

// boundedOf finds our connection. With TLS the server knows the one that is spoken over it.
func boundedOf(conn net.Conn) (*boundedConn, bool) {
	if over, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = over.NetConn()
	}
	c, ok := conn.(*boundedConn)
	return c, ok
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
		surplus = l.dispensable()
	}
	l.mu.Unlock()
	if surplus != nil {
		_ = surplus.Close() // whoever is served on it finds out
	}
	return c, nil
}

// dispensable is the connection that is closed for another one. The newest is asked about last: its request has not been read yet.
func (l *boundedListener) dispensable() *boundedConn {
	newest := l.conns[len(l.conns)-1]
	var known *boundedConn // the oldest that is served and that nobody vouches for
	for _, c := range l.conns[:len(l.conns)-1] {
		switch {
		case !c.served:
			return c
		case c.kept == 0 && known == nil:
			known = c
		}
	}
	if known != nil {
		return known
	}
	return newest
}

func (l *boundedListener) note(conn net.Conn, state http.ConnState) {
	c, ok := boundedOf(conn)
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
