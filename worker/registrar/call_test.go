package registrar

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var someRegistrations = []Registration{{Domain: "a.nl", HolderID: "H-1"}, {Domain: "b.nl", HolderID: "H-1"}}

func TestErrorAnswers(t *testing.T) {
	t.Parallel()
	documented := func(status int, message string) Answer {
		return Answer{Status: status, Documented: true, StatusCode: status, Message: message}
	}
	tests := []struct {
		fixture string
		want    Answer // Sent and Complete are expected besides
	}{
		{"error-400", documented(400, "BadRequest: domains is required")},
		{"error-401", documented(401, "Unauthorized: token expired")},
		{"error-402", documented(402, "PaymentRequired: insufficient funds")},
		{"error-404", documented(404, "NotFound: DomainHolder H-9 does not exist")},
		{"error-405", documented(405, "MethodNotAllowed")},
		{"error-422", documented(422, "UnprocessableEntity: nameserver is not valid")},
		{"error-500", documented(500, "InternalServerError")},
		{"error-contradicts", Answer{Status: 400, Documented: true, StatusCode: 422, Message: "validation failed"}},
		{"error-429", Answer{Status: 429, Documented: true, StatusCode: 429, Message: "slow down", RetryAfter: 7 * time.Second}},
		{"error-503", Answer{Status: 503, RetryAfter: 90 * time.Second}},
		{"html-404", Answer{Status: 404, Message: "No such page"}},
		{"html-502", Answer{Status: 502, Message: "502 Bad Gateway"}},
		{"redirect", Answer{Status: 302}},
		{"registers-accepted", Answer{Status: 202, Message: `{"results":[{"domain":"a.nl","status":"registered"}]}`}},
	}
	for _, tt := range tests {
		t.Run(tt.fixture, func(t *testing.T) {
			t.Parallel()
			up := newUpstream(t, always(fixture(t, tt.fixture)))
			clock := newFakeClock()
			cfg := testConfig(up.url())
			cfg.Clock = clock.Now
			c := newTestClient(t, cfg)

			got, err := c.RegisterBulk(testContext(t), someRegistrations)
			tt.want.Sent, tt.want.Complete = true, true
			tt.want.TokenGeneration, tt.want.Started = 1, clock.Now()
			if diff := cmp.Diff(tt.want, got.Answer); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			var e *Error
			if !errors.As(err, &e) || e.Op != OpRegisterBulk || e.Answer != got.Answer {
				t.Fatalf("error = %#v", err)
			}
			if !strings.Contains(err.Error(), fmt.Sprintf("register bulk: HTTP %d", tt.want.Status)) ||
				!strings.Contains(err.Error(), tt.want.Message) {
				t.Errorf("error says %q", err)
			}
			if n := len(up.to("/domain/bulk")); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
			if n := len(up.to("/elsewhere")); n != 0 {
				t.Error("a redirect was followed")
			}
			if got.Results != nil {
				t.Errorf("results of a failed call: %v", got.Results)
			}
		})
	}
}

func TestUnreadableReplies(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		reply   reply
		status  int
		message string
		says    string
	}{
		{name: "cut before the status line", reply: reply{close: true}, says: "EOF"},
		{name: "cut in the status line", reply: reply{raw: []byte("HTTP/1."), close: true}, says: "malformed"},
		{name: "no HTTP", reply: reply{raw: []byte("220 mail ready ann@example.be\r\n\r\n"), close: true}, says: "malformed"},
		{name: "truncated body", reply: reply{raw: fixture(t, "registers-cut").raw, close: true}, status: 200, says: "unexpected EOF"},
		{name: "short JSON", reply: fixture(t, "registers-short"), status: 200, says: "decode reply"},
		{name: "trailing garbage", reply: fixture(t, "registers-trailing"), status: 200, says: "decode reply"},
		{name: "no results", reply: fixture(t, "registers-null"), status: 200, says: "no list of results"},
		{name: "array", reply: fixture(t, "registers-array"), status: 200, says: "not a JSON object"},
		{name: "empty", reply: fixture(t, "registers-empty"), status: 200, says: "empty"},
		{name: "HTML", reply: fixture(t, "html-200"), status: 200, message: "Maintenance Back at 8.", says: "not a JSON object"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			up := newUpstream(t, always(tt.reply))
			c := newTestClient(t, testConfig(up.url()))
			got, err := c.RegisterBulk(testContext(t), someRegistrations)
			if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "ann@") {
				t.Errorf("error = %v, want one that says %q", err, tt.says)
			}
			if !got.Sent || got.Complete || got.Status != tt.status || got.Message != tt.message || got.Results != nil {
				t.Errorf("got %+v", got)
			}
			if n := len(up.to("/domain/bulk")); n != 1 {
				t.Errorf("%d requests, want 1", n)
			}
		})
	}
}

