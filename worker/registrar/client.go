package registrar

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/worker/upstream"
)

// Client speaks for one account of one registrar. Its methods may be called concurrently.
type Client struct {
	base    string
	paths   Paths
	timeout time.Duration
	clock   func() time.Time
	account *account // behind a pointer, so that printing a Client does not print it
	scrub   *scrubber
	tokens  *tokens
	line    *upstream.Line
	differs func(Difference) // nil: nobody looks
}

type account struct {
	ID     string
	Secret Secret // exported, so that fmt calls its methods
}

// New checks the configuration and returns a client. It sends nothing.
func New(cfg Config) (*Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("configure registrar client: %w", err)
	}
	c := &Client{
		base:    cfg.BaseURL,
		paths:   cfg.Paths,
		timeout: cfg.Timeout,
		clock:   cfg.Clock,
		account: &account{ID: cfg.ClientID, Secret: cfg.ClientSecret},
		scrub:   newScrubber(cfg.ClientSecret, cfg.Hidden...),
		differs: cfg.Differs,
		line: upstream.NewLine(upstream.LineConfig{
			MaxConns: cfg.MaxConns, Timeout: cfg.Timeout, UserAgent: cfg.UserAgent, Clock: cfg.Clock,
			HereOnly: !cfg.AllowPlaintext && strings.HasPrefix(strings.ToLower(cfg.BaseURL), "http://"),
		}),
	}
	c.tokens = newTokens(cfg.Clock, cfg.Timeout, c.requestToken)
	c.tokens.renewed = cfg.Renewed
	return c, nil
}

// Close ends a token request under way, waits for it and closes idle connections. A call under way keeps its
// connection: close the client after its last call has returned. Later calls fail with ErrClosed.
func (c *Client) Close() {
	c.tokens.close()
	c.line.CloseIdle()
}

// Authenticate makes sure that there is a token that can be used, and sends nothing else. A worker calls it before it
// records the intent to pay.
func (c *Client) Authenticate(ctx context.Context) error {
	ctx, cancel := upstream.WithTimeout(ctx, c.timeout)
	defer cancel()
	if _, err := c.tokens.get(ctx); err != nil {
		return c.safe(err, nil)
	}
	return nil
}

// Invalidate drops the token of that generation if it is still the current one, so that the next call gets a
// new one. However many callers invalidate a generation, after a 401 for each of them, one request follows.
func (c *Client) Invalidate(generation uint64) { c.tokens.invalidate(generation) }

// Format prints the base URL alone, whatever the verb.
func (c *Client) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "registrar.Client(%s)", c.base) }
