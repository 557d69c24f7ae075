package registrar

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/bulkreg/bulkreg/worker/upstream"
)

const (
	// A token is replaced when a fifth of its life is left, at most maxEarly before its end.
	maxEarly = 5 * time.Minute
	// A token is not used when a tenth of its life is left, at most maxSpare: the request that carries it takes time.
	maxSpare = 10 * time.Second
	// minRefreshPause lies between two early refreshes, so that a failing one is not repeated by every call.
	minRefreshPause = 5 * time.Second
)

type token struct {
	Value      Secret // exported, so that fmt calls its methods
	generation uint64
	refreshAt  time.Time // from here on a new one is wanted
	spentAt    time.Time // from here on it is not used
}

// newToken counts the life from before the token was asked for, so that it never outlives the upstream's idea of it.
func newToken(value Secret, generation uint64, asked time.Time, life time.Duration) *token {
	end := asked.Add(life)
	return &token{
		Value:      value,
		generation: generation,
		refreshAt:  end.Add(-min(life/5, maxEarly)),
		spentAt:    end.Add(-min(life/10, maxSpare)),
	}
}

// renewal is one authentication request that many callers may wait for. token and err are set before done is closed.
type renewal struct {
	cancel context.CancelFunc
	done   chan struct{}
	token  *token
	err    error
}

// tokenRequest gets a new token and tells its life.
type tokenRequest func(context.Context) (Secret, time.Duration, error)

// tokens keeps the account's token. At most one authentication request is under way at a time. It runs on a
// goroutine and a deadline of its own, so that a caller who gives up fails nobody else; close waits for it.
type tokens struct {
	clock   func() time.Time
	request tokenRequest
	timeout time.Duration
	renewed func(error) // told of each request's end; nil: nobody is

	mu         sync.Mutex
	closed     bool
	current    *token // nil when there is none, or it was invalidated
	generation uint64 // of the last token got
	renewal    *renewal
	notBefore  time.Time // of the next early refresh
	running    sync.WaitGroup
}

func newTokens(clock func() time.Time, timeout time.Duration, request tokenRequest) *tokens {
	return &tokens{clock: clock, request: request, timeout: timeout}
}

// get returns a token that can be used now. It waits only when there is none: while one is still good it is
// returned at once, and its replacement is fetched meanwhile.
func (t *tokens) get(ctx context.Context) (*token, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	started := t.clock()
	tok, wait, err := t.next()
	if err != nil || tok != nil {
		return tok, err
	}
	select {
	case <-wait.done:
		return wait.token, wait.err
	case <-ctx.Done():
		waited := Answer{Started: started, Duration: t.clock().Sub(started)}
		return nil, &AuthError{Answer: waited, cause: fmt.Errorf("wait for a token: %w", context.Cause(ctx))}
	}
}

// next returns a good token, or else the renewal that will bring one.
func (t *tokens) next() (*token, *renewal, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, nil, ErrClosed
	}
	now := t.clock()
	good := t.current != nil && now.Before(t.current.spentAt)
	if good && (now.Before(t.current.refreshAt) || now.Before(t.notBefore)) {
		return t.current, nil, nil
	}
	if t.renewal == nil {
		ctx, cancel := upstream.WithTimeout(context.Background(), t.timeout)
		f := &renewal{cancel: cancel, done: make(chan struct{})}
		t.renewal = f
		t.running.Go(func() { t.renew(ctx, f) })
	}
	if good {
		return t.current, nil, nil
	}
	return nil, t.renewal, nil
}

func (t *tokens) renew(ctx context.Context, f *renewal) {
	defer f.cancel()
	asked := t.clock()
	value, life, err := t.request(ctx)
	if t.renewed != nil {
		t.renewed(err)
	}

	t.mu.Lock()
	defer t.mu.Unlock()
	t.renewal = nil
	if err != nil {
		f.err = err
		t.notBefore = t.clock().Add(minRefreshPause)
	} else {
		t.generation++
		t.current = newToken(value, t.generation, asked, life)
		t.notBefore = time.Time{}
		f.token = t.current
	}
	close(f.done)
}

// invalidate drops the token if it is still the one of that generation.
func (t *tokens) invalidate(generation uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current != nil && t.current.generation == generation {
		t.current = nil
	}
}

func (t *tokens) close() {
	t.mu.Lock()
	t.closed = true
	if t.renewal != nil {
		t.renewal.cancel()
	}
	t.mu.Unlock()
	t.running.Wait()
}

// requestToken is the authentication request itself. Its errors are always an *AuthError.
func (c *Client) requestToken(ctx context.Context) (Secret, time.Duration, error) {
	var (
		value Secret
		life  time.Duration
	)
	answer := Answer{Started: c.clock()}
	cause := func() error {
		body, err := encodeCredentials(c.account.ID, c.account.Secret)
		if err != nil {
			return fmt.Errorf("encode credentials: %w", err)
		}
		return c.exchange(ctx, &answer, request{
			op: OpAuthenticate, method: http.MethodPost, path: c.paths.Authenticate, body: body,
			success: isOK, limit: maxTokenReply, private: true,
			decode: func(body []byte) (err error) {
				if value, life, err = decodeToken(body); err == nil {
					c.scrub.addToken(value)
				}
				return err
			},
		}, nil)
	}()
	answer.Duration = c.clock().Sub(answer.Started)
	if cause != nil || !succeeded(&answer, isOK) {
		return "", 0, &AuthError{Answer: answer, cause: c.safe(cause, nil)}
	}
	return value, life, nil
}
