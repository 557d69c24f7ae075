package registrar

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/bulkreg/bulkreg/worker/upstream"
)

// Bounds of reply bodies, in bytes. A bulk reply may use perItem for each item asked about.
const (
	maxTokenReply = 64 << 10
	maxErrorReply = 64 << 10
	maxReply      = 16 << 20
	baseReply     = 64 << 10
	perItem       = 8 << 10
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

// succeeded reports that the operation succeeded: the status says so and the reply was read and decoded.
func succeeded(a *Answer, success func(int) bool) bool { return success(a.Status) && a.Complete }

// do gets a token and sends r once. Timeout covers both.
func (c *Client) do(ctx context.Context, r request) (Answer, error) {
	answer := Answer{Started: c.clock()}
	ctx, cancel := upstream.WithTimeout(ctx, c.timeout)
	defer cancel()

	tok, err := c.tokens.get(ctx)
	if err == nil {
		answer.TokenGeneration = tok.generation
		err = c.exchange(ctx, &answer, r, tok)
	}
	answer.Duration = c.clock().Sub(answer.Started)
	if err != nil || !succeeded(&answer, r.success) {
		return answer, upstream.NewError(r.op, answer, c.safe(err, r.hidden))
	}
	return answer, nil
}

// refuse answers a call that cannot be sent as it is.
func (c *Client) refuse(op Op, why string) (Answer, error) {
	answer := Answer{Started: c.clock()}
	return answer, upstream.NewError(op, answer, fmt.Errorf("%w: %s", ErrInput, why))
}

// exchange sends r once and fills answer; tok is nil for the authentication request. Its error says what went wrong
// beyond the status.
func (c *Client) exchange(ctx context.Context, answer *Answer, r request, tok *token) error {
	sent := upstream.Request{
		Method: r.method, URL: c.base + r.path, Body: r.body,
		Limit: r.limitOf,
		Read:  func(status int, body []byte, err error) error { return c.read(answer, r, status, body, err) },
	}
	if tok != nil {
		sent.Bearer = tok.Value
	}
	return c.line.Send(ctx, answer, sent)
}

// reads reports whether the body of a status is read as what the method asked for.
func (r request) reads(status int) bool { return r.success(status) || r.readsLater(status) }

func (r request) readsLater(status int) bool {
	return status == http.StatusAccepted && r.accepted != nil
}

func (r request) limitOf(status int) int64 {
	if r.reads(status) {
		return r.limit
	}
	return maxErrorReply
}

func (c *Client) read(answer *Answer, r request, status int, body []byte, err error) error {
	if err == nil && c.differs != nil {
		c.compare(r, status, body)
	}
	switch {
	case err != nil:
	case r.readsLater(status):
		r.accepted(body)
	case r.success(status) && r.decode != nil:
		err = r.decode(body)
	}
	answer.Complete = err == nil
	if !succeeded(answer, r.success) {
		c.quote(answer, r, body)
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
	return upstream.Cause(c.cleanLazily(err.Error(), hidden), err)
}
