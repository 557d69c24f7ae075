package registrar

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Bounds of reply bodies, in bytes. A bulk reply may use perItem for each item asked about.
const (
	maxTokenReply = 64 << 10
	maxErrorReply = 64 << 10
	maxReply      = 16 << 20
	baseReply     = 64 << 10
	perItem       = 8 << 10
	maxPooled     = 1 << 20 // larger buffers are left to the garbage collector
)

func replyLimit(items int) int64 {
	return int64(min(baseReply+min(items, maxReply/perItem)*perItem, maxReply))
}

// request is what one method sends and how it reads the reply.
type request struct {
	op       Op
	method   string
	path     string
	body     []byte // nil for none
	success  func(status int) bool
	limit    int64                   // of a success reply
	decode   func(body []byte) error // of a success reply; it must not keep body
	accepted func(body []byte)       // reads the body of a 202, where that means something; it must not keep body
	private  bool                    // replies hold secrets or personal data: only the documented message is quoted
	domains  []string                // what it is about
	personal func() terms            // what to hide in the upstream's words and in errors; nil for nothing
}

// hidden is what to hide in the upstream's words.
func (r request) hidden() terms {
	if r.personal == nil {
		return nil
	}
	return r.personal()
}

func isOK(status int) bool          { return status == http.StatusOK }
func isOKOrCreated(status int) bool { return status == http.StatusOK || status == http.StatusCreated }
func isOKOrNoContent(status int) bool {
	return status == http.StatusOK || status == http.StatusNoContent
}

// ok reports that the operation succeeded: the status says so and the reply was read and decoded.
func (a *Answer) ok(success func(int) bool) bool { return success(a.Status) && a.Complete }

// do gets a token and sends r once. Timeout covers both.
func (c *Client) do(ctx context.Context, r request) (Answer, error) {
	answer := Answer{Started: c.clock()}
	ctx, cancel := withTimeout(ctx, c.timeout)
	defer cancel()

	tok, err := c.tokens.get(ctx)
	if err == nil {
		answer.TokenGeneration = tok.generation
		err = c.exchange(ctx, &answer, r, tok)
	}
	answer.Duration = c.clock().Sub(answer.Started)
	if err != nil || !answer.ok(r.success) {
		return answer, &Error{Op: r.op, Answer: answer, cause: c.safe(err, r.hidden)}
	}
	return answer, nil
}

// withTimeout is context.WithTimeout with a cause that says how long was waited.
func withTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("no whole reply within %s: %w", d, context.DeadlineExceeded))
}

// refuse answers a call that cannot be sent as it is.
func (c *Client) refuse(op Op, why string) (Answer, error) {
	answer := Answer{Started: c.clock()}
	return answer, &Error{Op: op, Answer: answer, cause: fmt.Errorf("%w: %s", ErrInput, why)}
}

// noBody is an empty body that net/http does not recognise as one. A request without a body counts as
// replayable for GET, and net/http would send it again on its own; this one goes out once. Nothing is sent of it.
type noBody struct{}

func (noBody) Read([]byte) (int, error) { return 0, io.EOF }
func (noBody) Close() error             { return nil }

func (c *Client) newRequest(ctx context.Context, r request, tok *token) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, c.base+r.path, nil)
	if err != nil {
		return nil, fmt.Errorf("build request: %w", err)
	}
	// The body is set here and not by NewRequest, which would add GetBody and with it the means to send it twice.
	req.Body = noBody{}
	if r.body != nil {
		req.Body = io.NopCloser(bytes.NewReader(r.body))
		req.ContentLength = int64(len(r.body))
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", c.userAgent)
	if tok != nil {
		req.Header.Set("Authorization", "Bearer "+string(tok.Value))
	}
	return req, nil
}

// exchange sends r once and fills answer; tok is nil for the authentication request. Its error says what went wrong
// beyond the status. It uses the transport and not an http.Client, which would follow redirects.
func (c *Client) exchange(ctx context.Context, answer *Answer, r request, tok *token) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var trace sendTrace
	req, err := c.newRequest(trace.context(ctx), r, tok)
	if err != nil {
		return err
	}
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		answer.Sent = trace.sent()
		return err
	}
	answer.Sent = true
	answer.Status = resp.StatusCode
	answer.RetryAfter = parseRetryAfter(resp.Header.Get("Retry-After"), c.clock())
	defer resp.Body.Close() // what it says would change nothing about a reply that was read
	return c.readReply(answer, r, resp)
}

func (c *Client) readReply(answer *Answer, r request, resp *http.Response) error {
	later := resp.StatusCode == http.StatusAccepted && r.accepted != nil
	limit := int64(maxErrorReply)
	if r.success(resp.StatusCode) || later {
		limit = r.limit
	}
	if resp.StatusCode < http.StatusOK { // 101: what follows is no reply
		return errors.New("upstream switched protocols")
	}
	buf := c.buffers.Get().(*bytes.Buffer)
	defer func() {
		if buf.Cap() <= maxPooled {
			buf.Reset()
			c.buffers.Put(buf)
		}
	}()
	err := readBody(buf, resp, limit)
	if err != nil {
		err = fmt.Errorf("read reply: %w", err)
	}
	switch {
	case err != nil:
	case later:
		r.accepted(buf.Bytes())
	case r.success(resp.StatusCode) && r.decode != nil:
		err = r.decode(buf.Bytes())
	}
	answer.Complete = err == nil
	if !answer.ok(r.success) {
		c.quote(answer, r, buf.Bytes())
	}
	return err
}

// quote takes the upstream's words from a reply that is not a success.
func (c *Client) quote(answer *Answer, r request, body []byte) {
	if !r.success(answer.Status) {
		if code, message, ok := decodeError(body); ok {
			answer.Documented, answer.StatusCode = true, code
			answer.Message = c.scrub.clean(message, r.hidden())
			return
		}
	}
	// A success reply cut in the middle is data, not words.
	data := r.success(answer.Status) && bytes.IndexAny(bytes.TrimSpace(body[:min(len(body), 64)]), "{[") == 0
	if r.private || data {
		return
	}
	answer.Message = c.scrub.page(body, r.hidden())
}

// safe cleans what an error says: net/http quotes a reply that is no HTTP. Our own errors under it stay to be found.
func (c *Client) safe(err error, hidden func() terms) error {
	var auth *AuthError
	if err == nil || errors.As(err, &auth) {
		return err
	}
	return &safeCause{text: c.cleanLazily(err.Error(), hidden), err: err}
}
