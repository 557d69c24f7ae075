package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// maxPooled is the size of a reply's buffer, in bytes, above which it is left to the garbage collector.
const maxPooled = 1 << 20

// Line sends requests to an upstream, each of them once. Its methods may be called concurrently.
type Line struct {
	transport *http.Transport
	userAgent string
	clock     func() time.Time
	buffers   sync.Pool
}

// LineConfig is what a Line is made of. All of it must be given.
type LineConfig struct {
	MaxConns  int           // at most so many connections
	Timeout   time.Duration // of a request: what the kernel still holds then is not sent any more
	UserAgent string
	Clock     func() time.Time
	// HereOnly lets nothing be written to another machine, wherever a host's name may lead by then.
	HereOnly bool
}

// NewLine makes a line. It connects to nothing.
func NewLine(c LineConfig) *Line {
	l := &Line{
		transport: newTransport(c.MaxConns, c.Timeout, c.Clock), userAgent: c.UserAgent, clock: c.Clock,
		buffers: sync.Pool{New: func() any { return new(bytes.Buffer) }},
	}
	if c.HereOnly {
		l.transport.DialContext = onThisMachine(l.transport.DialContext)
	}
	return l
}

// CloseIdle closes the connections that no request is using.
func (l *Line) CloseIdle() { l.transport.CloseIdleConnections() }

// Transport is what requests go through, for tests to trust a certificate with.
func (l *Line) Transport() *http.Transport { return l.transport }

// WithTimeout is context.WithTimeout with a cause that says how long was waited.
func WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("no whole reply within %s: %w", d, context.DeadlineExceeded))
}

// Request is one request and how its reply is read.
type Request struct {
	Method string
	URL    string
	Body   []byte // JSON; nil for none
	Bearer Secret // "" for none
	Limit  func(status int) int64
	// Read is given the status and as much of the reply's body as was read, with the error of reading it. It must not keep the
	// body. What it returns is Send's error.
	Read func(status int, body []byte, err error) error
}

// Send sends a request once and fills what the answer's fields Status, RetryAfter and Sent say. Its error says what went wrong
// beyond the status; it may quote the upstream. It uses the transport and not an http.Client, which would follow redirects.
func (l *Line) Send(ctx context.Context, answer *Answer, r Request) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var trace sendTrace
	req, err := l.request(trace.context(ctx), r)
	if err != nil {
		return err
	}
	resp, err := l.transport.RoundTrip(req)
	if err != nil {
		answer.Sent = trace.sent()
		return err
	}
	answer.Sent = true
	answer.Status = resp.StatusCode
	answer.RetryAfter = ParseRetryAfter(resp.Header.Get("Retry-After"), l.clock())
	defer resp.Body.Close() // what it says would change nothing about a reply that was read
	return l.read(r, resp)
}

func (l *Line) read(r Request, resp *http.Response) error {
	if resp.StatusCode < http.StatusOK { // 101: what follows is no reply
		return errors.New("upstream switched protocols")
	}
	buf := l.buffers.Get().(*bytes.Buffer)
	defer func() {
		if buf.Cap() <= maxPooled {
			clear(buf.Bytes()) // a reply may hold secrets
			buf.Reset()
			l.buffers.Put(buf)
		}
	}()
	err := readBody(buf, resp, r.Limit(resp.StatusCode))
	if err != nil {
		err = fmt.Errorf("read reply: %w", err)
	}
	return r.Read(resp.StatusCode, buf.Bytes(), err)
}

// noBody is an empty body that net/http does not recognise as one. A request without a body counts as
// replayable for GET, and net/http would send it again on its own; this one goes out once. Nothing is sent of it.
type noBody struct{}

func (noBody) Read([]byte) (int, error) { return 0, io.EOF }
func (noBody) Close() error             { return nil }

func (l *Line) request(ctx context.Context, r Request) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, nil)
	if err != nil {
		return nil, fmt.Errorf("build request: %w", err)
	}
	// The body is set here and not by NewRequest, which would add GetBody and with it the means to send it twice.
	req.Body = noBody{}
	if r.Body != nil {
		req.Body = io.NopCloser(bytes.NewReader(r.Body))
		req.ContentLength = int64(len(r.Body))
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", l.userAgent)
	if r.Bearer != "" {
		req.Header.Set("Authorization", "Bearer "+string(r.Bearer))
	}
	return req, nil
}
