package registrar

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Client speaks for one account of one registrar. Its methods may be called concurrently.
type Client struct {
	base      string
	paths     Paths
	userAgent string
	timeout   time.Duration
	clock     func() time.Time
	account   *account // behind a pointer, so that printing a Client does not print it
	scrub     *scrubber
	tokens    *tokens
	transport *http.Transport
	buffers   sync.Pool
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
		base:      cfg.BaseURL,
		paths:     cfg.Paths,
		userAgent: cfg.UserAgent,
		timeout:   cfg.Timeout,
		clock:     cfg.Clock,
		account:   &account{ID: cfg.ClientID, Secret: cfg.ClientSecret},
		scrub:     newScrubber(cfg.ClientSecret, cfg.Hidden...),
		transport: newTransport(cfg.MaxConns, cfg.Timeout, cfg.Clock),
		buffers:   sync.Pool{New: func() any { return new(bytes.Buffer) }},
	}
	if !cfg.AllowPlaintext && strings.HasPrefix(strings.ToLower(cfg.BaseURL), "http://") {
		c.transport.DialContext = onThisMachine(c.transport.DialContext)
	}
	c.tokens = newTokens(cfg.Clock, cfg.Timeout, c.requestToken)
	return c, nil
}

// Close ends a token request under way, waits for it and closes idle connections. A call under way keeps its
// connection: close the client after its last call has returned. Later calls fail with ErrClosed.
func (c *Client) Close() {
	c.tokens.close()
	c.transport.CloseIdleConnections()
}

// Authenticate makes sure that there is a token that can be used, and sends nothing else. A worker calls it before it
// records the intent to pay.
func (c *Client) Authenticate(ctx context.Context) error {
	ctx, cancel := withTimeout(ctx, c.timeout)
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
