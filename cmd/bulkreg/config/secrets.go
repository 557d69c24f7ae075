package config

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/bulkreg/bulkreg/worker/registrar"
)

// Secrets are the secrets among the settings, and the passwords in addresses: whatever an upstream quotes of them is not kept.
func (c Config) Secrets() []registrar.Secret {
	all := append([]registrar.Secret{c.RegistrarClientSecret, c.AccessToken}, c.traceSecrets()...)
	for key := range strings.FieldsFuncSeq(string(c.TokenEncryptionKey), func(r rune) bool { return r == ',' || r == '\n' }) {
		all = append(all, registrar.Secret(key))
	}
	for _, account := range c.Further {
		all = append(all, account.ClientSecret)
	}
	for _, address := range []registrar.Secret{c.DatabaseURL, c.RedisURL} {
		all = append(all, passwords(string(address))...)
	}
	return all
}

// passwords are those of an address, written as a URL or as key=value.
func passwords(address string) []registrar.Secret {
	var all []registrar.Secret
	add := func(password string) {
		if password != "" {
			all = append(all, registrar.Secret(password))
		}
	}
	if u, err := url.Parse(address); err == nil {
		password, _ := u.User.Password()
		add(password)
		for _, parameter := range []string{"password", "sentinel_password"} {
			add(u.Query().Get(parameter))
		}
	}
	for _, match := range regexp.MustCompile(`(?:^|\s)password\s*=\s*(?:'((?:[^'\\]|\\.)*)'|(\S+))`).FindAllStringSubmatch(address, -1) {
		add(match[1] + match[2])
	}
	return all
}
