package redistest

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// withClient runs one exchange with a server on a connection of its own. The client's own timeouts, three to five
// seconds, bound each command.
func withClient(ctx context.Context, url string, exchange func(context.Context, *redis.Client) error) error {
	options, err := redis.ParseURL(url)
	if err != nil {
		return fmt.Errorf("read URL of redis: %w", err)
	}
	options.MaxRetries = -1
	options.DialerRetries = 1
	options.PoolSize = 1
	options.DisableIdentity = true
	client := redis.NewClient(options)
	return errors.Join(exchange(ctx, client), client.Close())
}
