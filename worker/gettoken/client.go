package gettoken

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/worker/registrar"
	"github.com/bulkreg/bulkreg/worker/upstream"
)

// OpGetToken names the one operation.
const OpGetToken upstream.Op = "get token"

// maxReply bounds a reply, in bytes.
const maxReply = 64 << 10

// Answer says what one request brought. Its StatusCode is the status in the body, its TokenGeneration that of the access token.
type Answer = upstream.Answer

// Error says that a call did not succeed.
type Error = upstream.Error

// Person is whom a token is asked for, checked and in its normal form, see package job. It prints as nothing.
type Person struct {
	Email          string
	Originator     string
	LanguageCode   string // "" is left out, as the names are
	FirstName      string
	LastName       string
	PrivacyConsent bool
}

// Format prints none of it, whatever the verb.
func (Person) Format(f fmt.State, _ rune) { fmt.Fprint(f, "(a person)") }

// holder is the person as those whose details are hidden.
func (p Person) holder() registrar.Holder {
	return registrar.Holder{Email: p.Email, FirstName: p.FirstName, LastName: p.LastName}
}

// Issued is a token and the URLs that came with it: each of them is a key to somebody's account.
type Issued struct {
	Token       upstream.Secret // a GUID
	RedirectURL upstream.Secret // "" where there was none
	AccountURL  upstream.Secret // "" where there was none
}

// Reply is what one call brought.
type Reply struct {
	Answer
	Issued Issued // zero without success
	// Invalid says that the upstream blames what it was sent: the same again would bring the same.
	Invalid bool
}

// Client asks for tokens. Its methods may be called concurrently.
type Client struct {
	url     string
	timeout time.Duration
	clock   func() time.Time
	access  access
	cleaner *registrar.Cleaner
	line    *upstream.Line
}

// New checks the configuration and returns a client. It sends nothing.
func New(cfg Config) (*Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("configure GetToken client: %w", err)
	}
	cleaner := registrar.NewCleaner(cfg.Hidden...)
	return &Client{
		url: cfg.URL, timeout: cfg.Timeout, clock: cfg.Clock, cleaner: cleaner, access: access{from: cfg.Access, known: cleaner.Hide},
		line: upstream.NewLine(upstream.LineConfig{
			MaxConns: cfg.MaxConns, Timeout: cfg.Timeout, UserAgent: cfg.UserAgent, Clock: cfg.Clock,
			HereOnly: !cfg.AllowPlaintext && strings.HasPrefix(strings.ToLower(cfg.URL), "http://"),
		}),
	}, nil
}

// Close closes idle connections. Close the client after its last call has returned.
func (c *Client) Close() { c.line.CloseIdle() }

// Format prints nothing of its URL, whatever the verb.
func (c *Client) Format(f fmt.State, _ rune) { fmt.Fprint(f, "gettoken.Client") }

// Renewed reads the access token anew and reports whether it is another one than that of this generation, so that a call which
// was refused for it is worth making again.
func (c *Client) Renewed(generation uint64) bool {
	_, now, err := c.access.get()
	return err == nil && now != generation
}

// GetToken asks for one token. Without success its error is an *Error. A token counts from Answer.Started on, for Life.
func (c *Client) GetToken(ctx context.Context, p Person) (Reply, error) {
	reply := Reply{Answer: Answer{Started: c.clock()}}
	ctx, cancel := upstream.WithTimeout(ctx, c.timeout)
	defer cancel()
	err := c.send(ctx, &reply, p)
	reply.Duration = c.clock().Sub(reply.Started)
	if err == nil && reply.Issued.Token != "" {
		return reply, nil
	}
	reply.Issued = Issued{}
	var cause error
	if err != nil {
		cause = upstream.Cause(c.clean(err.Error(), p), err)
	}
	return reply, upstream.NewError(OpGetToken, reply.Answer, cause)
}

func (c *Client) send(ctx context.Context, reply *Reply, p Person) error {
	body, err := encodePerson(p)
	if err != nil {
		return errors.Join(upstream.ErrInput, errors.New("the person cannot be encoded"))
	}
	token, generation, err := c.access.get()
	if err != nil {
		return err
	}
	reply.TokenGeneration = generation
	return c.line.Send(ctx, &reply.Answer, upstream.Request{
		Method: http.MethodPost, URL: c.url, Body: body, Bearer: token,
		Limit: func(int) int64 { return maxReply },
		Read:  func(status int, body []byte, err error) error { return c.read(reply, p, status, body, err) },
	})
}

// read reads a reply. The error page of a proxy is quoted; nothing is of a reply that says success and is none, because a token
// may be in it.
func (c *Client) read(reply *Reply, p Person, status int, body []byte, err error) error {
	if err != nil {
		return err
	}
	said, err := decode(body)
	reply.Complete = err == nil
	if status == http.StatusOK && err == nil {
		reply.StatusCode = int(said.Status)
		if reply.Issued, err = said.issued(); err == nil {
			return nil
		}
	}
	words := said.words()
	switch {
	case said.Status != 0 && words != "":
		reply.Documented, reply.StatusCode = status != http.StatusOK, int(said.Status)
		reply.Message = c.clean(words, p)
		// Both must say so, and say the same: words alone, beside another status, may be a proxy's.
		reply.Invalid = status == int(said.Status) && status >= http.StatusBadRequest && saysInvalid(words)
	case status >= http.StatusBadRequest && said.Token == "" && err != nil:
		reply.Message = withoutKeys(c.cleaner.Page([]byte(withoutKeys(string(body))), p.holder()))
		return nil // the status says it all
	}
	return err
}

// clean makes words safe to store and to show. What may be a key goes first and last: cleaning takes layers of escaping off.
func (c *Client) clean(words string, p Person) string {
	return withoutKeys(c.cleaner.Clean(withoutKeys(words), p.holder()))
}
