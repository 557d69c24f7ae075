package queue

import (
	"crypto/tls"
	"net"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// RedisAddress is where a Redis is: one server, the primary that Sentinels know, or a Cluster. ParseRedisURL makes one.
type RedisAddress struct {
	server   *redis.Options // one of the three is set
	sentinel *redis.FailoverOptions
	cluster  *redis.ClusterOptions
}

var _ asynq.RedisConnOpt = RedisAddress{}

// MakeRedisClient implements asynq.RedisConnOpt. What it returns is a redis.UniversalClient.
func (a RedisAddress) MakeRedisClient() any { return a.Client() }

// Client makes a client. It connects when it is used first; the caller closes it.
func (a RedisAddress) Client() redis.UniversalClient {
	switch {
	case a.cluster != nil:
		options := *a.cluster // go-redis writes its defaults into them
		return redis.NewClusterClient(&options)
	case a.sentinel != nil:
		options := *a.sentinel
		return redis.NewFailoverClient(&options)
	}
	options := *a.server
	return redis.NewClient(&options)
}

// Plaintext are the hosts to which this address connects without TLS; none if it uses TLS, or a socket.
func (a RedisAddress) Plaintext() []string {
	hosts, encryption := a.hosts()
	if encryption != nil {
		return nil
	}
	return hosts
}

// Unverified are the hosts to which this address connects with TLS and takes any certificate, as with skip_verify=true.
func (a RedisAddress) Unverified() []string {
	hosts, encryption := a.hosts()
	if encryption == nil || !encryption.InsecureSkipVerify {
		return nil
	}
	return hosts
}

// hosts are those that this address names, none for a socket, and how it encrypts what goes there; nil: not at all.
func (a RedisAddress) hosts() (hosts []string, encryption *tls.Config) {
	var addresses []string
	switch {
	case a.cluster != nil:
		addresses, encryption = a.cluster.Addrs, a.cluster.TLSConfig
	case a.sentinel != nil:
		addresses, encryption = a.sentinel.SentinelAddrs, a.sentinel.TLSConfig
	case a.server != nil && a.server.Network != "unix":
		addresses, encryption = []string{a.server.Addr}, a.server.TLSConfig
	}
	for _, address := range addresses {
		if host, _, err := net.SplitHostPort(address); err == nil {
			hosts = append(hosts, host)
		}
	}
	return hosts, encryption
}

// ForAsking is the same Redis for a client that only asks whether it is there: one connection, and no patience.
func (a RedisAddress) ForAsking(dial, answer time.Duration) RedisAddress {
	switch {
	case a.cluster != nil:
		options := *a.cluster
		options.DialTimeout, options.ReadTimeout, options.WriteTimeout, options.PoolSize = dial, answer, answer, 1
		return RedisAddress{cluster: &options}
	case a.sentinel != nil:
		options := *a.sentinel
		options.DialTimeout, options.ReadTimeout, options.WriteTimeout, options.PoolSize = dial, answer, answer, 1
		return RedisAddress{sentinel: &options}
	}
	options := *a.server
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout, options.PoolSize = dial, answer, answer, 1
	return RedisAddress{server: &options}
}

// Bounded is the same Redis for a client whose exchanges end with their contexts, also while the server does not answer.
func (a RedisAddress) Bounded() RedisAddress {
	switch {
	case a.cluster != nil:
		options := *a.cluster
		options.ContextTimeoutEnabled = true
		return RedisAddress{cluster: &options}
	case a.sentinel != nil:
		options := *a.sentinel
		options.ContextTimeoutEnabled = true
		return RedisAddress{sentinel: &options}
	}
	options := *a.server
	options.ContextTimeoutEnabled = true
	return RedisAddress{server: &options}
}
