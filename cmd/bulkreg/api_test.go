package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// apiAddr is where an API says that it listens.
func apiAddr(t *testing.T, c *running) string {
	t.Helper()
	c.stderr.await(t, "serving the HTTP API", c.ended)
	for line := range strings.Lines(c.stderr.String()) {
		var said struct{ Addr, Message string }
		if json.Unmarshal([]byte(line), &said) == nil && said.Message == "serving the HTTP API" {
			return said.Addr
		}
	}
	t.Fatalf("no address in %s", c.stderr.String())
	return ""
}

// The API serves orders with a key, warns of plain HTTP, and ends in an orderly way.
func TestAPI(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	key := strings.TrimSpace(d.must(exitDone, "keys", "create", "shop", "--by", "ann").stdout)
	c := startCommand(t, append(slices.Clone(d.environ), "HTTP_ADDR=127.0.0.1:0"), "api")
	addr := apiAddr(t, c)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+"/v1/orders?kind=whois&reference=r", strings.NewReader("a.nl\n"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "text/plain")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
	if err != nil || response.StatusCode != http.StatusAccepted {
		t.Errorf("%s: %s, %v", response.Status, body, err)
	}
	if o := parsed[orderJSON](t, d.must(exitDone, "order", "shop/r", "-o", "json").stdout); o.Total != 1 || o.Source != "shop" {
		t.Errorf("order %+v", o)
	}
	if strings.Contains(c.stderr.String(), "plain HTTP") || strings.Contains(c.stderr.String(), key[30:]) {
		t.Errorf("log: %s", c.stderr.String())
	}
	if r := c.stop(); r.status != exitDone || !strings.Contains(r.stderr, "stopped") {
		t.Errorf("it ended with %d: %s", r.status, r.stderr)
	}
}

func TestAPIRefusesWrongSettings(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for setting, words := range map[string]string{
		"HTTP_ADDR=nowhere": `HTTP_ADDR="nowhere" is no address to listen on`, "HTTP_ADDR=off": `HTTP_ADDR="off" is no address to listen on`,
		"HTTP_TLS_CERT=/x": "HTTP_TLS_CERT and HTTP_TLS_KEY belong together", "HTTP_MAX_BODY=0": `HTTP_MAX_BODY="0" is out of range`,
		"HTTP_ADDR=192.0.2.1:80": "HTTP_ADDR: listen on 192.0.2.1:80",
	} {
		if r := runCommand(t, append(slices.Clone(d.environ), setting), "api"); r.status != exitUsage || !strings.Contains(r.stderr, words) {
			t.Errorf("%s: %d, %s", setting, r.status, r.stderr)
		}
	}
}

// certificate writes a certificate of this machine, with a number, and returns the paths.
func certificate(t *testing.T, dir string, serial int64) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "localhost"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "EC PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestAPISpeaksTLS(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	cert, key := certificate(t, t.TempDir(), 1)
	c := startCommand(t, append(slices.Clone(d.environ), "HTTP_ADDR=127.0.0.1:0", "HTTP_TLS_CERT="+cert, "HTTP_TLS_KEY="+key), "api")
	conn, err := tls.Dial("tcp", apiAddr(t, c), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS13}) //nolint:gosec // it is looked at below
	if err != nil {
		t.Fatal(err)
	}
	if n := conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64(); n != 1 {
		t.Errorf("certificate %d", n)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	old := &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11} //nolint:gosec // it must be refused
	if conn, err := tls.Dial("tcp", apiAddr(t, c), old); err == nil {
		_ = conn.Close()
		t.Error("it speaks TLS 1.1")
	}
	if r := c.stop(); r.status != exitDone || !strings.Contains(r.stderr, "stopped") {
		t.Errorf("it ended with %d: %s", r.status, r.stderr)
	}
}
