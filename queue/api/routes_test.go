package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// Whatever path is asked for, and however, nobody is sent elsewhere and nobody gets a page.
func TestPathsThatAreNotThere(t *testing.T) {
	t.Parallel()
	a := doorOfNothing(t)
	for _, c := range []struct {
		path   string
		status int
		meant  string // "" where none is named
	}{
		{"//v1/orders", 404, "/v1/orders"}, {"/v1//orders", 404, "/v1/orders"}, {"/v1/./orders", 404, "/v1/orders"}, {"/v1/orders/..", 404, "/v1"},
		{"/v1/../docs", 404, "/docs"}, {"/docs/", 404, "/docs"}, {"//docs", 404, "/docs"}, {"//", 404, ""}, {"/..", 404, ""}, {"/", 404, ""},
		{"/../../etc/passwd", 404, "/etc/passwd"}, {"/v1", 401, ""}, {"/v1/", 401, ""}, {"/v1/orders/", 401, ""}, {"/%76%31/orders", 401, ""}, {"/v1%2Forders", 401, ""},
		{"//evil.example/%2e%2e", 404, "/evil.example/%2e%2e"}, {"", 404, ""}, {"*", 404, "/*"},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodConnect, http.MethodOptions, "ODD"} {
			r := httptest.NewRequestWithContext(t.Context(), method, "/", nil)
			r.URL = &url.URL{Path: c.path}
			if unescaped, err := url.PathUnescape(c.path); err == nil && unescaped != c.path {
				r.URL = &url.URL{Path: unescaped, RawPath: c.path}
			}
			answer := httptest.NewRecorder()
			a.Handler().ServeHTTP(answer, r)
			var p Problem
			if err := json.Unmarshal(answer.Body.Bytes(), &p); err != nil {
				t.Errorf("%s %s: %d, %s", method, c.path, answer.Code, answer.Body)
				continue
			}
			if answer.Code != c.status || answer.Header().Get("Content-Type") != problemType || answer.Header().Get("Location") != "" ||
				strings.Contains(p.Detail, "ask for") != (c.meant != "") || !strings.Contains(p.Detail, c.meant) {
				t.Errorf("%s %s: %d %v, %s", method, c.path, answer.Code, answer.Header(), answer.Body)
			}
		}
	}
	for path, allow := range map[string]string{"/docs": "GET, HEAD", "/problems/not-found": "GET, HEAD"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodConnect, "/", nil)
		r.URL.Path = path
		answer := httptest.NewRecorder()
		a.Handler().ServeHTTP(answer, r)
		if answer.Code != http.StatusMethodNotAllowed || answer.Header().Get("Allow") != allow {
			t.Errorf("CONNECT %s: %d, %v", path, answer.Code, answer.Header())
		}
	}
}
