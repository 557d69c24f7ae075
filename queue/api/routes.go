package api

import (
	"net/http"
	"path"
	"strings"
)

// routed sends requests to their handlers: those under /v1 only with a key.
func (a *API) routed() http.Handler {
	open := http.HandlerFunc(a.found)
	keyed := a.authenticated(open)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A mux would send these elsewhere, with a page: programs follow with another method, or with no key.
		if asked := r.URL.EscapedPath(); asked != cleaned(asked) {
			a.refuse(w, r, nothingAt(asked))
			return
		}
		if r.URL.Path == "/v1" || strings.HasPrefix(r.URL.Path, "/v1/") {
			keyed.ServeHTTP(w, r)
			return
		}
		open.ServeHTTP(w, r)
	})
}

// cleaned is a path as a mux wants it.
func cleaned(asked string) string {
	clean := path.Clean("/" + asked)
	if strings.HasSuffix(asked, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}

// nothingAt names the path that may have been meant.
func nothingAt(asked string) *Problem {
	if meant := path.Clean("/" + asked); meant != asked && meant != "/" {
		return kindNotFound.problem("There is nothing at this path: ask for %s, or look at /docs, which lists what there is.", meant)
	}
	return kindNotFound.problem("There is nothing at this path: /docs lists what there is.")
}

// found answers in our words where the mux knows no handler.
func (a *API) found(w http.ResponseWriter, r *http.Request) {
	handler, pattern := a.mux.Handler(r)
	if pattern != "" {
		requestOf(r.Context()).pattern = pattern
		a.mux.ServeHTTP(w, r)
		return
	}
	// The mux' own answer tells whether the path is known, and with which methods.
	probe := &discarded{header: http.Header{}}
	handler.ServeHTTP(probe, r)
	if probe.status == http.StatusMethodNotAllowed {
		w.Header()["Allow"] = probe.header["Allow"]
		a.refuse(w, r, kindMethod.problem("The path does not know the method %s.", methodOf(r)))
		return
	}
	a.refuse(w, r, nothingAt(r.URL.EscapedPath()))
}

// discarded takes an answer that nobody gets.
type discarded struct {
	header http.Header
	status int
}

// Header implements http.ResponseWriter.
func (d *discarded) Header() http.Header { return d.header }

// Write implements http.ResponseWriter.
func (d *discarded) Write(p []byte) (int, error) { return len(p), nil }

// WriteHeader implements http.ResponseWriter.
func (d *discarded) WriteHeader(status int) { d.status = status }
