package config

import (
	"crypto/tls"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store/session"
)

// redisWarning warns of a Redis outside to which what lies there would travel unencrypted, or to whoever answers in its place; ""
// if there is nothing to warn of.
func (c Config) redisWarning() string {
	if c.RedisURL == "" {
		return ""
	}
	address, err := queue.ParseRedisURL(string(c.RedisURL))
	if err != nil {
		return ""
	}
	if i := slices.IndexFunc(address.Plaintext(), Outside); i >= 0 {
		return "REDIS_URL leads out of the private networks, to " + shown(address.Plaintext()[i]) + ", without TLS: orders and the password can be read " +
			"on the way, and changed; begin it with rediss://"
	}
	if i := slices.IndexFunc(address.Unverified(), Outside); i >= 0 {
		return "REDIS_URL leads out of the private networks, to " + shown(address.Unverified()[i]) + ", and skip_verify takes any certificate: whoever is " +
			"on the way can answer in its place, and read and change orders and the password; leave skip_verify out"
	}
	return ""
}

// DatabaseWarning warns of a Postgres outside to which a connection may be unencrypted: with sslmode=disable, and also with
// prefer, which is the default, and allow, which take what the server offers. Where it is encrypted, DatabaseUnverified is what it
// warns of. "" if there is nothing to warn of. Whoever connects sees whether it is encrypted.
func (c Config) DatabaseWarning() string {
	plain := c.databaseHost(func(encryption *tls.Config) bool { return encryption == nil })
	if plain == "" {
		return c.DatabaseUnverified()
	}
	return "DATABASE_URL leads out of the private networks, to " + shown(plain) + ", and lets the connection be unencrypted: orders, people's details " +
		"and the password could be read on the way; add sslmode=verify-full"
}

// DatabaseUnverified warns of a Postgres outside that nobody makes sure of: with sslmode=require and no sslrootcert any certificate
// does, and with verify-ca, which looks at no name, any that a public authority gave to anybody. "" if there is nothing to warn of.
func (c Config) DatabaseUnverified() string {
	host := c.databaseHost(func(encryption *tls.Config) bool {
		return encryption != nil && encryption.InsecureSkipVerify &&
			(encryption.VerifyPeerCertificate == nil && encryption.VerifyConnection == nil || encryption.RootCAs == nil)
	})
	if host == "" {
		return ""
	}
	return "DATABASE_URL leads out of the private networks, to " + shown(host) + ", and takes any certificate: whoever is on the way can answer in its " +
		"place, and read orders, people's details and the password; add sslmode=verify-full, and sslrootcert if its authority is your own"
}

// databaseHost is a host outside to which a connection is encrypted as is asked for, "" for none.
func (c Config) databaseHost(encrypted func(*tls.Config) bool) string {
	if c.DatabaseURL == "" {
		return ""
	}
	parsed, err := session.Config(string(c.DatabaseURL), session.Use{})
	if err != nil {
		return ""
	}
	first := &pgconn.FallbackConfig{Host: parsed.ConnConfig.Host, TLSConfig: parsed.ConnConfig.TLSConfig}
	for _, way := range append([]*pgconn.FallbackConfig{first}, parsed.ConnConfig.Fallbacks...) {
		if Outside(way.Host) && encrypted(way.TLSConfig) {
			return way.Host
		}
	}
	return ""
}
