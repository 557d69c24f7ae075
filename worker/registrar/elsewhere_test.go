package registrar

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A name that led to this machine when somebody looked may lead elsewhere later. Nothing is written there without TLS.
func TestPlaintextStaysOnThisMachine(t *testing.T) {
	t.Parallel()
	asked := 0
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	listener, err := net.Listen("tcp", net.JoinHostPort(ownAddress(t), "0"))
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Listener.Close(); err != nil {
		t.Fatal(err)
	}
	server.Listener = listener
	server.Start()
	defer server.Close()
	for _, allowed := range []bool{false, true} {
		c, err := New(Config{BaseURL: strings.Replace(server.URL, "http", "HTTP", 1), ClientID: "id", ClientSecret: testSecret, AllowPlaintext: allowed})
		if err != nil {
			t.Fatal(err)
		}
		err = c.Authenticate(t.Context())
		c.Close()
		if err == nil || allowed != (asked > 0) || allowed == strings.Contains(err.Error(), "another machine") {
			t.Errorf("allowed is %t: %v, and it was asked %d times", allowed, err, asked)
		}
	}
}

// ownAddress is one of this machine's that others know.
func ownAddress(t *testing.T) string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if of, ok := a.(*net.IPNet); ok && of.IP.To4() != nil && !of.IP.IsLoopback() {
			return of.IP.String()
		}
	}
	t.Skip("this machine has no address that others know")
	return ""
}
