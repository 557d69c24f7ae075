package registrar

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
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
func newTransport(maxConns int) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy: nil,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &conn{Conn: c}, nil
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

// The states of a conn. gotConn arms it; the first write of the request moves it on to written; a failed request
// that wrote nothing seals it.
const (
	connWritten int32 = iota // also a new connection: its TLS handshake is not a request
	connArmed
	connSealed
)

var errSealed = errors.New("connection is sealed: its request was given up before the first byte")

// conn knows whether a byte was written since it was armed, and can rule out for good that one will be.
type conn struct {
	net.Conn
	state atomic.Int32
}

func (c *conn) Write(p []byte) (int, error) {
	if !c.state.CompareAndSwap(connArmed, connWritten) && c.state.Load() == connSealed {
		return 0, errSealed
	}
	return c.Conn.Write(p)
}

func (c *conn) arm() { c.state.CompareAndSwap(connWritten, connArmed) }

// seal reports whether nothing was written since arm. If so, nothing ever will be: net/http may still
// hold the request in its write loop when it has already reported a cancelled context.
func (c *conn) seal() bool {
	return c.state.CompareAndSwap(connArmed, connSealed) || c.state.Load() == connSealed
}

// sendTrace follows one request to its connection. net/http calls gotConn on the goroutine of RoundTrip.
type sendTrace struct {
	got  bool
	conn *conn
}

func (t *sendTrace) context(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: t.gotConn})
}

func (t *sendTrace) gotConn(info httptrace.GotConnInfo) {
	c := info.Conn
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	t.got = true
	if t.conn, _ = c.(*conn); t.conn != nil {
		t.conn.arm()
	}
}

// sent tells of a failed request whether a byte of it may have left. It is called after RoundTrip returned.
func (t *sendTrace) sent() bool {
	return t.got && (t.conn == nil || !t.conn.seal())
}
