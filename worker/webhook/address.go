package webhook

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

// errPlain says that http leads elsewhere than to an allowed network.
var errPlain = errors.New("http is for networks in WEBHOOK_ALLOWED_NETWORKS alone")

// metadata are addresses of clouds' own services that pass for public ones.
func metadata() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("168.63.129.16/32")} }

// guard looks at the address of each connection just before it is made: whatever a name led to before, this is where the bytes go.
type guard struct {
	public  *ssrf.Guardian
	allowed []netip.Prefix
}

func newGuard(allowed []netip.Prefix) guard {
	var four, six []netip.Prefix
	for _, p := range allowed {
		if p.Addr().Is4() {
			four = append(four, p)
		} else {
			six = append(six, p)
		}
	}
	return guard{
		allowed: allowed,
		public: ssrf.New(ssrf.WithAnyPort(), ssrf.WithNetworks("tcp4", "tcp6"), ssrf.WithAllowedV4Prefixes(four...), ssrf.WithAllowedV6Prefixes(six...),
			ssrf.WithDeniedV4Prefixes(metadata()...)),
	}
}

// encrypted allows public addresses, and those of allowed networks.
func (g guard) encrypted(network, address string, c syscall.RawConn) error {
	return g.public.Safe(network, address, c) //nolint:wrapcheck // whoever dials wraps it
}

// plain allows allowed networks alone.
func (g guard) plain(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !slices.ContainsFunc(g.allowed, func(p netip.Prefix) bool { return p.Contains(at.Addr().Unmap()) }) {
		return errPlain
	}
	return nil
}

// transport makes connections that pass the guard. Proxies of the environment are not asked: they would connect in its place.
func (g guard) transport(resolver *net.Resolver, control func(network, address string, c syscall.RawConn) error) *http.Transport {
	dialer := net.Dialer{Timeout: 10 * time.Second, Resolver: resolver, Control: control}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, addr)
		},
		// A receiver's name may lead elsewhere later: connections are kept for a burst, and not for long.
		IdleConnTimeout: 10 * time.Second, MaxIdleConns: inFlight, MaxIdleConnsPerHost: 4, MaxConnsPerHost: inFlight,
		TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
	}
}
