package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"sync/atomic"
	"time"
)

const (
	dialTimeout = 10 * time.Second
	// idleTimeout is shorter than the keep-alive of common servers (5 s and up). A server that closes an
	// idle connection just as a paid request is written leaves that request's outcome unknown, so
	// connections are reused under load only.
	idleTimeout    = 3 * time.Second
	maxHeaderBytes = 256 << 10
)

// newTransport owns its connections: no proxy from the environment sees the credentials, no other client's requests
// share the pool, and HTTP/2 is off (see the package comment).
//
// Timeout is that of a request. Bytes that the kernel still holds when it has passed must not reach the upstream minutes later,
// when others have taken over: the kernel sends them again and again, also for a process that is stopped or dead.
func newTransport(maxConns int, timeout time.Duration, clock func() time.Time) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, Control: boundUnacknowledged(timeout)}
	return &http.Transport{
		Proxy: nil,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &conn{Conn: c, clock: clock}, nil
		},
		Protocols:              protocols,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    dialTimeout,
		DisableCompression:     true, // replies are small; a bound on bytes read is then a bound on memory
		MaxConnsPerHost:        maxConns,
		MaxIdleConns:           maxConns,
		MaxIdleConnsPerHost:    maxConns,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
}

var errElsewhere = errors.New("the base URL begins with http:// and its host is another machine by now: begin it with https://")

// onThisMachine dials as before, and gives up a connection to another machine before anything is written to it. What a name leads
// to may change, also after somebody has looked.
func onThisMachine(dial func(ctx context.Context, network, addr string) (net.Conn, error)) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if to, err := netip.ParseAddrPort(c.RemoteAddr().String()); err != nil || !to.Addr().Unmap().IsLoopback() {
			return nil, errors.Join(errElsewhere, c.Close())
		}
		return c, nil
	}
}

// The states of a conn. gotConn arms it; the first write of the request moves it on to written; a failed request
// that wrote nothing seals it.
const (
	connWritten int32 = iota // also a new connection: its TLS handshake is not a request
	connArmed
	connSealed
)

var (
	errSealed = errors.New("connection is sealed: its request was given up before the first byte")
	errLate   = errors.New("the process stood still until after the request's deadline, and no more of it is written")
)

// conn knows whether a byte was written since it was armed, and can rule out for good that one will be. It writes nothing
// of a request whose deadline has passed: a process may stand still for as long as it likes, stopped, swapped out or in a
// frozen machine, after it last looked at the clock. net/http would write when it wakes up, long after others have taken
// over, and only then notice that it is late.
type conn struct {
	net.Conn
	clock func() time.Time
	state atomic.Int32
	until atomic.Pointer[time.Time] // the deadline of its request; nil: none
}

func (c *conn) Write(p []byte) (int, error) {
	if c.late() {
		c.state.CompareAndSwap(connArmed, connSealed)
		return 0, errLate
	}
	if !c.state.CompareAndSwap(connArmed, connWritten) && c.state.Load() == connSealed {
		return 0, errSealed
	}
	return c.Conn.Write(p)
}

// late asks both clocks: the monotonic one, which nobody sets, and that on the wall, which goes on while a machine sleeps.
func (c *conn) late() bool {
	until := c.until.Load()
	if until == nil {
		return false
	}
	now := c.clock()
	return now.After(*until) || now.Round(0).After(until.Round(0))
}

// arm makes the connection ready for a request with this deadline; zero: none.
func (c *conn) arm(until time.Time) {
	if until.IsZero() {
		c.until.Store(nil)
	} else {
		c.until.Store(&until)
	}
	c.state.CompareAndSwap(connWritten, connArmed)
}

// seal reports whether nothing was written since arm. If so, nothing ever will be: net/http may still
// hold the request in its write loop when it has already reported a cancelled context.
func (c *conn) seal() bool {
	return c.state.CompareAndSwap(connArmed, connSealed) || c.state.Load() == connSealed
}

// sendTrace follows one request to its connection. net/http calls gotConn on the goroutine of RoundTrip.
type sendTrace struct {
	got   bool
	conn  *conn
	until time.Time // the request's deadline; zero: none
}

func (t *sendTrace) context(ctx context.Context) context.Context {
	t.until, _ = ctx.Deadline()
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: t.gotConn})
}

func (t *sendTrace) gotConn(info httptrace.GotConnInfo) {
	c := info.Conn
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	t.got = true
	if t.conn, _ = c.(*conn); t.conn != nil {
		t.conn.arm(t.until)
	}
}

// sent tells of a failed request whether a byte of it may have left. It is called after RoundTrip returned.
func (t *sendTrace) sent() bool {
	return t.got && (t.conn == nil || !t.conn.seal())
}
