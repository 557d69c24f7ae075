package registrar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/worker/upstream"
)

func TestSecretPrintsNowhere(t *testing.T) {
	t.Parallel()
	cfg := testConfig("http://127.0.0.1:1")
	c := newTestClient(t, cfg)
	tok := newToken(cfg.ClientSecret, 1, c.clock(), 0)
	c.tokens.current = tok
	type owner struct{ client *Client }
	var outputs []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t", "%10s"} {
		for _, value := range []any{cfg.ClientSecret, &cfg.ClientSecret, cfg, &cfg, c, []Secret{cfg.ClientSecret}, owner{c}, &owner{c}, c.account, tok, *tok} {
			outputs = append(outputs, fmt.Sprintf(verb, value))
		}
	}
	cfg.Clock = nil // a function does not marshal
	text, err := cfg.ClientSecret.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	marshalled, err := json.Marshal(struct{ Secret Secret }{cfg.ClientSecret})
	if err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "secret", cfg.ClientSecret)
	for _, out := range append(outputs, string(text), string(marshalled), logged.String()) {
		if strings.Contains(out, testSecret[:6]) || strings.Contains(out, fmt.Sprintf("%x", testSecret[:6])) {
			t.Errorf("%s", out)
		}
	}
	if got := cfg.ClientSecret.String() + cfg.ClientSecret.GoString() + fmt.Sprint(cfg.ClientSecret); got != upstream.Hidden+upstream.Hidden+upstream.Hidden {
		t.Errorf("prints as %s", got)
	}
}

