package redisserver

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// Exchange runs one exchange with the server at a URL, on a connection of its own and without repeating anything. The
// client's own timeouts, three to five seconds, bound each command.
func Exchange(ctx context.Context, url string, exchange func(context.Context, *redis.Client) error) error {
	options, err := redis.ParseURL(url)
	if err != nil {
		// The parser's own text may quote the URL with its password.
		return errors.New("read URL of redis: not of the form redis://user:password@host:port/database")
	}
	options.MaxRetries = -1
	options.DialerRetries = 1
	options.PoolSize = 1
	options.DisableIdentity = true
	client := redis.NewClient(options)
	return errors.Join(exchange(ctx, client), client.Close())
}

// Flush empties the one database that a URL names.
func Flush(ctx context.Context, url string) error {
	err := Exchange(ctx, url, func(ctx context.Context, client *redis.Client) error {
		return client.FlushDB(ctx).Err()
	})
	if err != nil {
		return fmt.Errorf("empty database of redis: %w", err)
	}
	return nil
}
