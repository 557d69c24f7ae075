package upstream

import (
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestConnectionsAreGivenUpByTheKernel(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for timeout, want := range map[time.Duration]int{30 * time.Second: 30_000, time.Nanosecond: 1} {
		dialed, err := newTransport(1, timeout, time.Now).DialContext(t.Context(), "tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer dialed.Close()
		raw, err := dialed.(*conn).Conn.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		var got int
		if err := raw.Control(func(fd uintptr) { got, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT) }); err != nil {
			t.Fatal(err)
		}
		if err != nil || got != want {
			t.Errorf("with a timeout of %v the kernel gives up after %d ms, %v; want %d", timeout, got, err, want)
		}
	}
}

// The upstream's machine takes no bytes any more. The kernel does not hold on to ours, although nobody closes the connection.
func TestBytesAreNotHeldPastTheTimeout(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	dialed, err := newTransport(1, 200*time.Millisecond, time.Now).DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer dialed.Close()
	if err := dialed.SetWriteDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	piece := make([]byte, 1<<20)
	for err == nil { // nobody reads: some of it stays with our kernel
		_, err = dialed.Write(piece)
	}
	if !errors.Is(err, syscall.ETIMEDOUT) {
		t.Errorf("writing ended with %v, want the kernel's own timeout", err)
	}
}
