package gate

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/time/rate"
)

// RedisPacer keeps an account's calls, over the whole fleet, to so many a second. Redis hands out the times; when it is
// gone, each process keeps to its share by itself.
type RedisPacer struct {
	redis  redis.Scripter
	script *redis.Script
	keys   []string
	worker string
	every  time.Duration // between two calls of the fleet
	noted  func(ctx context.Context, err error)

	mu    sync.Mutex
	fleet int           // workers that were pacing when Redis was last there
	local *rate.Limiter // for when it is not
}

// reserve gives the next free time, and counts who asks.
//
//	KEYS 1: when the next call is free, in microseconds; 2: the workers by when they last asked
//	ARGV 1: microseconds between two calls; 2: this worker; 3: microseconds after which a worker is forgotten
//	returns how many microseconds to wait, and how many workers there are
const reserve = `
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local free = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0))
local life = math.ceil((free - now + ARGV[1] + ARGV[3]) / 1000)
redis.call('SET', KEYS[1], string.format('%.0f', free + ARGV[1]), 'PX', life)
redis.call('ZADD', KEYS[2], now, ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[3])
redis.call('PEXPIRE', KEYS[2], life)
return {string.format('%.0f', free - now), redis.call('ZCARD', KEYS[2])}
`

const (
	// forgetWorker is how long a worker counts after its last call.
	forgetWorker = time.Minute
	// askTime is how long Redis may take to hand out a time.
	askTime = time.Second
)

// NewRedisPacer paces an account's calls to perSecond, counting this worker by its name. noted is told how asking Redis
// went, each time.
func NewRedisPacer(client redis.Scripter, account, worker string, perSecond float64, noted func(context.Context, error)) *RedisPacer {
	return &RedisPacer{
		redis: client, script: redis.NewScript(reserve), keys: []string{"bulkreg:rate:{" + account + "}:free", "bulkreg:rate:{" + account + "}:workers"},
		worker: worker, every: time.Duration(float64(time.Second) / perSecond), noted: noted,
		fleet: 1, local: rate.NewLimiter(rate.Limit(perSecond), 1),
	}
}

// Reserve implements Pacer.
func (p *RedisPacer) Reserve(ctx context.Context) time.Duration {
	asking, cancel := context.WithTimeout(ctx, askTime)
	answer, err := p.script.Run(asking, p.redis, p.keys,
		p.every.Microseconds(), p.worker, forgetWorker.Microseconds()).Int64Slice()
	cancel()
	p.noted(ctx, err)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		return p.local.Reserve().Delay()
	}
	if answer[1] > 0 && int(answer[1]) != p.fleet {
		p.fleet = int(answer[1])
		p.local.SetLimit(rate.Every(p.every * time.Duration(p.fleet)))
	}
	return time.Duration(answer[0]) * time.Microsecond
}
