package upstream

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// boundUnacknowledged has the kernel give a connection up when what was written to it is not acknowledged for so long. Without
// that it keeps trying for a quarter of an hour (tcp(7): TCP_USER_TIMEOUT, tcp_retries2), whatever the process does meanwhile.
func boundUnacknowledged(d time.Duration) func(network, address string, c syscall.RawConn) error {
	milliseconds := int(max(d.Milliseconds(), 1)) // 0 would be the kernel's own bound
	return func(_, _ string, c syscall.RawConn) error {
		var refused error
		err := c.Control(func(fd uintptr) {
			refused = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, milliseconds)
		})
		if err = errors.Join(err, refused); err != nil {
			return fmt.Errorf("bound time for unacknowledged bytes: %w", err)
		}
		return nil
	}
}