// The authentication request leaves a connection in the pool; the next request goes out on it and is cut. net/http is
// ready to send again what it takes for replayable.
func TestNothingIsSentTwiceOnABrokenReusedConnection(t *testing.T) {
	t.Parallel()
	ops := map[string]func(*Client, context.Context) (Answer, error){
		"/domain": func(c *Client, ctx context.Context) (Answer, error) {
			r, err := c.Register(ctx, someRegistrations[0])
			return r.Answer, err
		},
		"/domain/bulk": func(c *Client, ctx context.Context) (Answer, error) {
			r, err := c.RegisterBulk(ctx, someRegistrations)
			return r.Answer, err
		},
		"/whois/a.nl": func(c *Client, ctx context.Context) (Answer, error) {
			r, err := c.Check(ctx, "a.nl")
			return r.Answer, err
		},
		"/domainholder": func(c *Client, ctx context.Context) (Answer, error) {
			r, err := c.CreateHolder(ctx, Holder{LastName: "Peeters"})
			return r.Answer, err
		},
		"/domainholder/H-1": func(c *Client, ctx context.Context) (Answer, error) {
			return c.DeleteHolder(ctx, "H-1")
		},
	}
	for path, op := range ops {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			up := newUpstream(t, always(reply{close: true}))
			c := newTestClient(t, testConfig(up.url()))
			answer, err := op(c, testContext(t))
			if err == nil || !answer.Sent || answer.Status != 0 {
				t.Errorf("answer %+v, error %v", answer, err)
			}
			got := up.to(path)
			if len(got) != 1 {
				t.Fatalf("%d requests, want 1", len(got))
			}
			if got[0].conn != 1 {
				t.Fatal("the connection was not reused: the test shows nothing")
			}
			if got[0].Header.Get("Idempotency-Key") != "" || got[0].Header.Get("X-Idempotency-Key") != "" {
				t.Error("an idempotency key was sent")
			}
		})
	}
}

