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
	"net/url"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
)

// databases is how many databases a server of ours has. Database 0 stays empty.
const databases = 1024

// The tests of a package share nothing but their process, so the server that they share can only hang on the
// process. It is there while a test holds it.
var shared struct {
	mu      sync.Mutex
	process *Process
	holders int
	next    int // database to hand out next
}

// New returns the URL of an empty database that no other test uses until this one ends.
func New(t testing.TB) string {
	t.Helper()
	if given := os.Getenv("TEST_REDIS_URL"); given != "" {
		return lease(t, given)
	}
	process, database, err := hold(t.Context())
	if err != nil {
		t.Fatalf("redistest: %v (or set TEST_REDIS_URL to a server that tests may use)", err)
	}
	t.Cleanup(func() {
		if err := release(); err != nil {
			t.Errorf("redistest: %v", err)
		}
	})
	if err := process.flush(t.Context(), database); err != nil {
		t.Fatalf("redistest: %v", err)
	}
	return process.url(database)
}

// hold starts the shared server unless it runs, and takes one of its databases. A database comes round again after
// 1,023 others. That many tests do not run at once.
func hold(ctx context.Context) (*Process, int, error) {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.process == nil {
		process, err := startProcess(ctx, "")
		if err != nil {
			return nil, 0, err
		}
		shared.process = process
	}
	shared.holders++
	shared.next = shared.next%(databases-1) + 1
	return shared.process, shared.next, nil
}

func release() error {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	shared.holders--
	if shared.holders > 0 {
		return nil
	}
	process := shared.process
	shared.process = nil
	return process.Kill()
}

// Server starts a redis-server for this test alone, which the test may kill, pause, restart and empty.
func Server(t testing.TB) *Process {
	t.Helper()
	process, err := startProcess(t.Context(), "")
	if err != nil {
		t.Fatalf("redistest: %v", err)
	}
	t.Cleanup(func() {
		if err := process.Kill(); err != nil {
			t.Errorf("redistest: %v", err)
		}
	})
	return process
}

// flush empties one database.
func (p *Process) flush(ctx context.Context, database int) error {
	return withClient(ctx, p.url(database), func(ctx context.Context, client *redis.Client) error {
		return client.FlushDB(ctx).Err()
	})
}

func (p *Process) url(database int) string {
	u := url.URL{
		Scheme: "redis", User: url.UserPassword("", p.password),
		Host: "127.0.0.1:" + strconv.Itoa(p.port), Path: "/" + strconv.Itoa(database),
	}
	return u.String()
}
