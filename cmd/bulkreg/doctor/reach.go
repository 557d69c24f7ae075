package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"time"
)

// Reach looks whether somebody answers at a URL, with a certificate that this machine trusts where it begins with https. It asks for
// nothing. A nil roots stands for the certificates of the machine.
func (r *Report) Reach(ctx context.Context, about, setting, at string, roots *x509.CertPool) {
	u, err := url.Parse(at)
	if err != nil || u.Hostname() == "" {
		r.Say(about, Fail, "correct "+setting, "%s is no URL", setting)
		return
	}
	begun := time.Now()
	address := net.JoinHostPort(u.Hostname(), portOf(u))
	var conn net.Conn
	if u.Scheme == "https" {
		conn, err = (&tls.Dialer{Config: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}).DialContext(ctx, "tcp", address)
	} else {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", address)
	}
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate):
		r.Say(about, Fail, "see that nobody stands between, and that this machine has the certificates of its authorities", "%s: %s", address, oneLine(err))
		return
	case err != nil:
		r.Say(about, Fail, "see that "+setting+" is right and can be reached from here", "%s", oneLine(err))
		return
	}
	took := time.Since(begun)
	if err := conn.Close(); err != nil {
		r.Say(about, Warn, "", "%s", oneLine(err))
	}
	r.Say(about, OK, "", "somebody answers at %s within %s; whether the access token is good shows with the first order", u.Host, took.Round(time.Millisecond))
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}