func TestNotSent(t *testing.T) {
	t.Parallel()
	t.Run("connection refused", func(t *testing.T) {
		t.Parallel()
		up := newUpstream(t, always(reply{}))
		c := newTestClient(t, testConfig(up.url()))
		if err := c.Authenticate(testContext(t)); err != nil {
			t.Fatal(err)
		}
		up.close()
		c.line.CloseIdle()
		got, err := c.RegisterBulk(testContext(t), someRegistrations)
		if !errors.Is(err, syscall.ECONNREFUSED) || got.Sent || got.Status != 0 {
			t.Errorf("got %+v, error %v", got, err)
		}
	})
	t.Run("context done before", func(t *testing.T) {
		t.Parallel()
		up := newUpstream(t, always(reply{}))
		c := newTestClient(t, testConfig(up.url()))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		got, err := c.RegisterBulk(ctx, someRegistrations)
		if !errors.Is(err, context.Canceled) || got.Sent || len(up.to("/domain/bulk")) != 0 {
			t.Errorf("got %+v, error %v", got, err)
		}
	})
	t.Run("no connection free", func(t *testing.T) {
		t.Parallel()
		arrived := make(chan struct{}, 1)
		up := newUpstream(t, func(received) reply { arrived <- struct{}{}; return reply{hang: true} })
		cfg := testConfig(up.url())
		cfg.MaxConns = 1
		c := newTestClient(t, cfg)
		first, stop := context.WithCancel(testContext(t))
		var wg sync.WaitGroup
		wg.Go(func() {
			if got, err := c.RegisterBulk(first, someRegistrations); err == nil || !got.Sent {
				t.Errorf("first call: %+v, error %v", got, err)
			}
		})
		<-arrived
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		got, err := c.RegisterBulk(ctx, someRegistrations)
		if !errors.Is(err, context.DeadlineExceeded) || got.Sent {
			t.Errorf("got %+v, error %v", got, err)
		}
		stop()
		wg.Wait()
		if n := len(up.to("/domain/bulk")); n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
	})
	t.Run("client closed", func(t *testing.T) {
		t.Parallel()
		c := newTestClient(t, testConfig(newUpstream(t, always(reply{})).url()))
		c.Close()
		if got, err := c.RegisterBulk(t.Context(), someRegistrations); !errors.Is(err, ErrClosed) || got.Sent {
			t.Errorf("got %+v, error %v", got, err)
		}
	})
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	t.Run("no reply within Timeout", func(t *testing.T) {
		t.Parallel()
		up := newUpstream(t, always(reply{hang: true}))
		c := newTestClient(t, testConfig(up.url()))
		if err := c.Authenticate(testContext(t)); err != nil {
			t.Fatal(err)
		}
		c.timeout = 30 * time.Millisecond
		_, err := c.RegisterBulk(testContext(t), someRegistrations)
		var timeout interface{ Timeout() bool }
		if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("error = %#v", err)
		}
		if err == nil || !strings.Contains(err.Error(), "no whole reply within 30ms") {
			t.Errorf("error says %v", err)
		}
	})
	t.Run("context ends in the body", func(t *testing.T) {
		t.Parallel()
		half := fixture(t, "registers-cut")
		half.hang = true
		sent := make(chan struct{}, 1)
		up := newUpstream(t, func(received) reply { sent <- struct{}{}; return half })
		c := newTestClient(t, testConfig(up.url()))
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			<-sent
			time.AfterFunc(20*time.Millisecond, cancel) // let the status line arrive
		})
		got, err := c.RegisterBulk(ctx, someRegistrations)
		wg.Wait()
		if !errors.Is(err, context.Canceled) || !got.Sent || got.Complete || got.Results != nil {
			t.Errorf("got %+v, error %v", got, err)
		}
	})
}

func TestBodyBound(t *testing.T) {
	t.Parallel()
	big := `{"results":[` + strings.Repeat(" ", int(replyLimit(2))) + `]}`
	up := newUpstream(t, always(jsonReply(200, big)))
	c := newTestClient(t, testConfig(up.url()))
	got, err := c.RegisterBulk(testContext(t), someRegistrations)
	if !errors.Is(err, ErrTooLarge) || got.Complete || !got.Sent || got.Status != 200 {
		t.Errorf("got %+v, error %v", got, err)
	}

	up = newUpstream(t, always(jsonReply(404, strings.Repeat("x", maxErrorReply+1))))
	c = newTestClient(t, testConfig(up.url()))
	got, err = c.RegisterBulk(testContext(t), someRegistrations)
	if !errors.Is(err, ErrTooLarge) || got.Complete || got.Status != 404 || len(got.Message) > MaxMessage {
		t.Errorf("got %+v, error %v", got, err)
	}

	for _, tt := range []struct {
		items int
		want  int64
	}{{0, baseReply}, {1, baseReply + perItem}, {100, baseReply + 100*perItem}, {1 << 40, maxReply}} {
		if got := replyLimit(tt.items); got != tt.want {
			t.Errorf("replyLimit(%d) = %d, want %d", tt.items, got, tt.want)
		}
	}
}

