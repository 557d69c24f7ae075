package config

import (
	"fmt"
	"strings"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake/domainname"
)

// MissingError says that a command needs settings that are not there.
type MissingError struct {
	Variables []string
	Hint      string
}

func (e *MissingError) Error() string {
	verb := "is"
	if len(e.Variables) > 1 {
		verb = "are"
	}
	return fmt.Sprintf("%s %s not set: %s", list(e.Variables), verb, e.Hint)
}

// Database is the address of Postgres, or a *MissingError.
func (c Config) Database() (string, error) {
	if c.DatabaseURL == "" {
		return "", &MissingError{[]string{"DATABASE_URL"},
			"give the address of your Postgres, such as " + exampleOf("DATABASE_URL") + ", or try `bulkreg dev`, which needs nothing"}
	}
	return string(c.DatabaseURL), nil
}

// Suffixes are those under which names can be registered besides the public ones.
func (c Config) Suffixes() (domainname.Suffixes, error) {
	suffixes, err := domainname.ParseSuffixes(c.ExtraSuffixes)
	if err != nil {
		return domainname.Suffixes{}, fmt.Errorf("%s: %w", domainname.Setting, err)
	}
	return suffixes, nil
}

// Redis is the address of Redis, or a *MissingError.
func (c Config) Redis() (string, error) {
	if c.RedisURL == "" {
		return "", &MissingError{[]string{"REDIS_URL"},
			"give the address of your Redis, such as " + exampleOf("REDIS_URL")}
	}
	return string(c.RedisURL), nil
}

// Keys are those with which producers sign their chunks; none, if they need not.
func (c Config) Keys() (queue.Keys, error) {
	if c.ProducerKeys == "" {
		return queue.Keys{}, nil
	}
	keys, err := queue.ParseKeys(string(c.ProducerKeys))
	if err != nil {
		return queue.Keys{}, fmt.Errorf("PRODUCER_KEYS: %w", err)
	}
	return keys, nil
}

// Accounts are the registrar's accounts: the one named default, if it is set, and the further ones. It fails with a
// *MissingError when there is none, or when the default one is set in part.
func (c Config) Accounts() ([]Account, error) {
	byDefault := Account{
		Name: DefaultAccount, BaseURL: c.RegistrarBaseURL, ClientID: c.RegistrarClientID, ClientSecret: c.RegistrarClientSecret,
	}
	if byDefault.ClientID == "" && byDefault.ClientSecret == "" && len(c.Further) > 0 {
		return c.Further, nil
	}
	var missing []string
	for _, s := range []struct{ variable, value string }{
		{"REGISTRAR_BASE_URL", byDefault.BaseURL},
		{"REGISTRAR_CLIENT_ID", byDefault.ClientID},
		{"REGISTRAR_CLIENT_SECRET", string(byDefault.ClientSecret)},
	} {
		if s.value == "" {
			missing = append(missing, s.variable)
		}
	}
	if len(missing) > 0 {
		return nil, &MissingError{missing, "give the root of the registrar's API and the credentials that it issued to you; `bulkreg sandbox` prints some to try"}
	}
	return append([]Account{byDefault}, c.Further...), nil
}

// Account is the account of that name.
func (c Config) Account(name string) (Account, error) {
	accounts, err := c.Accounts()
	if err != nil {
		return Account{}, err
	}
	var names []string
	for _, a := range accounts {
		if a.Name == name {
			return a, nil
		}
		names = append(names, a.Name)
	}
	return Account{}, fmt.Errorf("there is no account %q: one of %s", name, strings.Join(names, ", "))
}

// list joins names as people do.
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
