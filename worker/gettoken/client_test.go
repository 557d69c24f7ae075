package gettoken_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/worker/gettoken"
	"github.com/bulkreg/bulkreg/worker/sandbox"
	"github.com/bulkreg/bulkreg/worker/upstream"
)

const accessToken = "access-token-of-this-test"

func jan() gettoken.Person {
	return gettoken.Person{Email: "jan.jansen@example.nl", Originator: "shop", LanguageCode: "nl", FirstName: "Jan", LastName: "Jansen", PrivacyConsent: true}
}

func setup(t *testing.T, url string, change func(*gettoken.Config)) *gettoken.Client {
	t.Helper()
	cfg := gettoken.Config{URL: url, Access: gettoken.Fixed(accessToken)}
	if change != nil {
		change(&cfg)
	}
	c, err := gettoken.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func played(t *testing.T) (*sandbox.Sandbox, string) {
	t.Helper()
	sb, err := sandbox.New(sandbox.Options{AccessToken: accessToken})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sb)
	t.Cleanup(func() {
		if err := sb.Close(); err != nil {
			t.Error(err)
		}
		server.Close()
	})
	return sb, server.URL
}

// scripted answers each request in the same way, and counts them.
func scripted(t *testing.T, status int, body string) (url string, asked *int) {
	t.Helper()
	asked = new(int)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked++
		if strings.HasPrefix(body, "<") {
			w.Header().Set("Content-Type", "text/html")
		}
		if status/100 == 3 {
			w.Header().Set("Location", "/elsewhere")
		}
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

func TestATokenIsIssued(t *testing.T) {
	t.Parallel()
	sb, url := played(t)
	for _, path := range []string{sandbox.TokenPath, sandbox.TokenExamplePath} {
		c := setup(t, url+path, nil)
		reply, err := c.GetToken(t.Context(), jan())
		if err != nil {
			t.Fatal(err)
		}
		all := sb.Ledger().Issued
		want := all[len(all)-1]
		if i := reply.Issued; string(i.Token) != want.Token || string(i.RedirectURL) != want.RedirectURL || string(i.AccountURL) != want.AccountURL ||
			want.Email != "jan.jansen@example.nl" || !want.PrivacyConsent {
			t.Errorf("another token than the one that was issued, for %s", want.Email)
		}
		if reply.Status != 200 || !reply.Complete || !reply.Sent || reply.TokenGeneration != 1 || reply.Started.IsZero() {
			t.Errorf("%+v", reply.Answer)
		}
	}
	withoutConsent := jan()
	withoutConsent.PrivacyConsent, withoutConsent.LanguageCode, withoutConsent.FirstName, withoutConsent.LastName = false, "", "", ""
	if _, err := setup(t, url+sandbox.TokenPath, nil).GetToken(t.Context(), withoutConsent); err != nil {
		t.Fatal(err)
	}
	if all := sb.Ledger().Issued; len(all) != 3 || all[2].PrivacyConsent {
		t.Errorf("issued %d", len(all))
	}
}

func TestDocumentedFailures(t *testing.T) {
	t.Parallel()
	_, url := played(t)
	c := setup(t, url+sandbox.TokenPath, nil)
	for label, want := range map[string]struct {
		words   string
		invalid bool
	}{
		"bademail": {"invalid email", true}, "badextension": {"invalid domain extension", true}, "badlanguage": {"invalid language code", true},
		"badportal": {"invalid portal code", true}, "refused": {"registration failure", false}, "flaky": {"unexpected error, try again", false},
	} {
		p := jan()
		p.Email = label + "-1@example.nl"
		reply, err := c.GetToken(t.Context(), p)
		var failed *gettoken.Error
		if !errors.As(err, &failed) || reply.Invalid != want.invalid || reply.Status != 500 || reply.StatusCode != 500 || !strings.Contains(reply.Message, want.words) || reply.Issued != (gettoken.Issued{}) {
			t.Errorf("%s: %+v, invalid %t, %v", label, reply.Answer, reply.Invalid, err)
		}
	}
	c = setup(t, url+sandbox.TokenPath, func(c *gettoken.Config) { c.Access = gettoken.Fixed("another-one") })
	if reply, err := c.GetToken(t.Context(), jan()); err == nil || reply.Status != 401 || reply.Invalid {
		t.Errorf("%+v, %v", reply.Answer, err)
	}
}

const (
	someToken = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"
	goodBody  = `{"status":200,"token":"` + someToken + `","redirectUrl":"https://www.url.be?t=` + someToken + `","accountUrl":"https://napi.pmg.be/api/login/auth/eyJhbGciOi.secretpart"}`
)

// Only what HTTP, the body and a token in it agree on is a success, and nothing else shows a token.
func TestSuccessIsWhatAllSay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status  int
		body    string
		issued  bool
		invalid bool
	}{
		"as documented":                  {200, goodBody, true, false},
		"with a byte order mark":         {200, "\ufeff" + goodBody, true, false},
		"status in quotes":               {200, strings.Replace(goodBody, "200", `"200"`, 1), true, false},
		"without URLs":                   {200, `{"status":200,"token":"` + someToken + `"}`, true, false},
		"the body says 500":              {200, strings.Replace(goodBody, ":200", ":500", 1), false, false},
		"the body says invalid":          {200, `{"status":500,"error":"invalid email","message":"x"}`, false, false},
		"the body says nothing":          {200, strings.Replace(goodBody, `"status":200,`, "", 1), false, false},
		"HTTP says 500":                  {500, goodBody, false, false},
		"HTTP says 201":                  {201, goodBody, false, false},
		"HTTP says 401, the body 500":    {401, `{"status":500,"message":"invalid email"}`, false, false},
		"both say 500, and invalid":      {500, `{"status":500,"error":"Internal Server Error","message":"Invalid email"}`, false, true},
		"both say 400, and invalid":      {400, `{"status":400,"error":"invalid","message":"invalid"}`, false, true},
		"500, and a token":               {500, `{"status":500,"message":"already issued ` + someToken + `, see https://www.url.be?t=` + someToken + `"}`, false, false},
		"500, with an escaped URL":       {500, `{"status":500,"message":"see https:\\\/\\\/napi.pmg.be\\\/api\\\/login\\\/auth\\\/eyJhbGciOi.secretpart"}`, false, false},
		"500, a URL without a scheme":    {500, `{"status":500,"message":"see www.url.be?t=secretpart"}`, false, false},
		"500, the same with a path":      {500, `{"status":500,"error":"Moved","message":"(napi.pmg.be:443/login/secretpart)"}`, false, false},
		"500, half a URL":                {500, `{"status":500,"message":"redirect to /login?token=secretpart"}`, false, false},
		"500, a host of nobody":          {500, `{"status":500,"message":"redirect //napi.pmg.be/login/secretpart"}`, false, false},
		"500, an escaped half":           {500, `{"status":500,"message":"redirectUrl=www.url.be%3Ft%3Dsecretpart"}`, false, false},
		"a page with half a URL":         {502, "<html>go <a href='/x'>to</a> www.url.be/activate/secretpart</html>", false, false},
		"a page":                         {502, "<html><h1>Bad gateway</h1> for jan.jansen@example.nl " + someToken + "</html>", false, false},
		"a page with success":            {200, "<html>" + someToken, false, false},
		"no token":                       {200, `{"status":200}`, false, false},
		"a token that is none":           {200, `{"status":200,"token":"secretpart"}`, false, false},
		"a token of nothing":             {200, `{"status":200,"token":"00000000-0000-0000-0000-000000000000"}`, false, false},
		"cut":                            {200, goodBody[:len(goodBody)-5], false, false},
		"empty":                          {200, "", false, false},
		"a list":                         {200, "[" + goodBody + "]", false, false},
		"more than one":                  {200, goodBody + goodBody, false, false},
		"a URL with a line break":        {200, `{"status":200,"token":"` + someToken + `","redirectUrl":"https://www.url.be\nsecretpart"}`, false, false},
		"a URL that colours a terminal":  {200, `{"status":200,"token":"` + someToken + `","redirectUrl":"https://www.url.be/\u009b31msecretpart"}`, false, false},
		"a URL that turns around":        {200, `{"status":200,"token":"` + someToken + `","accountUrl":"https://www.url.be/\u202esecretpart"}`, false, false},
		"a URL with a hidden line end":   {200, `{"status":200,"token":"` + someToken + `","accountUrl":"https://www.url.be/\u2028secretpart"}`, false, false},
		"a URL with what nobody sees":    {200, `{"status":200,"token":"` + someToken + `","accountUrl":"https://www.url.be/\u200bsecretpart"}`, false, false},
		"a URL with letters of others":   {200, `{"status":200,"token":"` + someToken + `","redirectUrl":"https://www.url.be/caf\u00e9"}`, true, false},
		"a redirect":                     {302, goodBody, false, false},
		"too long":                       {200, strings.Replace(goodBody, "{", "{"+strings.Repeat(" ", 64<<10), 1), false, false},
		"the person, quoted":             {500, `{"status":500,"message":"Jan Jansen (jan.jansen@example.nl) of ` + accessToken + ` is unknown"}`, false, false},
		"numbers in the place of words":  {500, `{"status":500,"error":7,"message":["x"]}`, false, false},
		"a status that is no whole one":  {200, strings.Replace(goodBody, "200", "2e2", 1), false, false},
		"the same words in both":         {500, `{"status":500,"error":"down","message":"down"}`, false, false},
		"an error without a message":     {500, `{"status":500,"error":"down"}`, false, false},
		"invalid in the middle of words": {500, `{"status":500,"message":"invalidated cache"}`, false, false},
	} {
		url, asked := scripted(t, c.status, c.body)
		client := setup(t, url, nil)
		reply, err := client.GetToken(t.Context(), jan())
		if (err == nil) != c.issued || c.issued && string(reply.Issued.Token) != someToken || reply.Invalid != c.invalid || *asked != 1 || reply.RetryAfter != 7*time.Second {
			t.Errorf("%s: %+v, invalid %t, asked %d times, %v", name, reply.Answer, reply.Invalid, *asked, err)
		}
		for _, secret := range []string{someToken, "secretpart", "url.be", "napi", "jan.jansen", "Jansen", accessToken} {
			if said := fmt.Sprintf("%v %+v %+v", err, reply.Answer, reply.Issued); strings.Contains(said, secret) {
				t.Errorf("%s: it says %s", name, said)
			}
		}
	}
}

