package api

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limits count the requests of keys that have a limit.
type limits struct {
	clock func() time.Time
	mu    sync.Mutex
	keys  map[string]*rate.Limiter
}

// maxLimiters bounds the keys whose requests are counted at once. When there are more, all begin anew.
const maxLimiters = 10_000

func newLimits(clock func() time.Time) *limits {
	return &limits{clock: clock, keys: map[string]*rate.Limiter{}}
}

// take takes a request out of a caller's minute, tells how many are left, and refuses it when there are none. The headers are those of
// draft-ietf-httpapi-ratelimit-headers.
func (l *limits) take(headers http.Header, c Caller) *Problem {
	if c.RequestsPerMinute <= 0 {
		return nil
	}
	now, perSecond := l.clock(), float64(c.RequestsPerMinute)/60
	limiter := l.of(c, rate.Limit(perSecond))
	taken := limiter.AllowN(now, 1)
	left := max(limiter.TokensAt(now), 0)
	full := (float64(c.RequestsPerMinute) - left) / perSecond
	headers.Set("RateLimit-Policy", fmt.Sprintf(`"key";q=%d;w=60`, c.RequestsPerMinute))
	headers.Set("RateLimit", fmt.Sprintf(`"key";r=%d;t=%d`, int(left), int(full+1)))
	if taken {
		return nil
	}
	p := kindTooMany.problem("The key may make %d requests a minute.", c.RequestsPerMinute)
	p.retryAfter = time.Duration((1 - left) / perSecond * float64(time.Second))
	return p
}

func (l *limits) of(c Caller, perSecond rate.Limit) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	limiter := l.keys[c.KeyID]
	if limiter == nil || limiter.Limit() != perSecond {
		if len(l.keys) >= maxLimiters {
			clear(l.keys)
		}
		limiter = rate.NewLimiter(perSecond, c.RequestsPerMinute)
		l.keys[c.KeyID] = limiter
	}
	return limiter
}
