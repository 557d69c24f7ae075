package registrar

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// What a zero field of Config stands for.
const (
	DefaultTimeout   = 30 * time.Second
	DefaultMaxConns  = 16
	DefaultUserAgent = "bulkreg"
)

// Config says which account of which registrar a Client speaks for.
type Config struct {
	// BaseURL is the root of the API, such as https://api.example.com/v1. The public host is not documented.
	BaseURL string
	// AllowPlaintext lets a base URL with http:// lead to another machine. Without it such a client writes to this machine alone,
	// wherever the name of the host may lead by then.
	AllowPlaintext bool
	// ClientID and ClientSecret are the account's credentials.
	ClientID     string
	ClientSecret Secret
	// Hidden are secrets of others that must not be kept either where the upstream quotes them, such as those of further
	// accounts. One that is shorter than what is hidden in parts is left out: it may as well be a word.
	Hidden []Secret
	// Timeout bounds one method call as a whole, waiting for a token included, so that a worker can
	// compare it with its lease. The context may end it sooner. Zero means DefaultTimeout.
	Timeout time.Duration
	// Paths overrides assumed paths; a zero field means the one in DefaultPaths.
	Paths Paths
	// UserAgent names the caller to the upstream. Zero means DefaultUserAgent.
	UserAgent string
	// Clock is used for times on record and for the life of tokens. Nil means time.Now.
	Clock func() time.Time
	// Renewed is told of each request for a token that has ended, with its error or nil. It must not block. Nil: nobody is.
	Renewed func(error)
	// Differs is told of each field in which the reply to a request for a token, to a check or to a bulk check is not as the contract
	// has it. It may be called from several goroutines. Nil: nobody looks.
	Differs func(Difference)
	// MaxConns bounds the connections of this client. It should be at least the number of concurrent calls
	// plus one for the token. Zero means DefaultMaxConns.
	MaxConns int
}

// withDefaults fills zero fields and reports everything that is wrong with c, each problem on its own line.
func (c Config) withDefaults() (Config, error) {
	problems := []error{
		checkBaseURL(c.BaseURL),
		checkCredential("client id", c.ClientID),
		checkCredential("client secret", string(c.ClientSecret)),
	}
	if c.Timeout < 0 {
		problems = append(problems,
			fmt.Errorf("timeout %s is negative: leave it out for %s", c.Timeout, DefaultTimeout))
	}
	if c.MaxConns < 0 {
		problems = append(problems,
			fmt.Errorf("connection limit %d is negative: leave it out for %d", c.MaxConns, DefaultMaxConns))
	}
	if hasControl(c.UserAgent) {
		problems = append(problems, errors.New("user agent holds a control character: remove it"))
	}
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	c.Paths = c.Paths.withDefaults()
	problems = append(problems, c.Paths.validate())
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.MaxConns == 0 {
		c.MaxConns = DefaultMaxConns
	}
	if c.UserAgent == "" {
		c.UserAgent = DefaultUserAgent
	}
	if c.Renewed == nil {
		c.Renewed = func(error) {}
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	return c, errors.Join(problems...)
}

// checkBaseURL never quotes the URL: it may hold a password.
func checkBaseURL(base string) error {
	if base == "" {
		return errors.New("base URL is missing: give the root of the API, such as https://api.example.com")
	}
	u, err := url.Parse(base)
	switch {
	case err != nil:
		return errors.New("base URL cannot be parsed: give the root of the API, such as https://api.example.com")
	case u.User != nil:
		return errors.New("base URL holds a user or password: remove it, credentials have their own settings")
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("base URL has no http or https scheme: begin it with https://")
	case u.Hostname() == "":
		return errors.New("base URL has no host: write it as https://host or https://host/path")
	case strings.ContainsAny(base, "?#"):
		return errors.New("base URL has a query or fragment: end it with the path")
	}
	return nil
}

func checkCredential(name, value string) error {
	if strings.TrimSpace(value) == "" {
		return fmt.Errorf("%s is missing: the registrar issues one per account", name)
	}
	if hasControl(value) {
		return fmt.Errorf("%s holds a line break or another control character: remove it", name)
	}
	return nil
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
