package redistest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/bulkreg/bulkreg/queue/redisserver"
)

// A lease on database N of a given server is the key leasePrefix+N in its database 0.
const leasePrefix = "bulkreg:redistest:lease:"

const (
	// leaseTime holds for a test whose deadline is not known.
	leaseTime = time.Hour
	// leaseWait is how long a test waits for a database when all are in use.
	leaseWait = 2 * time.Minute
	leasePoll = 50 * time.Millisecond
)

// unlease removes a lease unless it has run out and belongs to somebody else by now.
// KEYS[1]: the lease; ARGV[1]: the token of its holder; returns how many keys it removed.
var unlease = redis.NewScript(`
if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end
return 0`)

// lease takes a database of the given server for the test and empties it.
func lease(t testing.TB, given string) string {
	t.Helper()
	leases, err := withDatabase(given, 0)
	if err != nil {
		t.Fatalf("redistest: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), leaseWait)
	defer cancel()
	token := rand.Text()
	database, err := claim(ctx, leases, token, leaseFor(t))
	if err != nil {
		t.Fatalf("redistest: claim a database of TEST_REDIS_URL: %v", err)
	}
	fresh, err := withDatabase(given, database)
	if err != nil {
		t.Fatalf("redistest: %v", err)
	}
	t.Cleanup(func() {
		ctx := context.Background()
		err := redisserver.Flush(ctx, fresh)
		if err := errors.Join(err, giveBack(ctx, leases, database, token)); err != nil {
			t.Errorf("redistest: %v", err)
		}
	})
	if err := redisserver.Flush(t.Context(), fresh); err != nil {
		t.Fatalf("redistest: %v", err)
	}
	return fresh
}

// leaseFor outlasts the test: a test program ends at its deadline, whatever a test does.
func leaseFor(t testing.TB) time.Duration {
	if limited, ok := t.(interface{ Deadline() (time.Time, bool) }); ok {
		if deadline, ok := limited.Deadline(); ok {
			return time.Until(deadline) + time.Minute
		}
	}
	return leaseTime
}

// claim tries the databases from a random one on, until one is free.
func claim(ctx context.Context, leases, token string, duration time.Duration) (database int, err error) {
	err = redisserver.Exchange(ctx, leases, func(ctx context.Context, client *redis.Client) error {
		count, err := countDatabases(ctx, client)
		if err != nil {
			return err
		}
		for offset := mrand.IntN(count); ; {
			for i := range count - 1 {
				candidate := 1 + (offset+i)%(count-1)
				free, err := client.SetNX(ctx, leaseKey(candidate), token, duration).Result()
				if err != nil {
					return err
				}
				if free {
					database = candidate
					return nil
				}
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("all %d are in use: %w", count-1, ctx.Err())
			case <-time.After(leasePoll):
			}
		}
	})
	return database, err
}

// countDatabases asks the server; where that is not allowed it has as many as Redis has by default.
func countDatabases(ctx context.Context, client *redis.Client) (int, error) {
	count := 16
	if config, err := client.ConfigGet(ctx, "databases").Result(); err == nil && config["databases"] != "" {
		if count, err = strconv.Atoi(config["databases"]); err != nil {
			return 0, fmt.Errorf("read number of databases: %w", err)
		}
	}
	if count < 2 {
		return 0, errors.New("the server has only one database, and the tests leave database 0 alone")
	}
	return count, nil
}

func giveBack(ctx context.Context, leases string, database int, token string) error {
	return redisserver.Exchange(ctx, leases, func(ctx context.Context, client *redis.Client) error {
		return unlease.Run(ctx, client, []string{leaseKey(database)}, token).Err()
	})
}

func leaseKey(database int) string { return leasePrefix + strconv.Itoa(database) }

// withDatabase is the given URL with another database number, in the one form that both go-redis and Asynq read.
func withDatabase(given string, database int) (string, error) {
	u, err := url.Parse(given)
	if err != nil || u.Host == "" || u.Scheme != "redis" && u.Scheme != "rediss" {
		// Neither the URL nor the error of url.Parse, which may hold a password, is shown.
		return "", errors.New("TEST_REDIS_URL is not of the form redis://:password@host:port/0")
	}
	u.Path = "/" + strconv.Itoa(database)
	return u.String(), nil
}
