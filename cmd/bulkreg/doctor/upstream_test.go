package doctor

import (
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/worker/registrar"
	"github.com/bulkreg/bulkreg/worker/registrar/shape"
)

func TestContract(t *testing.T) {
	t.Parallel()
	used := []registrar.Op{registrar.OpAuthenticate, registrar.OpCheckBulk}
	for name, c := range map[string]struct {
		difference registrar.Difference
		health     Health
		words      []string
	}{
		"missing": {registrar.Difference{Op: registrar.OpCheckBulk, In: "results", Difference: shape.Difference{
			Field: "available", Problem: shape.Missing, Grave: true, Like: "isAvailable"}}, Fail,
			[]string{"an item of results in the reply to a WHOIS check lacks the field available", "without which", "isAvailable", "wire.go"}},
		"missing, and not needed": {registrar.Difference{Op: registrar.OpCheckBulk, In: "results", Difference: shape.Difference{
			Field: "status", Problem: shape.Missing}}, Warn, []string{"lacks the field status", "premium"}},
		"wrong": {registrar.Difference{Op: registrar.OpAuthenticate, Difference: shape.Difference{
			Field: "token", Problem: shape.Wrong, Grave: true, Is: shape.Object, Want: []shape.Kind{shape.Text, shape.List}}}, Fail,
			[]string{"the reply with a token has an object in the field token, where text or a list is read"}},
		"unknown": {registrar.Difference{Op: registrar.OpAuthenticate, Difference: shape.Difference{
			Field: "scope", Problem: shape.Unknown}}, Warn, []string{"has the field scope (null), which nobody reads"}},
		"error": {registrar.Difference{Op: registrar.OpCheckBulk, Error: true, Difference: shape.Difference{
			Field: "message", Problem: shape.Missing, Grave: true}}, Warn, []string{"the error in the reply to a WHOIS check lacks the field message"}},
	} {
		r := &Report{}
		r.Contract("brand", used, []registrar.Difference{c.difference})
		says(t, r, Registrar, c.health, append(c.words, "account brand: ")...)
		if len(r.Found) != 2 || r.Count(OK) != 1 { // the other reply is as it should be
			t.Errorf("%s: got %+v", name, r.Found)
		}
	}
	r := &Report{}
	r.Contract("brand", used, nil)
	if r.Count(OK) != 2 {
		t.Errorf("got %+v", r.Found)
	}
}

func TestReach(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 1)
	there := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.Path }))
	there.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains of those who do not trust it
	there.StartTLS()
	defer there.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	trusted := x509.NewCertPool()
	trusted.AddCert(there.Certificate())
	for _, c := range []struct {
		at     string
		roots  *x509.CertPool
		health Health
		words  string
	}{
		{there.URL + "/token", trusted, OK, "somebody answers at " + strings.TrimPrefix(there.URL, "https://")},
		{there.URL, x509.NewCertPool(), Fail, "nobody stands between"},
		{plain.URL, nil, OK, "somebody answers"},
		{"https://" + strings.TrimPrefix(plain.URL, "http://"), nil, Fail, "PMG_TOKEN_URL is right"},
		{"http://127.0.0.1:1/", nil, Fail, "PMG_TOKEN_URL is right"},
		{"nonsense", nil, Fail, "is no URL"},
	} {
		r := &Report{}
		r.Reach(t.Context(), GetToken, "PMG_TOKEN_URL", c.at, c.roots)
		says(t, r, GetToken, c.health, c.words)
	}
	select {
	case path := <-asked:
		t.Errorf("it asked for %s", path)
	default:
	}
}
