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
	"strings"
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
	l := Listen{CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key"), Read: os.ReadFile, Log: zerolog.Nop()}
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
	c.listen.Read = func(string) ([]byte, error) { return nil, errors.New("a pipe by now") }
	writeCertificate(t, l, 3, now.Add(time.Minute))
	c.reload()
	if n := c.serial(t); n != 2 {
		t.Errorf("certificate %d, although its reader refuses it", n)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	c.watch(ended) // it ends
}

// A certificate that cannot be read is told of once for each change of its files, and not at each look.
func TestBrokenCertificatesAreToldOfOnce(t *testing.T) {
	t.Parallel()
	var logs strings.Builder
	dir, now := t.TempDir(), time.Now()
	l := Listen{CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key"), Read: os.ReadFile, Log: zerolog.New(&logs)}
	writeCertificate(t, l, 1, now)
	c := &certificate{listen: l}
	if err := c.load(); err != nil {
		t.Fatal(err)
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	at := 0
	broken := func(text string) func() {
		return func() {
			do(os.WriteFile(l.CertFile, []byte(text), 0o600))
			at++
			do(os.Chtimes(l.CertFile, now, now.Add(time.Duration(at)*time.Minute)))
		}
	}
	for i, step := range []struct {
		change        func()
		errors, infos int // in all
	}{
		{func() {}, 0, 0},
		{broken("no certificate"), 1, 0},
		{broken("none either"), 2, 0}, // the files have changed
		{func() { do(os.Remove(l.CertFile)) }, 3, 0},
		{func() { writeCertificate(t, l, 2, now.Add(time.Hour)) }, 3, 1},
		{broken("no certificate"), 4, 1},
		{func() { writeCertificate(t, l, 3, now.Add(2*time.Hour)) }, 4, 2},
		{broken("no certificate"), 5, 2},
	} {
		step.change()
		for range 3 {
			c.reload()
		}
		if e, n := strings.Count(logs.String(), "still used"), strings.Count(logs.String(), "read a new"); e != step.errors || n != step.infos {
			t.Errorf("step %d: %d errors and %d certificates, want %d and %d", i, e, n, step.errors, step.infos)
		}
	}
}
