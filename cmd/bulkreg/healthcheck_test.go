package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// nobodyAt is an address at which nobody listens.
func nobodyAt(t *testing.T) string {
	t.Helper()
	port, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := port.Close(); err != nil {
		t.Fatal(err)
	}
	return port.Addr().String()
}

func TestHealthcheck(t *testing.T) {
	t.Parallel()
	answering := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
	}
	api, ill := httptest.NewTLSServer(answering(http.StatusOK)), httptest.NewServer(answering(http.StatusServiceUnavailable))
	alive := http.NewServeMux()
	alive.HandleFunc("GET /healthz", answering(http.StatusOK))
	metrics := httptest.NewServer(alive) // of an API
	waits := http.NewServeMux()
	waits.HandleFunc("GET /healthz", answering(http.StatusOK))
	waits.HandleFunc("GET /readyz", answering(http.StatusServiceUnavailable))
	worker := httptest.NewServer(waits)
	redirecting := httptest.NewServer(http.RedirectHandler(api.URL, http.StatusFound))
	for _, server := range []*httptest.Server{api, ill, metrics, worker, redirecting} {
		t.Cleanup(server.Close)
	}
	addr := func(s *httptest.Server) string { return s.Listener.Addr().String() }
	nobody := nobodyAt(t)
	for name, tt := range map[string]struct {
		metrics, http string
		args          []string
		status        int
		says          string
	}{
		"a worker":                   {addr(worker), nobody, nil, exitDone, ""},
		"a worker that is not ready": {addr(worker), nobody, []string{"--ready"}, exitError, "503"},
		"an API with TLS":            {"off", addr(api), nil, exitDone, ""},
		"one of two is ill":          {addr(worker), addr(ill), nil, exitError, "503"},
		"one sends elsewhere":        {"off", "", []string{redirecting.URL}, exitError, "302"},
		"an API that tells metrics":  {addr(metrics), addr(api), []string{"--ready"}, exitDone, ""},
		"metrics alone":              {addr(metrics), nobody, []string{"--ready"}, exitError, "no such page"},
		"nobody":                     {nobody, nobody, nil, exitError, "refused"},
		"nobody who could be":        {"off", "nowhere", nil, exitError, "METRICS_ADDR and HTTP_ADDR"},
		"a URL":                      {nobody, nobody, []string{"http://" + addr(worker) + "/healthz"}, exitDone, ""},
		"no URL":                     {nobody, nobody, []string{"localhost"}, exitUsage, "no URL"},
		"a URL and --ready":          {nobody, nobody, []string{ill.URL, "--ready"}, exitUsage, "--ready"},
		"two URLs":                   {nobody, nobody, []string{ill.URL, ill.URL}, exitUsage, "one URL"},
	} {
		environ := []string{"METRICS_ADDR=" + tt.metrics, "HTTP_ADDR=" + tt.http, "DATABASE_URL_FILE=/nowhere", "MAX_ATTEMPTS=wrong"}
		if tt.http == addr(api) {
			environ = append(environ, "HTTP_TLS_CERT=x", "HTTP_TLS_KEY=x")
		}
		r := runCommand(t, environ, append([]string{"healthcheck"}, tt.args...)...)
		if r.status != tt.status || !strings.Contains(r.stderr, tt.says) || (r.stdout == "ok\n") != (tt.status == exitDone) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestListeningAt(t *testing.T) {
	t.Parallel()
	for environ, want := range map[string]string{
		"METRICS_ADDR=:9090":                                       "http://localhost:9090 http://localhost:8080",
		"METRICS_ADDR=off HTTP_ADDR=0.0.0.0:80":                    "http://localhost:80",
		"METRICS_ADDR=10.0.0.1:1 HTTP_ADDR=[::]:2 HTTP_TLS_CERT=c": "http://10.0.0.1:1 https://localhost:2",
	} {
		if got := strings.Join(listeningAt(strings.Fields(environ)), " "); got != want {
			t.Errorf("%s: %s, want %s", environ, got, want)
		}
	}
}
