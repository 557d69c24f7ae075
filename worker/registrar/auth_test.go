package registrar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// tokenServer gives out tokens by number and lets a test hold, count and refuse the requests for them.
type tokenServer struct {
	given  atomic.Int64
	refuse atomic.Bool
	gate   chan struct{} // nil, or one value lets one request through
	asked  chan struct{}
	end    chan struct{} // closed when the test is over
	other  func(token string) reply
}

func (s *tokenServer) answer(r received) reply {
	if r.URL.Path != DefaultPaths().Authenticate {
		if s.other == nil {
			return jsonReply(200, `{"results":[]}`)
		}
		return s.other(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	}
	n := s.given.Add(1)
	if s.asked != nil {
		s.asked <- struct{}{}
	}
	if s.gate != nil {
		select {
		case <-s.gate:
		case <-s.end:
		}
	}
	if s.refuse.Load() {
		return jsonReply(500, `{"statusCode":500,"message":"InternalServerError"}`)
	}
	return jsonReply(200, fmt.Sprintf(`{"status":"success","token":"token-number-%04d","expires_in":1000}`, n))
}

func (s *tokenServer) client(t *testing.T) (*Client, *fakeClock) {
	t.Helper()
	clock := newFakeClock()
	s.end = make(chan struct{})
	cfg := testConfig(newBareUpstream(t, s.answer).url())
	t.Cleanup(func() { close(s.end) })
	cfg.Clock = clock.Now
	cfg.MaxConns = 64
	return newTestClient(t, cfg), clock
}

func TestTokenSingleFlight(t *testing.T) {
	t.Parallel()
	s := &tokenServer{gate: make(chan struct{}), asked: make(chan struct{}, 50)}
	c, _ := s.client(t)
	ctx := testContext(t)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			got, err := c.CheckBulk(ctx, []string{"a.nl"})
			if err != nil || got.TokenGeneration != 1 {
				t.Errorf("generation %d, error %v", got.TokenGeneration, err)
			}
		})
	}
	<-s.asked
	s.gate <- struct{}{}
	wg.Wait()
	if n := s.given.Load(); n != 1 {
		t.Errorf("%d authentication requests for 50 callers, want 1", n)
	}
}

func TestCancelledCallerFailsNobodyElse(t *testing.T) {
	t.Parallel()
	s := &tokenServer{gate: make(chan struct{}), asked: make(chan struct{}, 2)}
	c, _ := s.client(t)
	first, cancel := context.WithCancel(testContext(t))
	errs := make(chan error, 2)
	var wg sync.WaitGroup
	wg.Go(func() { errs <- c.Authenticate(first) })
	<-s.asked // the request is the first caller's doing
	cancel()
	err := <-errs
	var auth *AuthError
	if !errors.Is(err, context.Canceled) || !errors.As(err, &auth) || auth.Refused() || auth.Answer.Status != 0 {
		t.Errorf("first caller: %v", err)
	}
	wg.Go(func() { errs <- c.Authenticate(testContext(t)) })
	s.gate <- struct{}{}
	if err := <-errs; err != nil {
		t.Errorf("second caller: %v", err)
	}
	wg.Wait()
	if n := s.given.Load(); n != 1 {
		t.Errorf("%d authentication requests, want 1", n)
	}
}

func TestEarlyRefresh(t *testing.T) {
	t.Parallel()
	s := &tokenServer{gate: make(chan struct{}), asked: make(chan struct{}, 9)}
	c, clock := s.client(t)
	ctx := testContext(t)
	generation := func(want uint64) {
		t.Helper()
		got, err := c.CheckBulk(ctx, []string{"a.nl"})
		if err != nil || got.TokenGeneration != want {
			t.Fatalf("generation %d, error %v, want generation %d", got.TokenGeneration, err, want)
		}
	}
	landed := func() {
		t.Helper()
		<-s.asked
		s.gate <- struct{}{}
		c.tokens.running.Wait()
	}
	go func() { s.gate <- struct{}{} }()
	generation(1)
	<-s.asked

	clock.advance(799 * time.Second) // of 1000; the refresh is due at 800
	generation(1)
	if n := s.given.Load(); n != 1 {
		t.Fatalf("%d authentication requests before the refresh is due", n)
	}

	clock.advance(time.Second)
	s.refuse.Store(true)
	generation(1) // does not wait for the refresh
	landed()      // which fails
	generation(1) // and fails nobody
	if n := s.given.Load(); n != 2 {
		t.Fatalf("%d authentication requests: a failed refresh was repeated without a pause", n)
	}

	clock.advance(minRefreshPause)
	s.refuse.Store(false)
	generation(1)
	landed()
	generation(2)

	clock.advance(990 * time.Second) // the spare of a life of 1000 s is 10 s
	done := make(chan struct{})
	go func() { defer close(done); landed() }()
	generation(3)
	<-done
}

func TestFailedRefreshOfASpentToken(t *testing.T) {
	t.Parallel()
	s := &tokenServer{}
	c, clock := s.client(t)
	if err := c.Authenticate(testContext(t)); err != nil {
		t.Fatal(err)
	}
	clock.advance(991 * time.Second)
	s.refuse.Store(true)
	got, err := c.CheckBulk(testContext(t), []string{"a.nl"})
	var auth *AuthError
	if !errors.As(err, &auth) || auth.Refused() || auth.Answer.Status != 500 || got.Sent || got.Status != 0 {
		t.Errorf("got %+v, error %v", got, err)
	}
	s.refuse.Store(false)
	if got, err = c.CheckBulk(testContext(t), []string{"a.nl"}); err != nil || got.TokenGeneration != 2 {
		t.Errorf("after the failure: %+v, error %v", got, err)
	}
}

