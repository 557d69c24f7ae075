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
	"slices"
	"strconv"
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

// CheckURL says whether an endpoint may have a URL, and gives its normal form. In networks of one's own it may begin with http, and
// have an address that is not public.
//
// Where a name leads can only be known when a connection is made: the sender looks then.
func CheckURL(text string, own []netip.Prefix) (string, error) {
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
	case u.Scheme == "http" && len(own) == 0:
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
	if err := checkHost(u, own); err != nil {
		return "", err
	}
	return u.String(), nil
}

// checkHost brings a host into its ASCII form.
func checkHost(u *url.URL, own []netip.Prefix) error {
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return errors.New("the URL's port is not from 1 to 65535")
		}
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err == nil {
		return checkAddress(addr, own)
	}
	host, err := idna.Lookup.ToASCII(u.Hostname())
	if err != nil || isNumber(host[strings.LastIndexByte(strings.TrimSuffix(host, "."), '.')+1:]) {
		return errors.New("the URL's host is no name and no address")
	}
	if name := strings.TrimSuffix(host, "."); len(own) == 0 && (name == "localhost" || strings.HasSuffix(name, ".localhost")) {
		return errNotPublic
	}
	if port := u.Port(); port != "" {
		host += ":" + port
	}
	u.Host = host
	return nil
}

var errNotPublic = errors.New("the URL's address is not public: networks in WEBHOOK_ALLOWED_NETWORKS may be private")

// checkAddress refuses what no delivery would reach: it is looked at again, and more closely, when a connection is made.
func checkAddress(addr netip.Addr, own []netip.Prefix) error {
	if addr.Zone() != "" {
		return errors.New("the URL's address must not have a zone")
	}
	addr = addr.Unmap()
	if slices.ContainsFunc(own, func(p netip.Prefix) bool { return p.Contains(addr) }) {
		return nil
	}
	if !addr.IsGlobalUnicast() || addr.IsPrivate() {
		return errNotPublic
	}
	return nil
}

// isNumber says of the last part of a name that old resolvers take the whole for an address.
func isNumber(label string) bool {
	label = strings.TrimSuffix(label, ".")
	_, err := strconv.ParseUint(label, 0, 64)
	return err == nil || label != "" && strings.Trim(label, "0123456789") == ""
}
