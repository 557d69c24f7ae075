package queue_test

import (
	"errors"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/redistest"
)

// accessRules are the ACL SETUSER commands of README.md in this folder, by the name of the user, without the password.
func accessRules(t *testing.T) map[string][]any {
	t.Helper()
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	rules := map[string][]any{}
	for _, m := range regexp.MustCompile(`(?m)^    ACL SETUSER (\S+) on >PASSWORD (.+)$`).FindAllStringSubmatch(string(page), -1) {
		for word := range strings.FieldsSeq(m[2]) {
			rules[m[1]] = append(rules[m[1]], word)
		}
	}
	return rules
}

// as makes a user with the rights that README.md gives to it, and returns the address for it.
func (b *aclBench) as(name string) string {
	b.t.Helper()
	rules := accessRules(b.t)[name]
	if rules == nil {
		b.t.Fatalf("README.md has no user %s", name)
	}
	if err := b.admin.Do(b.t.Context(), append([]any{"ACL", "SETUSER", name, "on", ">secret"}, rules...)...).Err(); err != nil {
		b.t.Fatal(err)
	}
	address, err := url.Parse(b.url)
	if err != nil {
		b.t.Fatal(err)
	}
	address.User = url.UserPassword(name, "secret")
	return address.String()
}

// aclBench is a Redis of its own, for users whose rights are narrow.
type aclBench struct {
	t     *testing.T
	url   string
	admin redis.UniversalClient
}

func setupACL(t *testing.T) *aclBench {
	t.Helper()
	b := &aclBench{t: t, url: redistest.Server(t).URL()}
	b.admin = b.client(b.url)
	return b
}

func (b *aclBench) client(address string) redis.UniversalClient {
	b.t.Helper()
	o, err := redis.ParseURL(address)
	if err != nil {
		b.t.Fatal(err)
	}
	client := redis.NewClient(o)
	b.t.Cleanup(func() {
		if err := client.Close(); err != nil {
			b.t.Error(err)
		}
	})
	return client
}

// A producer as the user that README.md makes for it hands its chunks over, and that is all it can do.
func TestProducersWithNarrowRights(t *testing.T) {
	t.Parallel()
	b := setupACL(t)
	for name, may := range map[string][]queue.Kind{"shop": {queue.Whois, queue.Register}, "monitor": {queue.Whois}} {
		address := b.as(name)
		producer, err := queue.NewProducer(address)
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []queue.Kind{queue.Whois, queue.Register} {
			allowed := len(may) == 2 || kind == may[0]
			for _, lane := range queue.Lanes() {
				for range 2 {
					if err := producer.Enqueue(t.Context(), kind, lane, own()); (err == nil) != allowed {
						t.Errorf("%s hands over %s %s: %v", name, kind, lane, err)
					}
				}
			}
			if err := producer.Deliver(t.Context(), kind, queue.Plain, delivered()); err == nil {
				t.Errorf("%s writes deliveries of %s", name, kind)
			}
		}
		if err := producer.Close(); err != nil {
			t.Error(err)
		}
		b.wantDenied(name, address)
	}
}

// In a database other than the first, a producer's user needs one right more.
func TestProducerWithNarrowRightsInAnotherDatabase(t *testing.T) {
	t.Parallel()
	b := setupACL(t)
	address := b.as("shop")
	if err := b.admin.Do(t.Context(), "ACL", "SETUSER", "shop", "+select").Err(); err != nil {
		t.Fatal(err)
	}
	producer, err := queue.NewProducer(strings.TrimSuffix(address, "/0") + "/1")
	if err != nil {
		t.Fatal(err)
	}
	err = producer.Enqueue(t.Context(), queue.Whois, queue.Plain, own())
	if err := errors.Join(err, producer.Close()); err != nil {
		t.Error(err)
	}
}

