package config

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// plaintext refuses a registrar's address that would carry secrets and people's details unencrypted out of this machine. A name
// without a dot is left to Reveals: this machine's own list of hosts may know it.
func (p *problems) plaintext(variable, base string, c Config) {
	if host := plainHost(base); host != "" && strings.ContainsAny(host, ".:") && c.Reveals(base, nil) {
		p.add("%s %s", variable, Revealing(base))
	}
}

// Reveals says whether calls to a base URL leave this machine unencrypted, and that is not allowed. lookup finds the addresses of a
// name without a dot; what it does not find is taken for another machine.
func (c Config) Reveals(base string, lookup func(name string) []netip.Addr) bool {
	host := plainHost(base)
	if host == "" || c.RegistrarAllowPlaintext == "1" || onThisMachine(host) {
		return false
	}
	if strings.ContainsAny(host, ".:") || lookup == nil {
		return true
	}
	found := lookup(host)
	return len(found) == 0 || slices.ContainsFunc(found, func(a netip.Addr) bool { return !a.Unmap().IsLoopback() })
}

// Revealing says what is wrong with such a base URL, behind the name of its setting.
func Revealing(base string) string {
	return "begins with http:// and leads to another machine, " + shown(plainHost(base)) + ": credentials and people's details would travel unencrypted; " +
		"begin it with https://, or set REGISTRAR_ALLOW_PLAINTEXT=1 if nobody else can listen on the way"
}

// plainHost is the host of a base URL without TLS, "" if it has none, or is no good for other reasons.
func plainHost(base string) string {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" || u.User != nil {
		return ""
	}
	return u.Hostname()
}

// onThisMachine says whether a host is this one, whoever answers for names: a name below localhost is asked of DNS.
func onThisMachine(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().IsLoopback()
	}
	return strings.ToLower(strings.TrimSuffix(host, ".")) == "localhost"
}

// Outside says whether what is sent to a host leaves this machine and its private networks, as far as the name or address tells:
// a name without a dot, such as a service's in a cluster, stays inside, and so does one whose end no public registry knows, as that of a
// service in the namespace shop, postgres.shop.svc.cluster.local. What comes before the end is for whoever owns the name to choose.
func Outside(host string) bool {
	if host == "" || strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || onThisMachine(host) { // none, or a socket
		return false
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		addr = addr.Unmap().WithZone("")
		return !addr.IsPrivate() && !addr.IsLoopback() && !addr.IsLinkLocalUnicast() && !addr.IsUnspecified() && !shared().Contains(addr)
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	labels := strings.Split(host, ".")
	if _, err := strconv.ParseUint(labels[0], 0, 32); err == nil && len(labels) == 1 { // an IPv4 address, to systems that read it so
		return true
	}
	inside := []string{"local", "internal", "svc", "cluster", "lan", "home", "corp", "intranet", "private", "localdomain", "test"}
	return len(labels) > 1 && !slices.Contains(inside, labels[len(labels)-1]) && !strings.HasSuffix(host, ".home.arpa")
}

// shared is what providers and clusters use inside, as 10.0.0.0/8.
func shared() netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10) }
