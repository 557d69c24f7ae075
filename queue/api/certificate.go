package api

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// certificateEvery is how often the files of the certificate are looked at.
const certificateEvery = 10 * time.Second

// tls reads the certificate, and returns what reads it anew when its files change.
func (l Listen) tls() (*tls.Config, func(context.Context), error) {
	if l.CertFile == "" {
		return nil, nil, nil
	}
	c := &certificate{listen: l}
	if err := c.load(); err != nil {
		return nil, nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}, c.watch, nil
}

// certificate is the newest that could be read.
type certificate struct {
	listen Listen
	mu     sync.Mutex
	pair   *tls.Certificate
	stamp  string // of the files that it was read from

	refused string // the files, and what was wrong with them, that the log was told of last; of whoever watches alone
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pair, nil
}

func (c *certificate) load() error {
	stamp, err := c.look()
	if err != nil {
		return err
	}
	pair, err := c.listen.pair()
	if err != nil {
		return fmt.Errorf("read certificate: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pair, c.stamp = &pair, stamp
	return nil
}

// pair reads the certificate and its key.
func (l Listen) pair() (tls.Certificate, error) {
	cert, err := l.Read(l.CertFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := l.Read(l.KeyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(cert, key)
}

// look tells the files of the certificate from earlier ones.
func (c *certificate) look() (string, error) {
	stamp := ""
	for _, name := range []string{c.listen.CertFile, c.listen.KeyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return "", fmt.Errorf("read certificate: %w", err)
		}
		stamp += fmt.Sprint(info.ModTime().UnixNano(), " ", info.Size(), ";")
	}
	return stamp, nil
}

// watch reads the certificate anew when its files change. One that cannot be read leaves the one before.
func (c *certificate) watch(ctx context.Context) {
	for ctx.Err() == nil {
		rest(ctx, certificateEvery)
		c.reload()
	}
}

// reload tells the log of each change of the files once, and of an error again only when it is another one.
func (c *certificate) reload() {
	stamp, err := c.look()
	if err == nil && stamp == c.stamp {
		c.refused = "" // the files of before are back
		return
	}
	if err == nil {
		err = c.load()
	}
	if err == nil {
		c.refused = ""
		c.listen.Log.Info().Msg("read a new certificate")
		return
	}
	if refused := stamp + err.Error(); refused != c.refused {
		c.refused = refused
		c.listen.Log.Error().Err(err).Msg("the new certificate cannot be read: the one before is still used")
	}
}
