package store_test

import (
	"net/netip"
	"testing"
)

// The test's own server speaks without TLS, on this machine.
func TestUnencrypted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	host, err := b.store.Unencrypted(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	encrypted := get[bool](b, `SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()`)
	address := get[*netip.Addr](b, `SELECT inet_server_addr()`)
	switch {
	case encrypted || address == nil:
		if host != "" {
			t.Errorf("it leads to %s unencrypted, and does not", host)
		}
	case host != address.String():
		t.Errorf("it leads to %q, and the server is at %s", host, address)
	}
}
