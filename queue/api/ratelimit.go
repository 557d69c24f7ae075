package api

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limits count the requests of somebody, by name, in a bounded table.
type limits struct {
	clock func() time.Time
	most  int // names at once

	mu       sync.Mutex
	counted  map[string]*rate.Limiter
	thinned  time.Time     // when names were left out last
	together *rate.Limiter // of those that the table has no room for
}

// thinEvery is how often names are left out at most: that looks at all of them.
const thinEvery = time.Second

func newLimits(clock func() time.Time, most int) *limits {
	return &limits{clock: clock, most: most, counted: map[string]*rate.Limiter{}}
}

// share is what is left of somebody's minute.
type share struct {
	ok         bool // the request is within it
	limit      int  // a minute
	left       int
	full, wait time.Duration // until all of it is there again, and until one more request is
}

// tell tells a caller of it. The headers are those of draft-ietf-httpapi-ratelimit-headers.
func (s share) tell(headers http.Header, policy string) {
	headers.Set("RateLimit-Policy", fmt.Sprintf(`"%s";q=%d;w=60`, policy, s.limit))
	headers.Set("RateLimit", fmt.Sprintf(`"%s";r=%d;t=%d`, policy, s.left, int(s.full.Seconds()+1)))
}

// take takes a request out of somebody's minute.
func (l *limits) take(name string, perMinute int) share {
	now, perSecond := l.clock(), float64(perMinute)/60
	limiter := l.of(name, rate.Limit(perSecond), perMinute)
	s := share{ok: limiter.AllowN(now, 1), limit: perMinute}
	left := max(limiter.TokensAt(now), 0)
	s.left = int(left)
	s.full = time.Duration((float64(perMinute) - left) / perSecond * float64(time.Second))
	if !s.ok {
		s.wait = time.Duration((1 - left) / perSecond * float64(time.Second))
	}
	return s
}

func (l *limits) of(name string, perSecond rate.Limit, perMinute int) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	limiter := l.counted[name]
	if limiter != nil && limiter.Limit() == perSecond {
		return limiter
	}
	if limiter == nil && len(l.counted) >= l.most && !l.thin() {
		if l.together == nil || l.together.Limit() != perSecond {
			l.together = rate.NewLimiter(perSecond, perMinute)
		}
		return l.together
	}
	limiter = rate.NewLimiter(perSecond, perMinute)
	l.counted[name] = limiter
	return limiter
}

// thin leaves out the names of those whose minute is whole again, and reports whether there is room now.
func (l *limits) thin() bool {
	now := l.clock()
	if now.Sub(l.thinned) < thinEvery {
		return false
	}
	l.thinned = now
	for name, limiter := range l.counted {
		if limiter.TokensAt(now) >= float64(limiter.Burst()) {
			delete(l.counted, name)
		}
	}
	return len(l.counted) < l.most
}
