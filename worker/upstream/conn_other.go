//go:build !linux

package upstream

import (
	"syscall"
	"time"
)

// boundUnacknowledged does nothing where the kernel has no such bound for each connection. A worker that is stopped there may
// have bytes sent for it for as long as the system tries.
func boundUnacknowledged(time.Duration) func(network, address string, c syscall.RawConn) error {
	return nil
}
