package worker

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
)

// A producer may give its task a deadline, or a time so short that no worker takes it in hand. Asynq then never shows the task to its
// handler: it tries again, for as long as the producer wanted, and archives it. Nobody would hear of it.

var errExpired = errors.New("its producer's deadline or timeout passed before a worker had it in hand: " +
	"Asynq archives it when its tries are used up; give tasks neither")

// maxExpiryDelay bounds how long a task waits that may have expired.
const maxExpiryDelay = time.Minute

// handlingKey is that of whether a handler has had a task in hand, in its context.
type handlingKey struct{}

func newHandling() context.Context {
	return context.WithValue(context.Background(), handlingKey{}, new(atomic.Bool))
}

// inHand notes that a handler has a task in hand.
func inHand(ctx context.Context) {
	if handled, ok := ctx.Value(handlingKey{}).(*atomic.Bool); ok {
		handled.Store(true)
	}
}

// isExpiry knows the error that Asynq itself gives a task whose time is up. Such a try counts: it would go on without end.
func isExpiry(err error) bool {
	return err == context.DeadlineExceeded //nolint:errorlint // ours are wrapped
}

// expiryDelay lets a task whose time is up wait longer each time.
func expiryDelay(tried int, err error, _ *asynq.Task) time.Duration {
	if !isExpiry(err) {
		return tick
	}
	const doublings = 6
	return min(tick<<min(tried, doublings), maxExpiryDelay)
}

// expired is told of each try that failed. It counts and logs a task that has expired, once.
func (a *adopter) expired(ctx context.Context, t *asynq.Task, err error) {
	handled, ok := ctx.Value(handlingKey{}).(*atomic.Bool)
	if tried, _ := asynq.GetRetryCount(ctx); !isExpiry(err) || !ok || handled.Load() || tried > 0 {
		return
	}
	_ = a.away.note(ctx, a.log, t, &misfit{misfitExpired, errExpired}) // it only passes the error on
}
