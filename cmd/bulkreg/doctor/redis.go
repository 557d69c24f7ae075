package doctor

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// oldestRedis is the version that bulkreg needs at least.
	oldestMajor, oldestMinor = 6, 2
	// nearlyFull is what part of its memory Redis may have in use, in percent.
	nearlyFull = 80
)

// Queue looks at Redis. write makes a small write there.
func (r *Report) Queue(ctx context.Context, client redis.UniversalClient, write func(context.Context) error) {
	asked := time.Now()
	now, err := client.Time(ctx).Result()
	answered := time.Now()
	switch {
	case redis.IsAuthError(err), redis.IsPermissionError(err):
		r.Say(Redis, Fail, "correct the user and the password in REDIS_URL", "%s", oneLine(err))
		return
	case err != nil:
		r.Say(Redis, Fail, "see that Redis runs, and that REDIS_URL leads to it", "%s", oneLine(err))
		return
	}
	r.Clock("Redis", now, asked, answered)
	info := redisInfo(ctx, client)
	r.redisVersion(info)
	if err := write(ctx); err != nil {
		r.Say(Redis, Fail, "give it memory and disk, or let REDIS_URL lead to the primary", "it takes no writes: %s", oneLine(err))
	} else {
		r.Say(Redis, OK, "", "it takes writes")
	}
	r.redisMemory(info)
	r.redisPersistence(info)
}

// redisInfo is what Redis tells of itself: nothing where this user may not ask.
func redisInfo(ctx context.Context, client redis.UniversalClient) map[string]string {
	info := map[string]string{}
	for _, section := range []string{"server", "memory", "persistence"} {
		text, err := client.Info(ctx, section).Result()
		if err != nil {
			continue
		}
		for line := range strings.Lines(text) {
			if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
				info[name] = value
			}
		}
	}
	if info[infoPolicy] == "" {
		if policy, err := client.ConfigGet(ctx, "maxmemory-policy").Result(); err == nil {
			info[infoPolicy] = policy["maxmemory-policy"]
		}
	}
	return info
}

// Names of what Redis tells in INFO.
const (
	infoVersion    = "redis_version"
	infoPolicy     = "maxmemory_policy"
	infoUsed       = "used_memory"
	infoMost       = "maxmemory"
	infoAppends    = "aof_enabled"
	infoLastAppend = "aof_last_write_status"
	infoLastSave   = "rdb_last_bgsave_status"
)

func (r *Report) redisVersion(info map[string]string) {
	version := info[infoVersion]
	switch {
	case version == "":
		r.Say(Redis, Skip, "let its user ask for INFO", "it answers, and does not tell its version to this user")
	case olderThan(version, oldestMajor, oldestMinor):
		r.Say(Redis, Fail, "take 6.2 or later", "version %s is too old", version)
	default:
		r.Say(Redis, OK, "", "version %s answers", version)
	}
}

func (r *Report) redisMemory(info map[string]string) {
	switch policy := info[infoPolicy]; policy {
	case "":
		r.Say(Redis, Skip, "see in its configuration that it is noeviction", "it does not tell its maxmemory-policy to this user")
	case "noeviction":
		r.Say(Redis, OK, "", "its maxmemory-policy is noeviction")
	default:
		r.Say(Redis, Fail, "set maxmemory-policy noeviction", "its maxmemory-policy is %s: it throws tasks away when it is full", policy)
	}
	used, err := strconv.ParseFloat(info[infoUsed], 64)
	most, err2 := strconv.ParseFloat(info[infoMost], 64)
	if errors.Join(err, err2) == nil && most > 0 && used*100 > most*nearlyFull {
		r.Say(Redis, Warn, "raise maxmemory", "%.0f%% of its maxmemory is in use: once it is full, it takes no writes", used/most*100)
	}
}

func (r *Report) redisPersistence(info map[string]string) {
	const lost = "after a crash, tasks of producers that no worker has taken are gone"
	switch {
	case info[infoAppends] == "":
		r.Say(Redis, Skip, "see in its configuration that appendonly is yes", "it does not tell whether it keeps an append-only file to this user")
	case info[infoAppends] != "1":
		r.Say(Redis, Warn, "set appendonly yes", "it keeps no append-only file: %s", lost)
	case info[infoLastAppend] != "" && info[infoLastAppend] != "ok":
		r.Say(Redis, Fail, "see that its disk is not full", "it could not write its append-only file: %s", lost)
	default:
		r.Say(Redis, OK, "", "it keeps an append-only file")
	}
	if saved := info[infoLastSave]; saved != "" && saved != "ok" {
		r.Say(Redis, Warn, "see its log, and that its disk is not full", "its last snapshot failed: unless it was told otherwise, it takes no writes then")
	}
}

// olderThan compares the first two numbers of a version.
func olderThan(version string, major, minor int) bool {
	first, rest, _ := strings.Cut(version, ".")
	second, _, _ := strings.Cut(rest, ".")
	a, err := strconv.Atoi(first)
	b, err2 := strconv.Atoi(second)
	return errors.Join(err, err2) == nil && (a < major || a == major && b < minor)
}
