package pg

import (
	"context"
	"crypto/tls"
	"net"
)

// Unencrypted is the host that the database's address led to, if what goes there is not encrypted; "" if it is, or if it stays on
// this machine, in a socket.
func (s *DB) Unencrypted(ctx context.Context) (host string, err error) {
	conn, err := s.Pool.Acquire(ctx)
	if err != nil {
		return "", Failure("look whether the connection is encrypted", err)
	}
	defer conn.Release()
	under := conn.Conn().PgConn().Conn()
	if _, encrypted := under.(*tls.Conn); encrypted {
		return "", nil
	}
	tcp, ok := under.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return "", nil
	}
	return tcp.IP.String(), nil
}
