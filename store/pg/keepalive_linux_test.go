package pg

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkreg/bulkreg/store/pgtest"
)

// One who only listens would never notice that the server's machine is gone: the kernel must ask.
func TestConnectionsAreKeptAlive(t *testing.T) {
	t.Parallel()
	s, err := connect(t.Context(), pgtest.New(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	c, err := s.Pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Release()
	raw, err := c.Conn().PgConn().Conn().(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for name, option := range map[string]struct{ level, number, want int }{
		"on":       {unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		"idle":     {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 5},
		"interval": {unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 5},
		"count":    {unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 3},
	} {
		var got int
		if controlled := raw.Control(func(fd uintptr) { got, err = unix.GetsockoptInt(int(fd), option.level, option.number) }); controlled != nil {
			t.Fatal(controlled)
		}
		if err != nil || got != option.want {
			t.Errorf("keep-alive %s is %d, %v; want %d", name, got, err, option.want)
		}
	}
}