// wantDenied tries what no producer may do.
func (b *aclBench) wantDenied(name, address string) {
	b.t.Helper()
	ctx, user := b.t.Context(), b.client(address)
	for _, kind := range []queue.Kind{queue.Whois, queue.Register} { // something is there to be read and deleted
		task := "asynq:{" + string(kind) + "}:t:victim"
		b.admin.HSet(ctx, task, "msg", "theirs", "state", "pending")
		b.admin.LPush(ctx, "asynq:{"+string(kind)+"}:pending", "victim")
		for what, command := range map[string][]any{
			"read a task":                     {"HGET", task, "msg"},
			"read all of a task":              {"HGETALL", task},
			"list tasks":                      {"LRANGE", "asynq:{" + string(kind) + "}:pending", 0, -1},
			"take a task":                     {"RPOP", "asynq:{" + string(kind) + "}:pending"},
			"delete a task":                   {"DEL", task},
			"unlink a task":                   {"UNLINK", task},
			"let a task expire":               {"EXPIRE", task, 1},
			"rename a task":                   {"RENAME", task, task + "2"},
			"change the archive":              {"ZADD", "asynq:{" + string(kind) + "}:archived", 1, "victim"},
			"read through a script":           {"EVAL", "return redis.call('HGETALL', KEYS[1])", 1, task},
			"delete through a script":         {"EVAL", "return redis.call('DEL', KEYS[1])", 1, task},
			"read a key that no script names": {"EVAL", "return redis.call('HGETALL', '" + task + "')", 0},
			"pause the queue":                 {"SET", "asynq:{" + string(kind) + "}:paused", 1},
			"write a delivery":                {"LPUSH", "asynq:{" + string(kind) + "/default}:pending", "x"},
			"write a delivery's task":         {"EVAL", "return redis.call('HSET', KEYS[1], 'msg', 'x')", 1, "asynq:{" + string(kind) + "/default}:t:x"},
		} {
			b.wantNoPermission(name+" may "+what, user.Do(ctx, command...).Err())
		}
	}
	for _, kind := range []queue.Kind{queue.Whois, queue.Register} {
		task := "asynq:{" + string(kind) + "}:t:victim"
		if got := b.admin.HGet(ctx, task, "msg").Val(); got != "theirs" || b.admin.TTL(ctx, task).Val() != -1 {
			b.t.Errorf("%s changed a task of another: %s", name, got)
		}
	}
	b.admin.Set(ctx, "bulkreg:life", "x", 0)
	b.admin.Set(ctx, "other", "x", 0)
	for what, command := range map[string][]any{
		"read the marks": {"HGETALL", "bulkreg:life"}, "write the marks": {"HSET", "bulkreg:life", "name", "x"},
		"read another's key": {"GET", "other"}, "write another's key": {"SET", "other", "y"}, "find keys": {"KEYS", "*"}, "scan keys": {"SCAN", 0},
		"empty Redis": {"FLUSHALL"}, "read the queues": {"SMEMBERS", "asynq:queues"}, "remove a queue": {"SREM", "asynq:queues", "whois"},
		"change rights": {"ACL", "SETUSER", "default", "nopass"}, "change settings": {"CONFIG", "SET", "maxmemory", "1"},
		"watch": {"MONITOR"}, "cancel a task": {"PUBLISH", "asynq:cancel", "x"}, "end clients": {"CLIENT", "KILL", "TYPE", "normal"}, "stop Redis": {"SHUTDOWN", "NOSAVE"},
	} {
		b.wantNoPermission(name+" may "+what, user.Do(ctx, command...).Err())
	}
}

func (b *aclBench) wantNoPermission(what string, err error) {
	b.t.Helper()
	var answer redis.Error
	inScript := err != nil && (strings.Contains(err.Error(), "ACL failure in script") || strings.Contains(err.Error(), "The user executing the script can't"))
	if !errors.As(err, &answer) || !strings.Contains(err.Error(), "NOPERM") && !inScript {
		b.t.Errorf("%s: %v", what, err)
	}
}
