package api

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// writeCertificate writes a certificate with a number, as of a time.
func writeCertificate(t *testing.T, l Listen, serial int64, at time.Time) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{l.CertFile: {Type: "CERTIFICATE", Bytes: der}, l.KeyFile: {Type: "EC PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
}

func (c *certificate) serial(t *testing.T) int64 {
	t.Helper()
	pair, err := c.get(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return leaf.SerialNumber.Int64()
}

// A certificate that is replaced is used from then on, and one that cannot be read leaves the one before.
func TestCertificatesAreReadAnew(t *testing.T) {
	t.Parallel()
	dir, now := t.TempDir(), time.Now()
	l := Listen{CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key"), Log: zerolog.Nop()}
	if _, _, err := l.tls(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without files: %v", err)
	}
	writeCertificate(t, l, 1, now)
	c := &certificate{listen: l}
	if err := c.load(); err != nil {
		t.Fatal(err)
	}
	c.reload()
	if n := c.serial(t); n != 1 {
		t.Errorf("certificate %d, want 1", n)
	}
	writeCertificate(t, l, 2, now.Add(time.Second))
	c.reload()
	if n := c.serial(t); n != 2 {
		t.Errorf("certificate %d, want 2", n)
	}
	if err := os.WriteFile(l.CertFile, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.reload()
	if n := c.serial(t); n != 2 {
		t.Errorf("certificate %d, want the one before", n)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	c.watch(ended) // it ends
}
