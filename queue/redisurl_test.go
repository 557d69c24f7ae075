package queue

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/bulkreg/bulkreg/queue/redistest"
)

// told is what an address became, in one line.
func told(a RedisAddress) string {
	switch {
	case a.cluster != nil:
		o := a.cluster
		return fmt.Sprintf("cluster %v %s:%s tls=%v", o.Addrs, o.Username, o.Password, o.TLSConfig != nil)
	case a.sentinel != nil:
		o := a.sentinel
		return fmt.Sprintf("sentinel %v %s:%s %s %s:%s db=%d tls=%v", o.SentinelAddrs, o.SentinelUsername, o.SentinelPassword,
			o.MasterName, o.Username, o.Password, o.DB, o.TLSConfig != nil)
	}
	o := a.server
	return fmt.Sprintf("%s %s %s:%s db=%d tls=%v pool=%d dial=%v", o.Network, o.Addr, o.Username, o.Password, o.DB, o.TLSConfig != nil,
		o.PoolSize, o.DialTimeout)
}

func TestParseRedisURL(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"redis://localhost:6379/0":                      "tcp localhost:6379 : db=0 tls=false pool=0 dial=0s",
		"redis://h":                                     "tcp h:6379 : db=0 tls=false pool=0 dial=0s",
		"redis://h/":                                    "tcp h:6379 : db=0 tls=false pool=0 dial=0s",
		"redis://[::1]":                                 "tcp [::1]:6379 : db=0 tls=false pool=0 dial=0s",
		"redis://:secret@h:1/5":                         "tcp h:1 :secret db=5 tls=false pool=0 dial=0s",
		"redis://bulkreg:s%2Fe@h:1/5":                   "tcp h:1 bulkreg:s/e db=5 tls=false pool=0 dial=0s",
		"redis://h?db=7":                                "tcp h:6379 : db=7 tls=false pool=0 dial=0s",
		"redis://h/7?db=7":                              "tcp h:6379 : db=7 tls=false pool=0 dial=0s",
		"redis://h?pool_size=3&dial_timeout=2s":         "tcp h:6379 : db=0 tls=false pool=3 dial=2s",
		"rediss://u:secret@h/2":                         "tcp h:6379 u:secret db=2 tls=true pool=0 dial=0s",
		"unix://u:secret@/run/redis.sock?db=4":          "unix /run/redis.sock u:secret db=4 tls=false pool=0 dial=0s",
		"redis-socket://:secret@/run/redis.sock?db=4":   "unix /run/redis.sock :secret db=4 tls=false pool=0 dial=0s",
		"redis://u:secret@h1:1?addr=h2:2&addr=h3:3":     "cluster [h1:1 h2:2 h3:3] u:secret tls=false",
		"rediss://u:secret@h1/0?addr=h2:2":              "cluster [h1:6379 h2:2] u:secret tls=true",
		"redis-sentinel://h1,h2:7,[::2]?master=m":       "sentinel [h1:26379 h2:7 [::2]:26379] : m : db=0 tls=false",
		"redis-sentinel://:secret@h1:5,h2:6/3?master=m": "sentinel [h1:5 h2:6] :secret m : db=3 tls=false",
		"rediss://s:secret@h1:5/3?master_name=m&addr=h2:6&username=u&password=other": "sentinel [h1:5 h2:6] s:secret m u:other db=3 tls=true",
	} {
		a, err := ParseRedisURL(raw)
		if err != nil {
			t.Errorf("%s: %v", raw, err)
		} else if got := told(a); got != want {
			t.Errorf("%s: %s, want %s", raw, got, want)
		}
	}
}

