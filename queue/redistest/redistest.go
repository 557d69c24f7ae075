// Package redistest gives every test a fresh, empty Redis.
//
// If TEST_REDIS_URL is set, a test gets one of that server's numbered databases for itself, emptied; any number of
// test programs may share the server. Otherwise the tests of a program share one redis-server (or valkey-server),
// which runs as long as one of them needs it.
//
// It must never touch a database of a given server without a lease on it, nor anything in database 0 but these
// leases, and must never be imported by anything but tests.
package redistest

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/bulkreg/bulkreg/queue/redisserver"
)

// The tests of a package share nothing but their process, so the server that they share can only hang on the
// process. It is there while a test holds it.
var shared struct {
	mu      sync.Mutex
	server  *redisserver.Server
	holders int
	next    int // database to hand out next
}

// New returns the URL of an empty database that no other test uses until this one ends.
func New(t testing.TB) string {
	t.Helper()
	if given := os.Getenv("TEST_REDIS_URL"); given != "" {
		return lease(t, given)
	}
	url, err := hold(t.Context())
	if err != nil {
		t.Fatalf("redistest: %v (or set TEST_REDIS_URL to a server that tests may use)", err)
	}
	t.Cleanup(func() {
		if err := release(); err != nil {
			t.Errorf("redistest: %v", err)
		}
	})
	if err := redisserver.Flush(t.Context(), url); err != nil {
		t.Fatalf("redistest: %v", err)
	}
	return url
}

// hold starts the shared server unless it runs, and takes one of its databases; database 0 stays empty. A database
// comes round again after 1,023 others. That many tests do not run at once.
func hold(ctx context.Context) (url string, err error) {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.server == nil {
		server, err := redisserver.Start(ctx, redisserver.Options{})
		if err != nil {
			return "", err
		}
		shared.server = server
	}
	shared.holders++
	shared.next = shared.next%(redisserver.Databases-1) + 1
	return shared.server.DatabaseURL(shared.next), nil
}

func release() error {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	shared.holders--
	if shared.holders > 0 {
		return nil
	}
	server := shared.server
	shared.server = nil
	return server.Kill()
}

// Server starts a redis-server for this test alone, which the test may kill, pause, restart and empty.
func Server(t testing.TB) *redisserver.Server {
	t.Helper()
	server, err := redisserver.Start(t.Context(), redisserver.Options{})
	if err != nil {
		t.Fatalf("redistest: %v", err)
	}
	t.Cleanup(func() {
		if err := server.Kill(); err != nil {
			t.Errorf("redistest: %v", err)
		}
	})
	return server
}