func TestInvalidate(t *testing.T) {
	t.Parallel()
	s := &tokenServer{other: func(token string) reply {
		if token == "token-number-0001" {
			return jsonReply(401, `{"statusCode":401,"message":"Unauthorized"}`)
		}
		return jsonReply(200, `{"results":[]}`)
	}}
	c, _ := s.client(t)
	ctx := testContext(t)
	var refused, wg sync.WaitGroup
	refused.Add(50)
	for range 50 {
		wg.Go(func() {
			got, err := c.CheckBulk(ctx, []string{"a.nl"})
			if err == nil || got.Status != http.StatusUnauthorized || got.TokenGeneration != 1 {
				t.Errorf("first try: %+v, error %v", got, err)
			}
			refused.Done()
			refused.Wait() // all hold a 401 for generation 1; some invalidate it after others have a new token
			c.Invalidate(got.TokenGeneration)
			if got, err = c.CheckBulk(ctx, []string{"a.nl"}); err != nil || got.TokenGeneration != 2 {
				t.Errorf("second try: %+v, error %v", got, err)
			}
		})
	}
	wg.Wait()
	c.Invalidate(1) // a late 401 of the old token
	if got, err := c.CheckBulk(ctx, []string{"a.nl"}); err != nil || got.TokenGeneration != 2 {
		t.Errorf("after a late 401: %+v, error %v", got, err)
	}
	if n := s.given.Load(); n != 2 {
		t.Errorf("%d authentication requests, want 2", n)
	}
}

func TestAuthenticationFailures(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		reply   reply
		status  int
		refused bool
		says    string
	}{
		{"refused", fixture(t, "token-refused"), 401, true, "authenticate: HTTP 401: Unauthorized: unknown client"},
		{"no direct debit", fixture(t, "error-402"), 402, false, "insufficient funds"},
		{"too many", fixture(t, "error-429"), 429, false, "slow down"},
		{"gateway", fixture(t, "html-502"), 502, false, "HTTP 502"},
		{"redirect", fixture(t, "redirect"), 302, false, "redirect"},
		{"HTML", fixture(t, "html-200"), 200, false, "not the documented JSON"},
		{"cut", reply{close: true}, 0, false, "EOF"},
		{"no token", jsonReply(200, `{"status":"success","expires_in":60}`), 200, false, "no token"},
		{"not a header", jsonReply(200, `{"status":"success","token":"a\r\nX: y","expires_in":60}`), 200, false, "no token"},
		{"no life", jsonReply(200, `{"status":"success","token":"abcdef"}`), 200, false, "expires_in"},
		{"no success", jsonReply(200, `{"status":"error","token":"abcdef","expires_in":60}`), 200, false, "status"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			up := newBareUpstream(t, always(tt.reply))
			c := newTestClient(t, testConfig(up.url()))
			got, err := c.RegisterBulk(testContext(t), someRegistrations)
			var auth *AuthError
			if !errors.As(err, &auth) || auth.Refused() != tt.refused || auth.Answer.Status != tt.status {
				t.Fatalf("error = %#v", err)
			}
			if !strings.Contains(err.Error(), tt.says) || !strings.HasPrefix(err.Error(), "register bulk: authenticate") {
				t.Errorf("error says %q, want %q in it", err, tt.says)
			}
			if got.Sent || got.Status != 0 || got.Complete || got.TokenGeneration != 0 {
				t.Errorf("answer = %+v", got.Answer)
			}
			if len(up.all()) != 1 {
				t.Errorf("%d requests, want 1", len(up.all()))
			}
		})
	}
}

func TestCloseEndsTheTokenRequest(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{}, 1)
	up := newBareUpstream(t, func(received) reply { arrived <- struct{}{}; return reply{hang: true} })
	c := newTestClient(t, testConfig(up.url()))
	ctx := testContext(t)
	errs := make(chan error, 1)
	go func() { errs <- c.Authenticate(ctx) }()
	<-arrived
	c.Close()
	if err := <-errs; !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	protocols := make(chan string, 9)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocols <- r.Proto
		name := "registers"
		if r.URL.Path == DefaultPaths().Authenticate {
			name = "token"
		}
		if _, err := w.Write(fixtureBody(t, name)); err != nil {
			t.Error(err)
		}
	}))
	srv.EnableHTTP2 = true
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)

	c := newTestClient(t, testConfig(srv.URL))
	got, err := c.RegisterBulk(testContext(t), someRegistrations)
	if err == nil || got.Sent || len(protocols) != 0 {
		t.Errorf("unknown certificate: %+v, error %v", got, err)
	}

	c = newTestClient(t, testConfig(srv.URL))
	c.line.Transport().TLSClientConfig.RootCAs = srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	if got, err = c.RegisterBulk(testContext(t), someRegistrations); err != nil || !got.Complete {
		t.Fatalf("got %+v, error %v", got, err)
	}
	for range 2 {
		if p := <-protocols; p != "HTTP/1.1" {
			t.Errorf("spoke %s", p)
		}
	}
}
