package registrar

import (
	"errors"
	"io"
	"log"
	"net"
	"net/http/httptrace"
	"sync"
	"testing"
)

func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }

func TestSeal(t *testing.T) {
	t.Parallel()
	setup := func(t *testing.T) *conn {
		near, far := net.Pipe()
		go func() {
			if _, err := io.Copy(io.Discard, far); err != nil && !errors.Is(err, io.ErrClosedPipe) {
				t.Error(err)
			}
		}()
		t.Cleanup(func() { near.Close(); far.Close() })
		return &conn{Conn: near}
	}
	t.Run("a sealed connection writes nothing", func(t *testing.T) {
		t.Parallel()
		c := setup(t)
		trace := sendTrace{}
		trace.gotConn(httptrace.GotConnInfo{Conn: c})
		if trace.sent() {
			t.Fatal("sent before any write")
		}
		if n, err := c.Write([]byte("x")); n != 0 || !errors.Is(err, errSealed) {
			t.Errorf("write = %d, %v", n, err)
		}
		if trace.sent() {
			t.Error("a second look says otherwise")
		}
	})
	t.Run("a write counts from its beginning", func(t *testing.T) {
		t.Parallel()
		c := setup(t)
		if _, err := c.Write([]byte("handshake")); err != nil {
			t.Fatal(err)
		}
		trace := sendTrace{}
		trace.gotConn(httptrace.GotConnInfo{Conn: c})
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if !trace.sent() {
			t.Error("not sent after a write")
		}
	})
	t.Run("a failed write counts", func(t *testing.T) {
		t.Parallel()
		c := setup(t)
		trace := sendTrace{}
		trace.gotConn(httptrace.GotConnInfo{Conn: c})
		c.Close()
		if _, err := c.Write([]byte("x")); err == nil {
			t.Fatal("a closed connection was written to")
		}
		if !trace.sent() {
			t.Error("not sent, although a write began")
		}
	})
	t.Run("unknown connections count as sent", func(t *testing.T) {
		t.Parallel()
		trace := sendTrace{}
		if trace.sent() {
			t.Error("sent without a connection")
		}
		trace.gotConn(httptrace.GotConnInfo{Conn: setup(t).Conn})
		if !trace.sent() {
			t.Error("not sent on a connection that cannot be sealed")
		}
	})
	t.Run("write and seal race", func(t *testing.T) {
		t.Parallel()
		for range 1000 {
			c := setup(t)
			trace := sendTrace{}
			trace.gotConn(httptrace.GotConnInfo{Conn: c})
			var wg sync.WaitGroup
			var written int
			var err error
			wg.Go(func() { written, err = c.Write([]byte("x")) })
			sent := trace.sent()
			wg.Wait()
			if sent != (written == 1) || sent != (err == nil) {
				t.Fatalf("sent %v, %d bytes written, error %v", sent, written, err)
			}
		}
	})
}