func TestRequestsOnTheWire(t *testing.T) {
	t.Parallel()
	up := newUpstream(t, func(r received) reply {
		switch r.Method + " " + r.URL.Path {
		case "GET /whois/xn--bcher-kva.nl":
			return fixture(t, "check")
		case "POST /whois":
			return fixture(t, "checks")
		case "POST /domain":
			return fixture(t, "register-created")
		case "POST /domain/bulk":
			return fixture(t, "registers")
		case "PUT /domainholder":
			return fixture(t, "holder-created")
		case "POST /domainholder", "PATCH /domainholder/H/1":
			return fixture(t, "holder")
		case "DELETE /domainholder/H-1":
			return fixture(t, "deleted")
		}
		return fixture(t, "error-405")
	})
	c := newTestClient(t, testConfig(up.url()))
	ctx := testContext(t)
	calls := []func() error{
		func() error { _, err := c.Check(ctx, "xn--bcher-kva.nl"); return err },
		func() error { _, err := c.CheckBulk(ctx, []string{"a.nl", "b.nl"}); return err },
		func() error {
			_, err := c.Register(ctx, Registration{Domain: "a.nl", HolderID: "H-1", PeriodMonths: 12, Nameservers: []string{"ns1.x.nl"}})
			return err
		},
		func() error { _, err := c.RegisterBulk(ctx, someRegistrations); return err },
		func() error { _, err := c.CreateHolder(ctx, Holder{ID: "ignored", LastName: "Peeters"}); return err },
		func() error { _, err := c.FindHolder(ctx, HolderSearch{Email: "ann@example.be"}); return err },
		func() error { _, err := c.UpdateHolder(ctx, Holder{ID: "H/1", City: "Gent"}); return err },
		func() error { _, err := c.DeleteHolder(ctx, "H-1"); return err },
	}
	for i, call := range calls {
		if err := call(); err != nil {
			t.Errorf("call %d: %v", i, err)
		}
	}
	want := []string{
		`POST /authenticate {"client_id":"demo-client","client_secret":"s3cret/of+the \"demo\" account"}`,
		`GET /whois/xn--bcher-kva.nl `,
		`POST /whois {"domains":["a.nl","b.nl"]}`,
		`POST /domain {"domain":"a.nl","domainholder_id":"H-1","period":12,"nameservers":["ns1.x.nl"]}`,
		`POST /domain/bulk {"domains":[{"domain":"a.nl","domainholder_id":"H-1"},{"domain":"b.nl","domainholder_id":"H-1"}]}`,
		`PUT /domainholder {"lastname":"Peeters"}`,
		`POST /domainholder {"email":"ann@example.be"}`,
		`PATCH /domainholder/H%2F1 {"city":"Gent"}`,
		`DELETE /domainholder/H-1 `,
	}
	var got []string
	for i, r := range up.all() {
		got = append(got, fmt.Sprintf("%s %s %s", r.Method, r.URL.EscapedPath(), r.body))
		auth := "Bearer " + fixedToken
		if i == 0 {
			auth = ""
		}
		if r.Header.Get("Authorization") != auth || r.Proto != "HTTP/1.1" || r.Header.Get("User-Agent") != "bulkreg" ||
			len(r.TransferEncoding) != 0 || (len(r.body) > 0) != (r.Header.Get("Content-Type") == "application/json") {
			t.Errorf("%s: %s, headers %v", got[i], r.Proto, r.Header)
		}
		if r.conn != 1 {
			t.Errorf("%s: on connection %d, want the first for all", got[i], r.conn)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestSingleReplies(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]Result{
		"register":         {Domain: "example.nl", Outcome: Registered},
		"register-created": {Domain: "example.nl", Outcome: Registered},
		"register-failed":  {Domain: "example.nl", Outcome: Failed, StatusCode: 422, Message: "already registered"},
	} {
		c := newTestClient(t, testConfig(newUpstream(t, always(fixture(t, name))).url()))
		got, err := c.Register(testContext(t), someRegistrations[0])
		if err != nil || !got.Sent || !got.Complete || got.TokenGeneration != 1 {
			t.Errorf("%s: %+v, error %v", name, got.Answer, err)
		}
		if diff := cmp.Diff([]Result{want}, got.Results); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	c := newTestClient(t, testConfig(newUpstream(t, always(fixture(t, "check"))).url()))
	got, err := c.Check(testContext(t), "example.nl")
	if want := []Check{{Domain: "example.nl", Availability: Available, Status: "free"}}; err != nil || !cmp.Equal(want, got.Checks) {
		t.Errorf("check: %+v, error %v", got, err)
	}
	// Created is no answer to a question.
	c = newTestClient(t, testConfig(newUpstream(t, always(fixture(t, "register-created"))).url()))
	if got, err := c.Check(testContext(t), "example.nl"); err == nil || got.Checks != nil || got.Status != http.StatusCreated {
		t.Errorf("check answered with 201: %+v, error %v", got, err)
	}
}

func TestInputIsRefusedUnsent(t *testing.T) {
	t.Parallel()
	up := newUpstream(t, always(reply{}))
	c := newTestClient(t, testConfig(up.url()))
	ctx := testContext(t)
	for name, call := range map[string]func() (Answer, error){
		"no domain":       func() (Answer, error) { r, err := c.Check(ctx, ""); return r.Answer, err },
		"dot segment":     func() (Answer, error) { r, err := c.Check(ctx, ".."); return r.Answer, err },
		"no domains":      func() (Answer, error) { r, err := c.CheckBulk(ctx, nil); return r.Answer, err },
		"an empty domain": func() (Answer, error) { r, err := c.CheckBulk(ctx, []string{"a.nl", ""}); return r.Answer, err },
		"no holder":       func() (Answer, error) { r, err := c.Register(ctx, Registration{Domain: "a.nl"}); return r.Answer, err },
		"negative period": func() (Answer, error) {
			r, err := c.RegisterBulk(ctx, []Registration{{Domain: "a.nl", HolderID: "H", PeriodMonths: -1}})
			return r.Answer, err
		},
		"search by both": func() (Answer, error) {
			r, err := c.FindHolder(ctx, HolderSearch{ID: "H", Email: "ann@example.be"})
			return r.Answer, err
		},
		"update without id": func() (Answer, error) { r, err := c.UpdateHolder(ctx, Holder{}); return r.Answer, err },
		"delete without id": func() (Answer, error) { return c.DeleteHolder(ctx, "") },
	} {
		answer, err := call()
		if !errors.Is(err, ErrInput) || answer.Sent || answer.Status != 0 {
			t.Errorf("%s: answer %+v, error %v", name, answer, err)
		}
	}
	if len(up.all()) != 0 {
		t.Errorf("%d requests, want none", len(up.all()))
	}
}

func TestInformationalAndProtocolSwitch(t *testing.T) {
	t.Parallel()
	early := reply{raw: append([]byte("HTTP/1.1 103 Early Hints\r\n\r\n"), fixture(t, "registers").raw...)}
	c := newTestClient(t, testConfig(newUpstream(t, always(early)).url()))
	if got, err := c.RegisterBulk(testContext(t), someRegistrations); err != nil || got.Status != http.StatusOK {
		t.Errorf("103: got %+v, error %v", got, err)
	}
	switched := reply{raw: []byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n"), hang: true}
	c = newTestClient(t, testConfig(newUpstream(t, always(switched)).url()))
	if got, err := c.RegisterBulk(testContext(t), someRegistrations); err == nil || !got.Sent || got.Complete {
		t.Errorf("101: got %+v, error %v", got, err)
	}
}

func BenchmarkCheckBulk(b *testing.B) {
	domains := make([]string, 100)
	var results bytes.Buffer
	for i := range domains {
		domains[i] = fmt.Sprintf("domain-%d.nl", i)
		fmt.Fprintf(&results, `,{"domain":%q,"available":true,"status":"free"}`, domains[i])
	}
	c := newTestClient(b, testConfig("http://upstream.invalid"))
	body := []byte(`{"results":[` + results.String()[1:] + `]}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := encodeChecks(domains); err != nil {
			b.Fatal(err)
		}
		checks, err := decodeChecks(body)
		if err != nil {
			b.Fatal(err)
		}
		c.cleanChecks(checks, nil)
	}
}
