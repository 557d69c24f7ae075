package upstream

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http/httptrace"
	"sync"
	"testing"
	"time"
)

// A process that stood still past the deadline of its request writes no byte of it any more, and says so.
func TestLateRequestIsNotWritten(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		written bool          // the first bytes left in time
		asleep  time.Duration // before the next
		late    bool
	}{
		"in time":                   {asleep: 29 * time.Second},
		"before the first byte":     {asleep: 31 * time.Second, late: true},
		"in time, and going on":     {written: true, asleep: 29 * time.Second},
		"in the middle of the body": {written: true, asleep: 31 * time.Second, late: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			near, far := net.Pipe()
			defer near.Close()
			received := make(chan int)
			go func() {
				n, _ := io.Copy(io.Discard, far) //nolint:errcheck // it ends when the other end is closed
				received <- int(n)
			}()
			now := time.Now()
			c := &conn{Conn: near, clock: func() time.Time { return now }}
			ctx, cancel := context.WithDeadline(t.Context(), now.Add(30*time.Second))
			defer cancel()
			var trace sendTrace
			trace.context(ctx)
			trace.gotConn(httptrace.GotConnInfo{Conn: c})
			want := 0
			write := func() error {
				_, err := c.Write([]byte("bytes"))
				if err == nil {
					want += len("bytes")
				}
				return err
			}
			if tc.written {
				if err := write(); err != nil {
					t.Fatal(err)
				}
			}
			now = now.Add(tc.asleep)
			if err := write(); errors.Is(err, errLate) != tc.late {
				t.Errorf("writing after %v: %v", tc.asleep, err)
			}
			if sent := trace.sent(); sent != (tc.written || !tc.late) {
				t.Errorf("sent is %t", sent)
			}
			if err := near.Close(); err != nil {
				t.Fatal(err)
			}
			if got := <-received; got != want {
				t.Errorf("%d bytes arrived, want %d", got, want)
			}
		})
	}
}

// A machine that sleeps stops the monotonic clock, and not the one on the wall.
func TestLateByTheClockOnTheWall(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	c := &conn{clock: func() time.Time { return begun.Round(0).Add(time.Minute) }}
	c.arm(begun.Add(30 * time.Second))
	if !c.late() {
		t.Error("not late")
	}
	c.arm(time.Time{})
	if c.late() {
		t.Error("a request without a deadline is late")
	}
}

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
		return &conn{Conn: near, clock: time.Now}
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
