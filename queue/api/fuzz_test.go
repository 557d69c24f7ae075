package api

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"
)

// Whatever a body holds, it is an order or a problem, and what is kept of its jobs is one line each.
func FuzzJSONOrder(f *testing.F) {
	for _, seed := range []string{
		`{"reference":"r","kind":"whois","jobs":["a.nl",{"domain":"b.nl"}]}`, `{"jobs":[[],{}],"labels":{"a":"b"},"kind":1,"dry_run":true}`,
		`{"jobs":["a\nb"]}`, `{"jobs":[`, `[]`, `{"jobs":{}}`, `{"kind":null,"nameservers":["a","b"],"jobs":[1]}`, `{"a":{"b":[1]},"jobs":[]} x`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		fields := orderFields{given: map[string]bool{}}
		lines, err := fields.readJSON(strings.NewReader(body))
		if err != nil {
			if p, internal := problemOf(err); internal || p.Status < 400 || p.Status >= 500 {
				t.Errorf("%q: %+v", body, p)
			}
			return
		}
		defer lines.text.Close()
		r, err := lines.text.Reader()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if !strings.HasSuffix(line, "\n") || strings.TrimSpace(line) == "" {
				t.Errorf("%q leaves the line %q", body, line)
			}
		}
	})
}

// Parameters are taken or refused, and never cause a panic.
func FuzzParameters(f *testing.F) {
	for _, seed := range []string{"reference=r&kind=whois", "label=a:b&label=c", "period=x&on_invalid=y&dry_run=z", "%zz", "a=b;c", "nameservers=a,b%20c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest("POST", "/v1/orders", nil)
		r.URL.RawQuery = query
		fields, err := fieldsOf(r)
		if err == nil {
			err = fields.complete(r)
		}
		if err == nil {
			return // an order that lacks nothing
		}
		if p, internal := problemOf(err); internal || p.Status < 400 || p.Status >= 500 {
			t.Errorf("%q: %+v", query, p)
		}
	})
}
