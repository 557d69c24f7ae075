package worker_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/redisserver/child"
	"github.com/bulkreg/bulkreg/store/record"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// node is a Redis that the test has set up as one of several.
type node struct {
	port    int
	process *child.Child
}

func (n node) address() string { return "127.0.0.1:" + strconv.Itoa(n.port) }

func (n node) client(t *testing.T) *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: n.address(), Password: nodePassword, MaxRetries: -1})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

const nodePassword = "s3cret"

// startNode runs a Redis with these lines in its configuration, and returns when it answers.
func startNode(t *testing.T, lines []string, flags ...string) node {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		if program, err = exec.LookPath("valkey-server"); err != nil {
			t.Fatal("neither redis-server nor valkey-server is on PATH")
		}
	}
	for range 20 {
		n := node{port: freePort(t)}
		dir := t.TempDir()
		path := filepath.Join(dir, "redis.conf")
		settings := append([]string{"bind 127.0.0.1", "port " + strconv.Itoa(n.port), "requirepass " + nodePassword, "dir " + dir, "daemonize no"}, lines...)
		if err := os.WriteFile(path, []byte(strings.Join(settings, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(program, append([]string{path}, flags...)...)
		cmd.Env = []string{"LC_ALL=C"}
		if n.process, err = child.Start(cmd); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := n.process.Kill(); err != nil {
				t.Error(err)
			}
		})
		if n.started(t) {
			return n
		}
	}
	t.Fatal("no port stayed free until a Redis took it")
	return node{}
}

// started says whether it is this Redis that answers at its port. One that finds a port taken ends.
func (n node) started(t *testing.T) bool {
	t.Helper()
	own := fmt.Sprintf("process_id:%d\r\n", n.process.Pid())
	for {
		select {
		case <-n.process.Done():
			return false
		case <-time.After(20 * time.Millisecond):
		}
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", n.address())
		if err != nil {
			continue // the client would log it
		}
		_ = conn.Close()
		if info, err := n.client(t).Info(t.Context(), "server").Result(); err == nil && strings.Contains(info, own) {
			return true
		}
	}
}

// freePort is one that nobody listens at, as is the one 10,000 above it, by which the nodes of a Cluster talk. Both are
// below those that outgoing connections get.
func freePort(t *testing.T) int {
	t.Helper()
	for {
		port := 20000 + rand.IntN(2700)
		if free(t, port) && free(t, port+10000) {
			return port
		}
	}
}

func free(t *testing.T, port int) bool {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return false
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return true
}

// answers waits until a node says yes to what is asked of it.
func (b *bench) answers(n node, ask func(context.Context, *redis.Client) bool) {
	b.t.Helper()
	c := n.client(b.t)
	b.eventually(func() bool { return ask(b.t.Context(), c) })
}

// keeper are settings of a server that keeps nothing on disk.
func keeper(lines ...string) []string {
	return append([]string{`save ""`, "appendonly no", "maxmemory-policy noeviction", "masterauth " + nodePassword}, lines...)
}

// carriesOut has an order of checks and one of registrations carried out, and looks at what was paid.
func (b *bench) carriesOut(name string, meanwhile func()) {
	b.t.Helper()
	bought := names(name, 60)
	orders := []record.Order{b.submit(queue.Whois, name+"-checks", names(name+"-check", 200)), b.submit(queue.Register, name+"-bought", bought)}
	meanwhile()
	for _, sum := range b.settled(orders...) {
		if sum.Counts[record.Succeeded] != sum.Order.Total {
			b.t.Errorf("%s: %v of %d", sum.Order.Reference, sum.Counts, sum.Order.Total)
		}
	}
	paid := b.sandbox.Ledger().PaidDomains()
	for _, d := range bought {
		if !slices.Contains(paid, d) {
			b.t.Errorf("%s was not paid for", d)
		}
	}
}

// A primary that dies while there is work is followed by the one that Sentinel makes the next.
func TestSentinel(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{Latency: sandbox.Latency{Whois: 20 * time.Millisecond, Register: 20 * time.Millisecond}})
	primary := startNode(t, keeper())
	replica := startNode(t, keeper(fmt.Sprintf("replicaof 127.0.0.1 %d", primary.port)))
	b.answers(replica, func(ctx context.Context, c *redis.Client) bool {
		info, err := c.Info(ctx, "replication").Result()
		return err == nil && strings.Contains(info, "master_link_status:up")
	})
	sentinel := startNode(t, []string{
		fmt.Sprintf("sentinel monitor queues 127.0.0.1 %d 1", primary.port), "sentinel auth-pass queues " + nodePassword,
		"sentinel down-after-milliseconds queues 300", "sentinel failover-timeout queues 3000",
	}, "--sentinel")
	b.answers(sentinel, func(ctx context.Context, c *redis.Client) bool {
		replicas, err := c.Do(ctx, "SENTINEL", "REPLICAS", "queues").Slice()
		return err == nil && len(replicas) == 1
	})
	b.redis = fmt.Sprintf("redis://:%s@%s/0?master_name=queues&password=%s", nodePassword, sentinel.address(), nodePassword)
	b.work(b.options())
	b.carriesOut("before", func() {})
	b.carriesOut("meanwhile", func() {
		if err := primary.process.Kill(); err != nil {
			t.Fatal(err)
		}
	})
	b.answers(replica, func(ctx context.Context, c *redis.Client) bool {
		info, err := c.Info(ctx, "replication").Result()
		return err == nil && strings.Contains(info, "role:master")
	})
	b.carriesOut("after", func() {})
	b.invariants()
}

// knows says whether a node of a Cluster tells all of these of it.
func (n node) knows(t *testing.T, facts ...string) bool {
	t.Helper()
	info, err := n.client(t).ClusterInfo(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	return !slices.ContainsFunc(facts, func(fact string) bool { return !strings.Contains(info, fact) })
}

// A Cluster keeps each queue on one of its nodes.
func TestCluster(t *testing.T) {
	t.Parallel()
	const nodes, slots = 3, 16384
	b := setup(t, sandbox.Options{})
	var all []node
	for i := range nodes {
		n := startNode(t, keeper("cluster-enabled yes", "cluster-config-file nodes.conf", "cluster-node-timeout 2000"))
		all = append(all, n)
		c := n.client(t)
		if err := c.ClusterAddSlotsRange(t.Context(), i*slots/nodes, (i+1)*slots/nodes-1).Err(); err != nil {
			t.Fatal(err)
		}
	}
	b.eventually(func() bool {
		for _, n := range all[1:] {
			if !n.knows(t, "cluster_known_nodes:1\r") { // itself only: a greeting that takes too long is forgotten
				continue
			}
			if err := n.client(t).ClusterMeet(t.Context(), "127.0.0.1", strconv.Itoa(all[0].port)).Err(); err != nil {
				t.Fatal(err)
			}
		}
		return !slices.ContainsFunc(all, func(n node) bool {
			return !n.knows(t, "cluster_state:ok", fmt.Sprintf("cluster_known_nodes:%d\r", nodes))
		})
	})
	b.redis = fmt.Sprintf("redis://:%s@%s?addr=%s", nodePassword, all[0].address(), all[1].address())
	b.work(b.options())
	b.carriesOut("spread", func() {})
	used := 0
	for _, n := range all {
		if keys, err := n.client(t).DBSize(t.Context()).Result(); err == nil && keys > 0 {
			used++
		}
	}
	if used < 2 {
		t.Errorf("%d of the nodes keep anything", used)
	}
	b.invariants()
}
