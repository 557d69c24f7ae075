package redistest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/bulkreg/bulkreg/queue/redisserver"
)

func connect(t *testing.T, url string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	options.MaxRetries = -1
	options.DialerRetries = 1
	client := redis.NewClient(options)
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

func wantSize(t *testing.T, client *redis.Client, want int64) {
	t.Helper()
	if n, err := client.DBSize(t.Context()).Result(); err != nil || n != want {
		t.Errorf("%d keys, %v; want %d", n, err, want)
	}
}

// useAlone fails when another test shares the database.
func useAlone(t *testing.T, url string) {
	t.Helper()
	client := connect(t, url)
	wantSize(t, client, 0)
	if n, err := client.Incr(t.Context(), "users").Result(); err != nil || n != 1 {
		t.Errorf("users = %d, %v; want 1", n, err)
	}
	wantSize(t, client, 1)
}

func TestParallelTestsHaveFreshDatabases(t *testing.T) {
	t.Parallel()
	for range 20 {
		t.Run("one", func(t *testing.T) {
			t.Parallel()
			useAlone(t, New(t))
		})
	}
}

func TestDatabasesComeRoundEmpty(t *testing.T) {
	t.Parallel()
	for range 3 {
		t.Run("one", func(t *testing.T) { useAlone(t, New(t)) })
	}
}

func TestAsynqReadsTheURL(t *testing.T) {
	t.Parallel()
	url := New(t)
	option, err := asynq.ParseRedisURI(url)
	if err != nil {
		t.Fatal(err)
	}
	client := asynq.NewClient(option)
	defer client.Close()
	if _, err := client.EnqueueContext(t.Context(), asynq.NewTask("whois:check", nil)); err != nil {
		t.Fatal(err)
	}
	if n, err := connect(t, url).LLen(t.Context(), "asynq:{default}:pending").Result(); err != nil || n != 1 {
		t.Errorf("%d tasks in the test's own database, %v; want 1", n, err)
	}
}

// TestProgramsShareAServer runs tests of this package three times at once on one server with a few databases less
// than they would like to have.
func TestProgramsShareAServer(t *testing.T) {
	if os.Getenv("REDISTEST_CHILD") != "" {
		return
	}
	t.Parallel()
	s := Server(t)
	leases := connect(t, s.URL())
	// Somebody else has all databases but four.
	for database := 1; database < redisserver.Databases-4; database++ {
		if err := leases.Set(t.Context(), leaseKey(database), "somebody", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	var programs sync.WaitGroup
	for range 3 {
		programs.Go(func() {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=Fresh|Round|Asynq", "-test.timeout=2m")
			cmd.Env = append(os.Environ(), "TEST_REDIS_URL="+s.URL(), "REDISTEST_CHILD=yes")
			if output, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, output)
			}
		})
	}
	programs.Wait()
	wantSize(t, leases, redisserver.Databases-5)
	for database := redisserver.Databases - 4; database < redisserver.Databases; database++ {
		wantSize(t, connect(t, s.DatabaseURL(database)), 0)
	}
}

func TestLostLeaseIsNotGivenBack(t *testing.T) {
	t.Parallel()
	s := Server(t)
	client := connect(t, s.URL())
	database, err := claim(t.Context(), s.URL(), "mine", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if ttl, err := client.TTL(t.Context(), leaseKey(database)).Result(); err != nil || ttl <= 0 || ttl > time.Hour {
		t.Errorf("the lease ends in %v, %v", ttl, err)
	}
	if err := client.Set(t.Context(), leaseKey(database), "somebody's", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := giveBack(t.Context(), s.URL(), database, "mine"); err != nil {
		t.Fatal(err)
	}
	if holder, err := client.Get(t.Context(), leaseKey(database)).Result(); err != nil || holder != "somebody's" {
		t.Errorf("the lease is held by %q, %v", holder, err)
	}
}

func TestClaimEndsWhenNothingIsFree(t *testing.T) {
	t.Parallel()
	s := Server(t)
	client := connect(t, s.URL())
	for database := 1; database < redisserver.Databases; database++ {
		if err := client.Set(t.Context(), leaseKey(database), strconv.Itoa(database), 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if database, err := claim(ctx, s.URL(), "mine", time.Hour); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("claim = %d, %v", database, err)
	}
}

func TestWithDatabase(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"redis://localhost:6379":               "redis://localhost:6379/7",
		"redis://:secret@localhost:6379/3":     "redis://:secret@localhost:6379/7",
		"rediss://user:secret@cache:6380/0?x=": "rediss://user:secret@cache:6380/7?x=",
		"localhost:6379":                       "",
		"unix:///run/redis.sock":               "",
		"redis://:sec%ret@localhost":           "",
		"":                                     "",
	} {
		got, err := withDatabase(given, 7)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("withDatabase(%q) = %q, %v; want %q", given, got, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "sec%ret") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func FuzzWithDatabase(f *testing.F) {
	f.Add("redis://:secret@localhost:6379/3")
	f.Add("rediss://u:p@[::1]:6380")
	f.Add("redis://%zz")
	f.Fuzz(func(t *testing.T, given string) {
		got, err := withDatabase(given, 7)
		if err != nil {
			return
		}
		again, err := withDatabase(got, 7)
		if err != nil || again != got {
			t.Errorf("withDatabase(%q) = %q, and of that %q, %v", given, got, again, err)
		}
	})
}
