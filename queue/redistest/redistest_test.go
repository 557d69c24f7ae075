package redistest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
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

func TestServerIsSetUpAsDocumented(t *testing.T) {
	t.Parallel()
	client := connect(t, Server(t).URL())
	for name, want := range map[string]string{
		"save": "", "appendonly": "no", "maxmemory-policy": "noeviction", "bind": "127.0.0.1", "databases": "1024",
	} {
		if got, err := client.ConfigGet(t.Context(), name).Result(); err != nil || got[name] != want {
			t.Errorf("%s = %q, %v; want %q", name, got[name], err, want)
		}
	}
}

func TestServerWantsThePassword(t *testing.T) {
	t.Parallel()
	s := Server(t)
	err := connect(t, strings.Replace(s.URL(), s.password, "guess", 1)).Ping(t.Context()).Err()
	if err == nil || !strings.Contains(err.Error(), "WRONGPASS") {
		t.Errorf("with a wrong password: %v", err)
	}
}

func TestKillLosesEverythingAndRestartKeepsTheURL(t *testing.T) {
	t.Parallel()
	s := Server(t)
	useAlone(t, s.URL())
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Done():
	default:
		t.Error("Done is open after Kill")
	}
	if err := s.knock(t.Context()); err == nil {
		t.Error("a killed server answers")
	}
	if err := s.Pause(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("pausing a dead server: %v", err)
	}
	if err := s.Kill(); err != nil {
		t.Errorf("second kill: %v", err)
	}
	for range 2 { // of a dead server, then of a living one
		if err := s.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		useAlone(t, s.URL())
	}
}

func TestPausedServerAnswersAfterResume(t *testing.T) {
	t.Parallel()
	s := Server(t)
	client := connect(t, s.URL())
	wantSize(t, client, 0)
	if err := s.Pause(); err != nil {
		t.Fatal(err)
	}
	answer := make(chan error)
	go func() { answer <- client.Ping(t.Context()).Err() }()
	select {
	case err := <-answer:
		t.Errorf("a paused server answered: %v", err)
		return
	case <-time.After(50 * time.Millisecond):
	}
	if err := s.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; err != nil {
		t.Errorf("after Resume: %v", err)
	}
}

func TestPausedServerCanBeKilled(t *testing.T) {
	t.Parallel()
	s := Server(t)
	if err := s.Pause(); err != nil {
		t.Fatal(err)
	}
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
}

func TestFlushAllEmptiesEveryDatabase(t *testing.T) {
	t.Parallel()
	s := Server(t)
	useAlone(t, s.url(0))
	useAlone(t, s.url(1023))
	if err := s.FlushAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantSize(t, connect(t, s.url(0)), 0)
	wantSize(t, connect(t, s.url(1023)), 0)
}

func TestMissingBinary(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := startProcess(t.Context(), dir)
	for _, want := range []string{"redis-server", "valkey-server", dir, "apt-get install redis-server", "brew install redis"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
}

func TestFailedStartSaysWhatRedisSaid(t *testing.T) {
	t.Parallel()
	dir := openDir(t)
	script := "#!/bin/sh\necho no memory for you\nexit 3\n"
	// A process that another test forks meanwhile would hold the script open for writing: "text file busy".
	syscall.ForkLock.RLock()
	// Under its other name, which is tried when there is no redis-server.
	err := os.WriteFile(dir+"/valkey-server", []byte(script), 0o755)
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	_, err = startProcess(t.Context(), dir)
	for _, want := range []string{"redis ended: exit status 3", "it said: no memory for you"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
}

// openDir is a temporary folder that other users can enter; t.TempDir is not.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "redistest-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
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
	for database := 1; database < databases-4; database++ {
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
	wantSize(t, leases, databases-5)
	for database := databases - 4; database < databases; database++ {
		wantSize(t, connect(t, s.url(database)), 0)
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
	for database := 1; database < databases; database++ {
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