func TestWhatIsKnownWithoutAReply(t *testing.T) {
	t.Parallel()
	sb, url := played(t)
	for _, kind := range []sandbox.Kind{sandbox.KindCut, sandbox.KindReset, sandbox.KindBlackHole, sandbox.KindTruncate, sandbox.KindHalfJSON, sandbox.KindHTML} {
		if _, err := sb.Inject(sandbox.Fault{Op: sandbox.OpToken, Kind: kind}); err != nil {
			t.Fatal(err)
		}
		c := setup(t, url+sandbox.TokenPath, func(c *gettoken.Config) {
			if kind == sandbox.KindBlackHole {
				c.Timeout = time.Second
			}
		})
		reply, err := c.GetToken(t.Context(), jan())
		if err == nil || !reply.Sent || reply.Complete || kind == sandbox.KindBlackHole != errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %+v, %v", kind, reply.Answer, err)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	reply, err := setup(t, "http://"+listener.Addr().String(), nil).GetToken(t.Context(), jan())
	if err == nil || reply.Sent {
		t.Errorf("nobody there: %+v, %v", reply.Answer, err)
	}
}

func TestTheSandboxContradictsItself(t *testing.T) {
	t.Parallel()
	sb, url := played(t)
	if _, err := sb.Inject(sandbox.Fault{Op: sandbox.OpToken, Kind: sandbox.KindOddCode, Code: "500"}); err != nil {
		t.Fatal(err)
	}
	if _, err := sb.Inject(sandbox.Fault{Op: sandbox.OpToken, Kind: sandbox.KindQuote, Status: 500}); err != nil {
		t.Fatal(err)
	}
	c := setup(t, url+sandbox.TokenPath, nil)
	if reply, err := c.GetToken(t.Context(), jan()); err == nil || !strings.Contains(err.Error(), "the body says status 500, and HTTP says 200") {
		t.Errorf("%+v, %v", reply.Answer, err)
	}
	issued := sb.Ledger().Issued[0]
	_, err := c.GetToken(t.Context(), jan())
	if err == nil || !strings.Contains(err.Error(), "cannot serve") {
		t.Fatalf("%v", err)
	}
	for _, secret := range []string{"jan.jansen", "Jansen", issued.Token, issued.RedirectURL, issued.AccountURL, "eyJ"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("it says %v", err)
		}
	}
}

