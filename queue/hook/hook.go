// Package hook is the form of webhooks: the secrets and signatures of an endpoint, after the Standard Webhooks specification
// (https://github.com/standard-webhooks/standard-webhooks), and the URLs that it may have.
//
// It sends nothing and asks no database, and must never print a secret.
package hook

import (
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// MaxURL is how long an endpoint's URL may be, in bytes.
const MaxURL = 2048

// idBytes are 10 signs.
const idBytes = 6

// NewID makes the id of an endpoint, of ten signs a to z and 2 to 7.
func NewID(random io.Reader) (string, error) {
	id := make([]byte, idBytes)
	if _, err := io.ReadFull(random, id); err != nil {
		return "", fmt.Errorf("make id: %w", err)
	}
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(id)), nil
}

// IsID reports whether a text has the form of an endpoint's id.
func IsID(text string) bool {
	return len(text) == 10 && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// CheckURL says whether an endpoint may have a URL, and gives its normal form. plain allows http, for networks of one's own.
//
// Where a name leads can only be known when a connection is made: the sender looks then.
func CheckURL(text string, plain bool) (string, error) {
	if len(text) > MaxURL {
		return "", fmt.Errorf("the URL is longer than %d bytes", MaxURL)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) || r == unicode.ReplacementChar }) {
		return "", errors.New("the URL has signs that no URL has")
	}
	u, err := url.Parse(text)
	if err != nil {
		return "", errors.New("it is no URL: give one such as https://shop.example/hooks")
	}
	switch {
	case u.Scheme == "http" && !plain:
		return "", errors.New("the URL must begin with https://: http is for networks in WEBHOOK_ALLOWED_NETWORKS alone")
	case u.Scheme != "https" && u.Scheme != "http":
		return "", errors.New("the URL must begin with https://")
	case u.User != nil:
		return "", errors.New("the URL must not hold a name and password: deliveries are signed, and need none")
	case u.Fragment != "":
		return "", errors.New("the URL must not have a part behind #: no server gets it")
	case u.Opaque != "" || u.Hostname() == "":
		return "", errors.New("the URL has no host")
	}
	if err := checkHost(u); err != nil {
		return "", err
	}
	return u.String(), nil
}

// checkHost brings a host into its ASCII form.
func checkHost(u *url.URL) error {
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		return nil
	}
	host, err := idna.Lookup.ToASCII(u.Hostname())
	if err != nil {
		return errors.New("the URL's host is no name and no address")
	}
	if port := u.Port(); port != "" {
		host += ":" + port
	}
	u.Host = host
	return nil
}
