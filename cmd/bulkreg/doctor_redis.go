package main

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
)

// redis looks at Redis.
func (d *doctor) redis(ctx context.Context) {
	const about, reachable = "redis", "reachable"
	cfg, err := config.LoadFor(d.environ, config.UseWorker)
	if err != nil {
		d.say(about, reachable, unknown, "", "not looked at: its settings cannot be used")
		return
	}
	client, err := connectRedis(cfg)
	if err != nil {
		d.say(about, reachable, ill, "set REDIS_URL", "%v", err)
		return
	}
	defer func() { _ = client.Close() }() // what was asked for is there
	asked := time.Now()
	now, err := client.Time(ctx).Result()
	if err != nil {
		d.say(about, reachable, ill, "see that Redis runs, and that REDIS_URL leads to it", "%s", oneLine(err))
		return
	}
	if err := askRedis(client)(ctx); err != nil {
		d.say(about, reachable, ill, "give it memory, or let REDIS_URL lead to the primary", "it takes no writes: %s", oneLine(err))
	} else {
		d.say(about, reachable, healthy, "", "it answers, and takes writes")
	}
	d.redisServer(ctx, client)
	d.clock(about, now, asked)
}

// redisServer looks at what the server tells of itself, which not every user is told.
func (d *doctor) redisServer(ctx context.Context, client redis.UniversalClient) {
	const about = "redis"
	server, err := client.Info(ctx, "server").Result()
	version := redisField(server, "redis_version")
	switch {
	case err != nil || version == "":
		d.say(about, "version", unknown, "", "it does not tell its version to this user")
	case olderThan(version, 6, 2):
		d.say(about, "version", ill, "take 6.2 or later", "version %s is too old", version)
	default:
		d.say(about, "version", healthy, "", "version %s", version)
	}
	memory, err := client.Info(ctx, "memory").Result()
	policy := redisField(memory, "maxmemory_policy")
	switch {
	case err != nil || policy == "":
		d.say(about, "eviction", unknown, "see in its configuration that it is noeviction", "it does not tell its maxmemory-policy to this user")
	case policy != "noeviction":
		d.say(about, "eviction", ill, "set maxmemory-policy noeviction", "its maxmemory-policy is %s: it throws tasks away when it is full", policy)
	default:
		d.say(about, "eviction", healthy, "", "it throws nothing away when it is full (noeviction)")
	}
	d.redisMemory(memory)
	persistence, err := client.Info(ctx, "persistence").Result()
	d.redisPersistence(persistence, err)
}

// redisMemory tells of a server that is nearly full.
func (d *doctor) redisMemory(info string) {
	used, err := strconv.ParseInt(redisField(info, "used_memory"), 10, 64)
	most, err2 := strconv.ParseInt(redisField(info, "maxmemory"), 10, 64)
	if errors.Join(err, err2) == nil && most > 0 && used > most/10*9 {
		d.say("redis", "memory", odd, "raise maxmemory", "it uses %s of its %s MB: full, it takes no writes, and everything waits",
			term.Thousands(int(used>>20)), term.Thousands(int(most>>20)))
	}
}

func (d *doctor) redisPersistence(info string, err error) {
	const about, check = "redis", "persistence"
	switch kept := redisField(info, "aof_enabled"); {
	case err != nil || kept == "":
		d.say(about, check, unknown, "see in its configuration that appendonly is yes", "it does not tell this user whether it keeps an append-only file")
	case kept != "1":
		d.say(about, check, odd, "set appendonly yes", "it keeps no append-only file: after a crash, tasks of producers that no worker has taken are gone")
	case redisField(info, "aof_last_write_status") != "ok":
		d.say(about, check, ill, "see that its disk is there and not full", "it cannot write its append-only file")
	default:
		d.say(about, check, healthy, "", "it keeps an append-only file")
	}
}

// redisField is one value of Redis's INFO, whose lines have the form name:value.
func redisField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return value
		}
	}
	return ""
}

// olderThan compares the first two numbers of a version.
func olderThan(version string, major, minor int) bool {
	first, rest, _ := strings.Cut(version, ".")
	second, _, _ := strings.Cut(rest, ".")
	a, err := strconv.Atoi(first)
	b, err2 := strconv.Atoi(second)
	return errors.Join(err, err2) == nil && (a < major || a == major && b < minor)
}
