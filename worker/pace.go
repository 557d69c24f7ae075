package worker

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"
	"golang.org/x/time/rate"
)

// pacer keeps an account's calls, over the whole fleet, to so many a second. Redis hands out the times; when it is gone,
// each process keeps to its share by itself.
type pacer struct {
	redis   redis.Scripter
	account string
	worker  string
	every   time.Duration // between two calls of the fleet
	log     zerolog.Logger

	mu    sync.Mutex
	fleet int           // workers that were pacing when Redis was last there
	local *rate.Limiter // for when it is not
	down  outage
}

// reserve gives the next free time, and counts who asks.
//
//	KEYS 1: when the next call is free, in microseconds; 2: the workers by when they last asked
//	ARGV 1: microseconds between two calls; 2: this worker; 3: microseconds after which a worker is forgotten
//	returns how many microseconds to wait, and how many workers there are
var reserve = redis.NewScript(`
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local free = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0))
local life = math.ceil((free - now + ARGV[1] + ARGV[3]) / 1000)
redis.call('SET', KEYS[1], string.format('%.0f', free + ARGV[1]), 'PX', life)
redis.call('ZADD', KEYS[2], now, ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[3])
redis.call('PEXPIRE', KEYS[2], life)
return {string.format('%.0f', free - now), redis.call('ZCARD', KEYS[2])}
`)

// forgetWorker is how long a worker counts after its last call.
const forgetWorker = time.Minute

// newPacer returns nil when there is no limit.
func newPacer(client redis.Scripter, account string, o Options) *pacer {
	if o.Rate <= 0 {
		return nil
	}
	log := o.Log.With().Str("role", "pacer").Str("account", account).Logger()
	return &pacer{
		redis: client, account: account, worker: o.Name, every: time.Duration(float64(time.Second) / o.Rate), log: log,
		fleet: 1, local: rate.NewLimiter(rate.Limit(o.Rate), 1), down: outage{log: log, what: "sharing the rate limit over Redis"},
	}
}

// wait waits until the account may be called. It fails only when ctx ends.
func (p *pacer) wait(ctx context.Context) error {
	if p == nil {
		return nil
	}
	asking, cancel := context.WithTimeout(ctx, time.Second)
	keys := []string{"bulkreg:rate:{" + p.account + "}:free", "bulkreg:rate:{" + p.account + "}:workers"}
	answer, err := reserve.Run(asking, p.redis, keys, p.every.Microseconds(), p.worker, forgetWorker.Microseconds()).Int64Slice()
	cancel()
	p.mu.Lock()
	p.down.note(ctx, err)
	if err == nil && answer[1] > 0 && int(answer[1]) != p.fleet {
		p.fleet = int(answer[1])
		p.local.SetLimit(rate.Every(p.every * time.Duration(p.fleet)))
	}
	p.mu.Unlock()
	if err != nil {
		return p.local.Wait(ctx)
	}
	pause(ctx, time.Duration(answer[0])*time.Microsecond)
	return ctx.Err()
}