func TestTheAccessTokenIsReadAgain(t *testing.T) {
	t.Parallel()
	_, url := played(t)
	path := filepath.Join(t.TempDir(), "token")
	c := setup(t, url+sandbox.TokenPath, func(c *gettoken.Config) {
		c.Access = gettoken.NewFile(func() (string, error) {
			text, err := os.ReadFile(path)
			return string(text), err
		})
	})
	reply, err := c.GetToken(t.Context(), jan())
	if !errors.Is(err, os.ErrNotExist) || reply.Sent {
		t.Errorf("without a file: %+v, %v", reply.Answer, err)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(" ")
	if _, err = c.GetToken(t.Context(), jan()); !errors.Is(err, gettoken.ErrNoAccess) {
		t.Errorf("an empty file: %v", err)
	}
	write("an-old-one\n")
	reply, err = c.GetToken(t.Context(), jan())
	if err == nil || reply.Status != 401 || reply.TokenGeneration != 1 || c.Renewed(1) {
		t.Errorf("an old token: %+v, %v", reply.Answer, err)
	}
	write(accessToken + "\n")
	if !c.Renewed(reply.TokenGeneration) {
		t.Error("the new token is not seen")
	}
	if reply, err = c.GetToken(t.Context(), jan()); err != nil || reply.TokenGeneration != 2 {
		t.Errorf("the new token: %+v, %v", reply.Answer, err)
	}
	write("")
	if reply, err = c.GetToken(t.Context(), jan()); err != nil || reply.TokenGeneration != 2 || c.Renewed(2) {
		t.Errorf("while it is replaced: %+v, %v", reply.Answer, err)
	}
}

func TestConfigurationsThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*gettoken.Config){
		"URL is missing":                    func(c *gettoken.Config) { c.URL = "" },
		"URL cannot be parsed":              func(c *gettoken.Config) { c.URL = "https://secret\x7f" },
		"URL holds a user or password":      func(c *gettoken.Config) { c.URL = "https://u:secret@host/" },
		"URL has no http or https scheme":   func(c *gettoken.Config) { c.URL = "ftp://secret/" },
		"URL has no host":                   func(c *gettoken.Config) { c.URL = "https:///secret" },
		"URL has a fragment":                func(c *gettoken.Config) { c.URL = "https://host/#secret" },
		"no access token: set":              func(c *gettoken.Config) { c.Access = nil },
		"timeout -1s is negative":           func(c *gettoken.Config) { c.Timeout = -time.Second },
		"connection limit -1 is negative":   func(c *gettoken.Config) { c.MaxConns = -1 },
		"configure GetToken client: URL is": func(c *gettoken.Config) { c.URL = "" },
	} {
		cfg := gettoken.Config{URL: "https://host/", Access: gettoken.Fixed("x")}
		change(&cfg)
		if _, err := gettoken.New(cfg); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for _, bad := range []string{"a b", "a\nb", "é", strings.Repeat("x", 17<<10)} {
		if _, err := gettoken.Fixed(bad).AccessToken(); err == nil {
			t.Errorf("%.20q was accepted", bad)
		}
	}
	if said := fmt.Sprintf("%v %+v", gettoken.Fixed(accessToken), gettoken.Config{Access: gettoken.Fixed(accessToken), Hidden: []upstream.Secret{accessToken}}); strings.Contains(said, accessToken) {
		t.Errorf("it prints %s", said)
	}
}

// A name that led to this machine may lead elsewhere later: nothing is written there without TLS.
func TestPlaintextStaysOnThisMachine(t *testing.T) {
	t.Parallel()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		of, ok := a.(*net.IPNet)
		if !ok || of.IP.To4() == nil || of.IP.IsLoopback() {
			continue
		}
		listener, err := net.Listen("tcp", net.JoinHostPort(of.IP.String(), "0"))
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		reply, err := setup(t, "http://"+listener.Addr().String(), nil).GetToken(t.Context(), jan())
		if err == nil || reply.Sent || !strings.Contains(err.Error(), "another machine") {
			t.Errorf("%+v, %v", reply.Answer, err)
		}
		return
	}
	t.Skip("this machine has no address that others know")
}
