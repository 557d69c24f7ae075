package queue

import (
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

// RedisURLError says why a text is no address of a Redis. It quotes nothing of the text but names of parameters.
type RedisURLError struct{ Reason string }

func (e *RedisURLError) Error() string {
	return "parse REDIS_URL: no Redis address that can be used: " + e.Reason
}

const noAddress = "write it as redis://user:password@host:port/db, with %xx for special characters in the password"

// Parameters that decide what kind of Redis an address names.
const (
	sentinelParameter = "master_name"
	addrParameter     = "addr"
	databaseParameter = "db"
)

// Forms of address that Asynq reads and go-redis does not.
const (
	asynqSentinel = "redis-sentinel://"
	asynqSocket   = "redis-socket://"
	sentinelPort  = "26379"
)

// ParseRedisURL reads the address of a Redis as go-redis does:
//
//	redis://user:password@host:6379/0           one server; rediss:// with TLS; port and database may be missing, or ?db=0
//	unix://user:password@/path/to/socket?db=0   the same through a socket
//	redis://host?master_name=NAME&addr=host2:26379&username=user&password=password   Sentinels; before the @ their own credentials
//	redis://user:password@host?addr=host2:6379  a Cluster, by some of its nodes
//
// and the two more that Asynq has, redis-socket:// and redis-sentinel://host1:26379,host2:26379?master=NAME. Further parameters
// are those of go-redis, such as pool_size or dial_timeout; one that is not known is refused. Its error is a *RedisURLError.
func ParseRedisURL(raw string) (RedisAddress, error) {
	u, ok := readURL(raw)
	if !ok {
		return RedisAddress{}, &RedisURLError{noAddress}
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || u.Opaque != "" || u.Fragment != "" || strings.ContainsAny(u.Host, ", ") {
		return RedisAddress{}, &RedisURLError{noAddress}
	}
	if reason := checkDatabase(u, query); reason != "" {
		return RedisAddress{}, &RedisURLError{reason}
	}
	address, err := parseAddress(u, query)
	if err != nil {
		return RedisAddress{}, &RedisURLError{blame(u, query)}
	}
	return address, nil
}

// parseAddress leaves an address to that parser of go-redis which knows its kind. The parsers' errors quote addresses.
func parseAddress(u *url.URL, query url.Values) (a RedisAddress, err error) {
	changed := *u
	changed.RawQuery = query.Encode()
	switch {
	case query.Has(sentinelParameter):
		a.sentinel, err = redis.ParseFailoverURL(changed.String())
	case query.Has(addrParameter):
		a.cluster, err = redis.ParseClusterURL(changed.String())
	default:
		a.server, err = redis.ParseURL(changed.String())
	}
	return a, err
}

// blame finds the parameters for which an address was refused: without them it would be one.
func blame(u *url.URL, query url.Values) string {
	kind := func(name string) bool { return name == sentinelParameter || name == addrParameter }
	bare := url.Values{}
	for name, values := range query {
		if kind(name) {
			bare[name] = values
		}
	}
	// A ? in a password that was not escaped makes a parameter of the rest.
	if _, err := parseAddress(u, bare); err != nil || strings.Contains(u.RawQuery, "@") {
		return noAddress
	}
	var bad []string
	for name, values := range query {
		if kind(name) {
			continue
		}
		bare[name] = values
		if _, err := parseAddress(u, bare); err != nil {
			bad = append(bad, strconv.Quote(name[:min(len(name), MaxName)]))
		}
		delete(bare, name)
	}
	slices.Sort(bad)
	return "it has parameters that are not known, or whose values cannot be used: " + strings.Join(bad, ", ")
}

// checkDatabase says what is wrong with the number of the database, which may stand in two places.
func checkDatabase(u *url.URL, query url.Values) string {
	given := query[databaseParameter]
	if inPath := strings.Trim(u.Path, "/"); inPath != "" && u.Scheme != "unix" {
		given = append(slices.Clone(given), inPath)
	}
	for _, number := range given {
		n, err := strconv.Atoi(number)
		switch {
		case err != nil || n < 0:
			return noAddress
		case number != given[0]:
			return "it names two databases: give one number"
		case n != 0 && query.Has(addrParameter) && !query.Has(sentinelParameter):
			return "a Cluster has only database 0"
		}
	}
	return ""
}

// readURL reads an address as a URL that go-redis knows.
func readURL(raw string) (*url.URL, bool) {
	if socket, ok := strings.CutPrefix(raw, asynqSocket); ok {
		raw = "unix://" + socket
	}
	if sentinels, ok := strings.CutPrefix(raw, asynqSentinel); ok {
		return readSentinels(sentinels)
	}
	u, err := url.Parse(raw)
	return u, err == nil
}

// readSentinels reads what follows redis-sentinel://. Its list of hosts is no host to a URL.
func readSentinels(rest string) (*url.URL, bool) {
	authority, tail := rest, ""
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority, tail = rest[:end], rest[end:]
	}
	credentials, list := "", authority
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		credentials, list = authority[:at+1], authority[at+1:]
	}
	hosts := strings.Split(list, ",")
	for i, host := range hosts {
		if _, _, err := net.SplitHostPort(host); err != nil {
			hosts[i] = net.JoinHostPort(strings.Trim(host, "[]"), sentinelPort)
		}
	}
	u, err := url.Parse("redis://" + credentials + hosts[0] + tail)
	if err != nil {
		return nil, false
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || !query.Has("master") {
		return nil, false
	}
	query.Set(sentinelParameter, query.Get("master"))
	query.Del("master")
	query[addrParameter] = append(query[addrParameter], hosts[1:]...)
	u.RawQuery = query.Encode()
	return u, true
}
