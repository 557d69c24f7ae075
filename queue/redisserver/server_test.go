package redisserver

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func started(t *testing.T) *Server {
	t.Helper()
	s, err := Start(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Kill(); err != nil {
			t.Error(err)
		}
	})
	return s
}

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

func wantSize(t *testing.T, url string, want int64) {
	t.Helper()
	if n, err := connect(t, url).DBSize(t.Context()).Result(); err != nil || n != want {
		t.Errorf("%d keys, %v; want %d", n, err, want)
	}
}

// fill puts one key into a database that should be empty.
func fill(t *testing.T, url string) {
	t.Helper()
	wantSize(t, url, 0)
	if err := connect(t, url).Set(t.Context(), "key", "value", 0).Err(); err != nil {
		t.Error(err)
	}
	wantSize(t, url, 1)
}

func TestServerIsSetUpAsDocumented(t *testing.T) {
	t.Parallel()
	client := connect(t, started(t).URL())
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
	s := started(t)
	err := connect(t, strings.Replace(s.URL(), s.password, "guess", 1)).Ping(t.Context()).Err()
	if err == nil || !strings.Contains(err.Error(), "WRONGPASS") {
		t.Errorf("with a wrong password: %v", err)
	}
}

func TestKillLosesEverythingAndRestartKeepsTheURL(t *testing.T) {
	t.Parallel()
	s := started(t)
	fill(t, s.URL())
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
		fill(t, s.URL())
	}
}

func TestPausedServerAnswersAfterResume(t *testing.T) {
	t.Parallel()
	s := started(t)
	client := connect(t, s.URL())
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
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
	s := started(t)
	if err := s.Pause(); err != nil {
		t.Fatal(err)
	}
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
}

func TestFlushEmptiesOneDatabaseAndFlushAllEveryOne(t *testing.T) {
	t.Parallel()
	s := started(t)
	first, last := s.URL(), s.DatabaseURL(Databases-1)
	fill(t, first)
	fill(t, last)
	if err := Flush(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	wantSize(t, first, 0)
	wantSize(t, last, 1)
	fill(t, first)
	if err := s.FlushAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantSize(t, first, 0)
	wantSize(t, last, 0)
}

func TestExchangeHidesThePasswordOfABadURL(t *testing.T) {
	t.Parallel()
	unused := func(context.Context, *redis.Client) error { return nil }
	err := Exchange(t.Context(), "redis://:sec%ret@localhost", unused)
	if err == nil || strings.Contains(err.Error(), "sec") {
		t.Errorf("exchange: %v", err)
	}
}

func TestMissingBinary(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := Start(t.Context(), Options{BinDir: dir})
	if !errors.Is(err, ErrNotInstalled) {
		t.Errorf("start: %v", err)
	}
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
	_, err = Start(t.Context(), Options{BinDir: dir})
	for _, want := range []string{"redis ended: exit status 3", "it said: no memory for you"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
}

// openDir is a temporary folder that other users can enter; t.TempDir is not.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "redisserver-")
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