// An upstream that quotes what it was sent, in a message, a page, an item or instead of HTTP.
func TestEchoedSecrets(t *testing.T) {
	t.Parallel()
	quote := func(s string) string { return quoteJSON(t, s) }
	said := func(echo string) string {
		return fmt.Sprintf("%s and %s and %s", echo, url.QueryEscape(echo), quote(quote(echo)))
	}
	echoes := said(testSecret) + said(fixedToken)
	replies := map[string]reply{
		"message":    jsonReply(400, `{"statusCode":400,"message":"`+quote(echoes)+`"}`),
		"raw page":   jsonReply(500, echoes),
		"page 200":   jsonReply(200, "<p>"+echoes),
		"item":       jsonReply(200, `{"results":[{"domain":"a.nl","status":"failed","message":"`+quote(echoes)+`"}]}`),
		"wrong type": jsonReply(200, `{"results":"`+quote(echoes)+`"}`),
		"no HTTP":    {raw: []byte(echoes + "\r\n\r\n"), close: true},
		"header":     {raw: []byte("HTTP/1.1 200 OK\r\n" + echoes + "\r\n\r\n"), close: true},
		"length":     {raw: []byte("HTTP/1.1 200 OK\r\nContent-Length: " + echoes + "\r\n\r\n"), close: true},
	}
	check := func(t *testing.T, err error, shown ...any) {
		t.Helper()
		texts := []string{fmt.Sprintf("%+v", shown)}
		for e := err; e != nil; e = errors.Unwrap(e) {
			texts = append(texts, e.Error(), fmt.Sprintf("%+v", e))
		}
		for _, text := range texts {
			for _, part := range []string{testSecret[:8], testSecret[len(testSecret)-8:], fixedToken[:12], "c2lnbmF0dXJl", "b2Yt"} {
				if strings.Contains(text, part) {
					t.Errorf("%q in %s", part, text)
				}
			}
		}
	}
	for name, r := range replies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newTestClient(t, testConfig(newUpstream(t, always(r)).url()))
			got, err := c.RegisterBulk(testContext(t), someRegistrations)
			check(t, err, got, c)
			if err == nil && len(got.Results) == 0 {
				t.Error("neither an error nor a result")
			}
		})
		t.Run(name+" at authentication", func(t *testing.T) {
			t.Parallel()
			c := newTestClient(t, testConfig(newBareUpstream(t, always(r)).url()))
			got, err := c.RegisterBulk(testContext(t), someRegistrations)
			var auth *AuthError
			if !errors.As(err, &auth) {
				t.Fatalf("error = %v", err)
			}
			for e := error(auth); e != nil; e = errors.Unwrap(e) {
				if strings.Contains(e.Error(), testSecret[:8]) {
					t.Errorf("%v", e)
				}
			}
			if strings.Contains(fmt.Sprintf("%+v %v", got, err), testSecret[:8]) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestHoldersStayPrivate(t *testing.T) {
	t.Parallel()
	ann := Holder{ID: "H-1", FirstName: "Ann", LastName: "Peeters", Email: "ann@example.be", Phone: "+3212345678"}
	for _, out := range []string{fmt.Sprintf("%+v", ann), fmt.Sprintf("%#v", &ann), fmt.Sprint(HolderSearch{Email: ann.Email})} {
		if strings.Contains(out, "Peeters") || strings.Contains(out, "ann@") {
			t.Error(out)
		}
	}
	c := newTestClient(t, testConfig(newUpstream(t, always(fixture(t, "holder-error"))).url()))
	got, err := c.UpdateHolder(testContext(t), ann)
	if want := "lastname [personal] and [e-mail], [phone] are known as H-7"; got.Message != want || got.Status != 422 {
		t.Errorf("message %q, want %q; error %v", got.Message, want, err)
	}
	// What is not the documented body may be the holder itself.
	for _, r := range []reply{
		jsonReply(500, `{"lastname":"Jansen"}`), jsonReply(200, `{"lastname":"Jansen"`), jsonReply(200, `["Jansen"]`),
	} {
		c := newTestClient(t, testConfig(newUpstream(t, always(r)).url()))
		got, err := c.FindHolder(testContext(t), HolderSearch{ID: "H-1"})
		if err == nil || strings.Contains(err.Error()+got.Message, "Jansen") {
			t.Errorf("%+v, error %v", got, err)
		}
	}
}

func TestHolders(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		fixture string
		status  int
		id      string // empty: an error is expected
	}{
		{"holder", http.StatusOK, "H-1"}, {"holder-created", http.StatusCreated, "H-1"}, {"holder-no-id", http.StatusCreated, ""},
		{"error-404", http.StatusNotFound, ""},
	} {
		c := newTestClient(t, testConfig(newUpstream(t, always(fixture(t, tt.fixture))).url()))
		got, err := c.CreateHolder(testContext(t), Holder{LastName: "Peeters"})
		if (err == nil) != (tt.id != "") || got.Holder.ID != tt.id || got.Status != tt.status {
			t.Errorf("%s: %+v, error %v", tt.fixture, got, err)
		}
		if tt.id != "" && got.Holder.City != "Brussel" {
			t.Errorf("%s: city %q", tt.fixture, got.Holder.City)
		}
	}
	for _, name := range []string{"deleted", "deleted-text"} {
		c := newTestClient(t, testConfig(newUpstream(t, always(fixture(t, name))).url()))
		if got, err := c.DeleteHolder(testContext(t), "H-1"); err != nil || !got.Complete {
			t.Errorf("%s: %+v, error %v", name, got, err)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	valid := testConfig("https://api.example.com/v1/")
	for says, change := range map[string]func(*Config){
		"":                           func(*Config) {},
		"base URL is missing":        func(c *Config) { c.BaseURL = "" },
		"no http or https scheme":    func(c *Config) { c.BaseURL = "ftp://api.example.com" },
		"holds a user or password":   func(c *Config) { c.BaseURL = "https://ann:hunter2@api.example.com" },
		"cannot be parsed":           func(c *Config) { c.BaseURL = "https://ann:hunter2@api example" },
		"no host":                    func(c *Config) { c.BaseURL = "https:///v1" },
		"query or fragment":          func(c *Config) { c.BaseURL = "https://api.example.com?x=1" },
		"client id is missing":       func(c *Config) { c.ClientID = " " },
		"client secret is missing":   func(c *Config) { c.ClientSecret = "" },
		"client secret holds a line": func(c *Config) { c.ClientSecret = "hunter2\n" },
		"timeout -1s is negative":    func(c *Config) { c.Timeout = -1e9 },
		"limit -1 is negative":       func(c *Config) { c.MaxConns = -1 },
		"user agent holds":           func(c *Config) { c.UserAgent = "a\r\nb" },
		"must hold {domain}":         func(c *Config) { c.Paths.Check = "/whois" },
	} {
		cfg := valid
		change(&cfg)
		c, err := New(cfg)
		if says == "" {
			if err != nil {
				t.Fatal(err)
			}
			if c.base != "https://api.example.com/v1" || c.timeout != DefaultTimeout || c.paths != DefaultPaths() {
				t.Errorf("client = %+v", c)
			}
			c.Close()
			continue
		}
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("error = %v, want one that says %q", err, says)
		}
	}
	_, err := New(Config{})
	for _, says := range []string{"base URL", "client id", "client secret"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error = %v, want it to name the %s too", err, says)
		}
	}
}
