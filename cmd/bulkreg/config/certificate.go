package config

import (
	"crypto/tls"
	"fmt"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/ownfile"
)

// maxCertificate bounds a file with a certificate or a key in it, in bytes: a chain takes some ten thousand.
const maxCertificate = 1 << 20

// ReadCertificate reads a file with a certificate or a key in it by the rules of every file that a setting names.
func ReadCertificate(path string) ([]byte, error) { return ownfile.Read(path, maxCertificate) }

// Certificate says what is wrong with the certificate of the HTTP API, nil if there is none. It is for whoever serves with it: other
// machines with the same settings need not have its files.
func (c Config) Certificate() error {
	if c.HTTPTLSCert == "" || c.HTTPTLSKey == "" {
		return nil
	}
	cert, err := ReadCertificate(c.HTTPTLSCert)
	if err != nil {
		return fmt.Errorf("HTTP_TLS_CERT: %w", err)
	}
	key, err := ReadCertificate(c.HTTPTLSKey)
	if err != nil {
		return fmt.Errorf("HTTP_TLS_KEY: %w", err)
	}
	if _, err := tls.X509KeyPair(cert, key); err != nil {
		return fmt.Errorf("HTTP_TLS_CERT and HTTP_TLS_KEY: %w", err)
	}
	return nil
}