func TestParseRedisURLRefuses(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	for raw, want := range map[string]string{
		"":                                                       noAddress,
		secret:                                                   noAddress,
		"localhost:6379":                                         noAddress,
		"redis:localhost:6379":                                   noAddress,
		"http://u:" + secret + "@h":                              noAddress,
		"redis://u:" + secret + "@h:port/0":                      noAddress,
		"redis://u:" + secret + "@h/x":                           noAddress,
		"redis://u:" + secret + "@h/0/1":                         noAddress,
		"redis://u:" + secret + "@h/-1":                          noAddress,
		"redis://u:" + secret + "@h?db=x":                        noAddress,
		"redis://u:12/" + secret + "@h":                          noAddress,
		"redis://u:12?" + secret + "@h":                          noAddress,
		"redis://u:12#" + secret + "@h":                          noAddress,
		"redis://u:" + secret + "@h?a=%zz":                       noAddress,
		"redis://u:" + secret + "@h1:1,h2:2":                     noAddress,
		"redis://u:" + secret + "@h?addr=h2":                     noAddress,
		"redis-sentinel://:" + secret + "@h1,h2":                 noAddress,
		"unix://u:" + secret + "@":                               noAddress,
		"redis://u:" + secret + "@h/1?db=2":                      "two databases",
		"redis://u:" + secret + "@h/1?addr=h2:2":                 "a Cluster has only database 0",
		"redis://u:" + secret + "@h?tls=true&poolsize=3&db=1":    `cannot be used: "poolsize", "tls"`,
		"redis://h?password=" + secret:                           `cannot be used: "password"`,
		"redis://h?pool_size=" + secret:                          `cannot be used: "pool_size"`,
		"redis://h?master_name=m&password=" + secret + "&sort=1": `cannot be used: "sort"`,
		"redis://h?addr=h2:2&db=0&user=x":                        `cannot be used: "db", "user"`,
	} {
		a, err := ParseRedisURL(raw)
		var bad *RedisURLError
		if !errors.As(err, &bad) || !strings.Contains(bad.Reason, want) || a != (RedisAddress{}) {
			t.Errorf("%s: %v, want %s", raw, err, want)
		} else if strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), "REDIS_URL") {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

// A client for asking is of the same kind, and changes nothing in the address that it comes from.
func TestAddressForAsking(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"redis://u:p@h:1/5", "redis://u:p@h?addr=h2:2", "redis://h?master_name=m"} {
		a, err := ParseRedisURL(raw)
		if err != nil {
			t.Fatal(err)
		}
		before := told(a)
		asking := a.ForAsking(time.Minute, time.Second).Client()
		var pool int
		switch client := asking.(type) {
		case *redis.Client:
			pool = client.Options().PoolSize
		case *redis.ClusterClient:
			pool = client.Options().PoolSize
		}
		if pool != 1 || told(a) != before {
			t.Errorf("%s: %T with %d connections; the address became %s", raw, asking, pool, told(a))
		}
		if err := asking.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A user of Redis' own access lists, with no more rights than a producer needs, in a database that the query names.
func TestProducerAsAUserWithFewRights(t *testing.T) {
	t.Parallel()
	admin, err := ParseRedisURL(redistest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	const password = "p%w/ord?"
	client, user := admin.Client(), fmt.Sprint("producer-", admin.server.DB)
	defer func() {
		if err := errors.Join(client.Do(context.Background(), "ACL", "DELUSER", user).Err(), client.Close()); err != nil {
			t.Error(err)
		}
	}()
	if err := client.Do(t.Context(), "ACL", "SETUSER", user, "on", ">"+password, "~asynq:*", "+@all", "-@dangerous").Err(); err != nil {
		t.Fatal(err)
	}
	addressOf := func(password string) string {
		u := url.URL{Scheme: "redis", User: url.UserPassword(user, password), Host: admin.server.Addr, RawQuery: fmt.Sprint("db=", admin.server.DB)}
		return u.String()
	}
	enqueue := func(address string) error {
		p, err := NewProducer(address)
		if err != nil {
			t.Fatal(err)
		}
		return errors.Join(p.Enqueue(t.Context(), Whois, Plain, Chunk{Order: "r", Source: "s", Account: "a", Jobs: []Job{{Domain: "a.nl"}}}), p.Close())
	}
	if err := enqueue(addressOf(password)); err != nil {
		t.Error(err)
	}
	if n, err := NewGauge(client).Depth(t.Context(), "whois"); err != nil || n != 1 {
		t.Errorf("%d tasks, %v", n, err)
	}
	if err := enqueue(addressOf("hunter2")); err == nil || !strings.Contains(err.Error(), "REDIS_URL") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("with a wrong password: %v", err)
	}
	if err := client.Do(t.Context(), "ACL", "SETUSER", user, "resetkeys", "~other:*").Err(); err != nil {
		t.Fatal(err)
	}
	if err := enqueue(addressOf(password)); err == nil || !strings.Contains(err.Error(), "REDIS_URL") {
		t.Errorf("without rights: %v", err)
	}
}
