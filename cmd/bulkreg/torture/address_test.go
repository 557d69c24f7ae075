package torture

import (
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// pgNetwork is where a Postgres listens, in the terms of net.Dial. A host that is a path is the folder of a Unix socket.
func pgNetwork(c *pgx.ConnConfig) (network, address string) {
	port := strconv.Itoa(int(c.Port))
	if filepath.IsAbs(c.Host) {
		return "unix", filepath.Join(c.Host, ".s.PGSQL."+port)
	}
	return "tcp", net.JoinHostPort(c.Host, port)
}

func pgUser(c *pgx.ConnConfig) string {
	if c.Password == "" {
		return url.User(c.User).String()
	}
	return url.UserPassword(c.User, c.Password).String()
}

// address is a URL without its scheme.
func address(url string) string { return strings.TrimPrefix(url, "http://") }
