package gettoken

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/worker/upstream"
)

// What a zero field of Config stands for.
const (
	DefaultTimeout   = 30 * time.Second
	DefaultMaxConns  = 16
	DefaultUserAgent = "bulkreg"
)

// Config says how a Client speaks to GetToken.
type Config struct {
	URL    string // of the operation itself, such as https://webapi.pmg.be/v2/token/gettoken
	Access Access // must be given
	// AllowPlaintext lets a URL with http:// lead to another machine.
	AllowPlaintext bool
	// Hidden are secrets of others that must not be kept where the upstream quotes them.
	Hidden    []upstream.Secret
	Timeout   time.Duration // of one call as a whole; zero: DefaultTimeout
	MaxConns  int           // at least the number of concurrent calls; zero: DefaultMaxConns
	UserAgent string        // zero: DefaultUserAgent
	Clock     func() time.Time
}

// withDefaults fills zero fields and reports everything that is wrong with c, each problem on its own line.
func (c Config) withDefaults() (Config, error) {
	problems := []error{checkURL(c.URL)}
	if c.Access == nil {
		problems = append(problems, ErrNoAccess)
	}
	if c.Timeout < 0 {
		problems = append(problems, fmt.Errorf("timeout %s is negative: leave it out for %s", c.Timeout, DefaultTimeout))
	}
	if c.MaxConns < 0 {
		problems = append(problems, fmt.Errorf("connection limit %d is negative: leave it out for %d", c.MaxConns, DefaultMaxConns))
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.MaxConns == 0 {
		c.MaxConns = DefaultMaxConns
	}
	if c.UserAgent == "" {
		c.UserAgent = DefaultUserAgent
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	return c, errors.Join(problems...)
}

// checkURL never quotes the URL: it may hold a password.
func checkURL(address string) error {
	const such = "such as https://webapi.pmg.be/v2/token/gettoken"
	u, err := url.Parse(address)
	switch {
	case address == "":
		return errors.New("URL is missing: give that of GetToken, " + such)
	case err != nil:
		return errors.New("URL cannot be parsed: give that of GetToken, " + such)
	case u.User != nil:
		return errors.New("URL holds a user or password: remove it, the access token has its own setting")
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("URL has no http or https scheme: begin it with https://")
	case u.Hostname() == "":
		return errors.New("URL has no host: give that of GetToken, " + such)
	case strings.Contains(address, "#"):
		return errors.New("URL has a fragment: end it with the path")
	}
	return nil
}
