package sandbox

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestCanonical(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"a.nl": "a.nl", "A.NL": "a.nl", "a.nl.": "a.nl", "café.nl": "xn--caf-dma.nl", "CAFÉ.nl": "xn--caf-dma.nl",
		"xn--caf-dma.nl": "xn--caf-dma.nl", "１２.nl": "12.nl",
		"": "", "nl": "", "a..nl": "", "-a.nl": "", "a-.nl": "", "a b.nl": "", "a_b.nl": "", ".nl": "",
		strings.Repeat("a", 64) + ".nl": "", strings.Repeat("a.", 130) + "nl": "",
	} {
		name, ok := canonical(raw)
		if ok != (want != "") || ok && name != want {
			t.Errorf("canonical(%q) = %q, %v, want %q", raw, name, ok, want)
		}
	}
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{"a.nl", "A.NL.", "café.nl", "xn--caf-dma.nl", "a..nl", "İ.nl", "ß.de", "\xff.nl", "xn--a.nl"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		name, ok := canonical(raw)
		if !ok {
			return
		}
		if again, ok := canonical(name); !ok || again != name {
			t.Errorf("canonical(%q) = %q, and of that %q, %v", raw, name, again, ok)
		}
		if !plain(name) || len(name) > 253 {
			t.Errorf("canonical(%q) = %q is not lower-case ASCII of a fitting length", raw, name)
		}
	})
}

// Whatever a client sends, the answer is JSON with a documented status, and nothing panics.
func FuzzRequests(f *testing.F) {
	f.Add("POST", "/whois", []byte(`{"domains":["a.nl","A.nl"]}`))
	f.Add("POST", "/domain/bulk", []byte(`{"domains":[{"domain":"a.nl","domainholder_id":"demo-holder"}]}`))
	f.Add("POST", "/domain", []byte(`{"domain":"poison-.","domainholder_id":"demo-holder","period":-1}`))
	f.Add("PUT", "/domainholder", []byte(`{"email":"a@b.nl","country":"NL"}`))
	f.Add("PATCH", "/domainholder/demo-holder", []byte(`null`))
	f.Add("POST", "/domain/bulk", []byte(`{"domains":[null]} {}`))
	f.Fuzz(func(t *testing.T, method, path string, body []byte) {
		known := map[string]bool{"/whois": true, "/domain": true, "/domain/bulk": true, "/domainholder": true, "/domainholder/demo-holder": true}
		if !known[path] {
			path = "/domain/bulk"
		}
		r, err := http.NewRequest(method, path, bytes.NewReader(body))
		if err != nil {
			return // not an HTTP request at all
		}
		sb, err := New(Options{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		token, err := sb.jwt.issue(DefaultClientID)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		sb.ServeHTTP(w, r)
		if w.Code >= 500 || w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s %q: %d %q", method, path, body, w.Code, w.Body)
		}
		if twice := sb.Ledger().AllPaidTwice(); len(twice) > 0 {
			t.Errorf("paid twice: %v", twice)
		}
	})
}

// A ledger file of any content is read or refused; what is read has only payments of calls it holds.
func FuzzReplay(f *testing.F) {
	f.Add([]byte(`{"event":"call","call":{"seq":1,"op":"register","items":[{"domain":"a.nl"}]}}` + "\n" + `{"event":"paid","seq":1,"paid":[0]}` + "\n"))
	f.Add([]byte(`{"event":"holder","holder":{"id":"x"},"created":true}` + "\n" + `{"event":"deleted","id":"x"}` + "\n"))
	f.Add([]byte("no ledger"))
	f.Add([]byte(`{"event":"account","account":"demo","balance":3}` + "\n" + `{"event":"tok`))
	f.Fuzz(func(t *testing.T, file []byte) {
		b, err := openBooks(Options{Clock: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		end, err := replayEvents(bytes.NewReader(file), b.replayer())
		if end > int64(len(file)) || err == nil && end != int64(bytes.LastIndexByte(file, '\n')+1) {
			t.Errorf("read %d of %d bytes, %v", end, len(file), err)
		}
		if l := b.snapshot(); len(l.PaidDomains()) > len(l.Received(OpRegister)) {
			t.Errorf("more paid than received: %+v", l)
		}
	})
}
