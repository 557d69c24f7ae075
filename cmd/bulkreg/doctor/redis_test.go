package doctor

import (
	"context"
	"errors"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/bulkreg/bulkreg/queue/redistest"
)

// examineRedis looks at a Redis as a user of it.
func examineRedis(t *testing.T, url, user string, write func(context.Context, redis.UniversalClient) error) *Report {
	t.Helper()
	o, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		o.Username, o.Password = user, "x"
	}
	o.MaxRetries = -1
	client := redis.NewClient(o)
	defer client.Close()
	r := &Report{}
	r.Queue(t.Context(), client, func(ctx context.Context) error { return write(ctx, client) })
	return r
}

func set(ctx context.Context, client redis.UniversalClient) error {
	return client.Set(ctx, "doctor", "", 0).Err()
}

// One server, which is set up otherwise step by step.
func TestQueue(t *testing.T) {
	t.Parallel()
	url := redistest.Server(t).URL()
	o, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	admin := redis.NewClient(o)
	defer admin.Close()
	do := func(args ...any) {
		t.Helper()
		if err := admin.Do(t.Context(), args...).Err(); err != nil {
			t.Fatalf("%v: %v", args, err)
		}
	}
	r := examineRedis(t, url, "", set)
	for _, words := range []string{"answers", "takes writes", "noeviction"} {
		says(t, r, Redis, OK, words)
	}
	says(t, r, Redis, Warn, "no append-only file", "appendonly yes")
	if says(t, r, Clocks, OK, "Redis"); r.Count(OK) != len(r.Found)-1 {
		t.Errorf("got %+v", r.Found)
	}
	do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	do("CONFIG", "SET", "maxmemory", "1mb")
	r = examineRedis(t, url, "", func(context.Context, redis.UniversalClient) error { return errors.New("full") })
	says(t, r, Redis, Fail, "allkeys-lru", "set maxmemory-policy noeviction")
	says(t, r, Redis, Fail, "takes no writes: full")
	says(t, r, Redis, Warn, "of its maxmemory is in use")

	do("CONFIG", "SET", "maxmemory", "0")
	do("ACL", "SETUSER", "shy", "on", ">x", "~*", "+set", "+time", "+hello", "+client", "+select")
	r = examineRedis(t, url, "shy", set)
	says(t, r, Redis, Skip, "does not tell its version")
	says(t, r, Redis, Skip, "maxmemory-policy")
	says(t, r, Redis, Skip, "appendonly")
	says(t, r, Redis, OK, "takes writes")
	r = examineRedis(t, url, "nobody", set)
	says(t, r, Redis, Fail, "correct the user and the password in REDIS_URL")
	if len(r.Found) != 1 {
		t.Errorf("got %+v", r.Found)
	}
}

func TestRedisThatCannotKeepAnything(t *testing.T) {
	t.Parallel()
	r := &Report{}
	r.redisVersion(map[string]string{infoVersion: "6.0.16"})
	r.redisPersistence(map[string]string{infoAppends: "1", infoLastAppend: "err", infoLastSave: "err"})
	says(t, r, Redis, Fail, "6.0.16 is too old")
	says(t, r, Redis, Fail, "could not write its append-only file")
	says(t, r, Redis, Warn, "its last snapshot failed")
	r = &Report{}
	r.redisPersistence(map[string]string{infoAppends: "1", infoLastAppend: "ok", infoLastSave: "ok"})
	if says(t, r, Redis, OK, "append-only file"); len(r.Found) != 1 {
		t.Errorf("got %+v", r.Found)
	}
}

func TestOlderThan(t *testing.T) {
	t.Parallel()
	for version, older := range map[string]bool{"6.2.0": false, "7.0.15": false, "6.0.16": true, "5.9": true, "10.0": false, "x": false, "": false} {
		if olderThan(version, 6, 2) != older {
			t.Errorf("%s: want %t", version, older)
		}
	}
}
