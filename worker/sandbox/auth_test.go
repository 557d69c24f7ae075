package sandbox_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/bulkreg/bulkreg/worker/sandbox"
)

func TestTokenExpires(t *testing.T) {
	t.Parallel()
	c := newClock()
	b := setup(t, sandbox.Options{Clock: c.Now, TokenTTL: time.Minute})
	c.Advance(59 * time.Second)
	if r := b.whois("a.nl"); r.status != 200 {
		t.Fatalf("refused before its time: %d %s", r.status, r.body)
	}
	c.Advance(time.Second)
	b.wantError(b.register("a.nl"), http.StatusUnauthorized)
	if call := b.Ledger().Calls[2]; call.Account != sandbox.DefaultClientID || call.Status != 401 || len(call.Items) != 1 {
		t.Errorf("the ledger has %+v", call)
	}
	b.wantPaid("a.nl", 0)
	b.jwt = b.authenticate(sandbox.DefaultClientID, sandbox.DefaultClientSecret)
	if r := b.whois("a.nl"); r.status != 200 {
		t.Errorf("a fresh token was refused: %d %s", r.status, r.body)
	}
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{TokenTTL: 90 * time.Second})
	ok := b.must("POST", "/authenticate", map[string]string{"client_id": "demo", "client_secret": "demo-secret"}).json(t)
	if ok["status"] != "success" || ok["expires_in"] != 90.0 || strings.Count(ok["token"].(string), ".") != 2 {
		t.Errorf("%v", ok)
	}
	cases := []struct {
		name   string
		body   any
		status int
	}{
		{"wrong secret", map[string]string{"client_id": "demo", "client_secret": "x"}, 401},
		{"unknown client", map[string]string{"client_id": "x", "client_secret": "demo-secret"}, 401},
		{"no secret", map[string]string{"client_id": "demo"}, 400},
		{"not an object", "demo", 400},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { b.wantError(b.must("POST", "/authenticate", c.body), c.status) })
	}
}

func TestForeignTokensAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	claims := jwt.RegisteredClaims{Subject: "demo", ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Hour))}
	forged, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte("another key"))
	if err != nil {
		t.Fatal(err)
	}
	unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, claims).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"none": "", "garbage": "garbage", "forged": forged, "unsigned": unsigned,
		"another sandbox's": setup(t, sandbox.Options{}).jwt, "GetToken's": sandbox.DefaultAccessToken,
	} {
		b.jwt = token
		t.Run(name, func(t *testing.T) { b.wantError(b.register("a.nl"), 401) })
	}
	b.wantPaid("a.nl", 0)
}

func TestWrongVerbsAndPaths(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	for _, p := range []string{"GET /authenticate", "POST /whois/a.nl", "GET /whois", "GET /domainholder",
		"GET /domainholder/x", "GET /domain", "PUT /domain/bulk"} {
		method, path, _ := strings.Cut(p, " ")
		r := b.must(method, path, nil)
		b.wantError(r, http.StatusMethodNotAllowed)
		if r.header.Get("Allow") == "" {
			t.Errorf("%s: no Allow header", p)
		}
	}
	if r := b.must("GET", sandbox.TokenPath, nil); r.status != 405 || r.json(t)["error"] == nil {
		t.Errorf("%d %s", r.status, r.body)
	}
	r := b.must("POST", "/domains", nil)
	if r.status != 404 || strings.Contains(r.header.Get("Content-Type"), "json") {
		t.Errorf("an unknown path is answered as by the API: %d %s", r.status, r.body)
	}
	if n := b.Ledger().Counts[sandbox.OpOther]; n != 9 {
		t.Errorf("counted %d, want 9", n)
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	b.wantError(b.must("POST", "/whois", map[string]any{"domains": []string{strings.Repeat("a", 8<<20)}}), 400)

	request, err := http.NewRequest("POST", b.url+"/whois", strings.NewReader(`{"domains":["a.nl"]}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+b.jwt)
	request.Header.Set("Content-Type", "text/plain")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil || response.StatusCode != 400 {
		t.Errorf("text/plain: %d, %v", response.StatusCode, err)
	}
}

func TestInvalidOptions(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]sandbox.Options{
		"short life":   {TokenTTL: time.Millisecond},
		"batch":        {MaxBatch: -1},
		"batch status": {MaxBatchStatus: 500},
		"no secret":    {Accounts: map[string]sandbox.Account{"a": {}}},
		"no holder id": {Holders: []sandbox.Holder{{Email: "a@b.nl"}}},
		"taken":        {Taken: []string{"not a domain"}},
		"ledger":       {LedgerPath: t.TempDir()},
	} {
		if _, err := sandbox.New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
