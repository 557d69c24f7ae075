package webhook

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/bulkreg/bulkreg/queue/hook"
)

func TestGuard(t *testing.T) {
	t.Parallel()
	closed := newGuard(nil)
	open := newGuard([]netip.Prefix{netip.MustParsePrefix("10.20.0.0/16"), netip.MustParsePrefix("fd12::/32"), netip.MustParsePrefix("127.0.0.0/8")})
	for _, c := range []struct {
		addr         string
		public, ours bool // allowed over https without and with allowed networks
		plain        bool // over http with them
	}{
		{"93.184.215.14:443", true, true, false}, {"93.184.215.14:8443", true, true, false}, {"[2606:2800:21f:cb07:6820:80da:af6b:8b2c]:443", true, true, false},
		{"10.20.1.2:443", false, true, true}, {"10.21.1.2:443", false, false, false}, {"127.0.0.1:80", false, true, true}, {"[::1]:443", false, false, false},
		{"[fd12::7]:443", false, true, true}, {"[fd13::7]:443", false, false, false}, {"169.254.169.254:80", false, false, false},
		{"168.63.129.16:80", false, false, false}, {"100.100.100.200:80", false, false, false}, {"192.168.0.1:443", false, false, false},
		{"0.0.0.0:443", false, false, false}, {"[::]:443", false, false, false}, {"[fe80::1]:443", false, false, false}, {"[fd00:ec2::254]:443", false, false, false},
		{"[::ffff:127.0.0.1]:443", false, false, true}, {"[::ffff:169.254.169.254]:443", false, false, false},
		{"[64:ff9b::a9fe:a9fe]:443", false, false, false}, {"[2002:7f00:1::]:443", false, false, false}, {"[2001:0:7f00:1::]:443", false, false, false},
		{"[::127.0.0.1]:443", false, false, false}, {"224.0.0.1:443", false, false, false}, {"255.255.255.255:443", false, false, false}, {"nonsense", false, false, false},
	} {
		network := "tcp4"
		if strings.HasPrefix(c.addr, "[") {
			network = "tcp6"
		}
		if got := closed.encrypted(network, c.addr, nil) == nil; got != c.public {
			t.Errorf("%s is allowed: %v", c.addr, got)
		}
		if got := open.encrypted(network, c.addr, nil) == nil; got != c.ours {
			t.Errorf("%s is allowed beside networks: %v", c.addr, got)
		}
		if got := open.plain(network, c.addr, nil) == nil; got != c.plain {
			t.Errorf("%s is allowed over http: %v", c.addr, got)
		}
		if closed.plain(network, c.addr, nil) == nil {
			t.Errorf("%s is allowed over http without networks", c.addr)
		}
	}
}

// A name that leads to a public address when somebody looks, and to this machine when the connection is made, leads nowhere.
func TestRebinding(t *testing.T) {
	t.Parallel()
	r := receive(t, nil)
	_, port, err := net.SplitHostPort(r.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	resolver := nameServer(t, func() netip.Addr {
		asked.Add(1)
		return netip.MustParseAddr("127.0.0.1")
	})
	secret, err := hook.NewSecret(strings.NewReader(strings.Repeat("x", 64)))
	if err != nil {
		t.Fatal(err)
	}
	for _, scheme := range []string{"http", "https"} {
		s := newSender(Options{Resolver: resolver, Clock: time.Now})
		a := s.send(t.Context(), fmt.Sprintf("%s://rebinding.example:%s/", scheme, port), message{"evt_1", []byte("{}")}, []hook.Secret{secret})
		if a.ok() || !strings.Contains(a.failure, "WEBHOOK_ALLOWED_NETWORKS") || !a.trouble() {
			t.Errorf("%s: %+v", scheme, a)
		}
		s.close()
	}
	if asked.Load() == 0 || len(r.all()) != 0 {
		t.Errorf("asked %d times, and %d requests came", asked.Load(), len(r.all()))
	}
	s := newSender(Options{Resolver: resolver, Clock: time.Now, Allowed: loopback()})
	defer s.close()
	if a := s.send(t.Context(), "http://rebinding.example:"+port+"/", message{"evt_1", []byte("{}")}, []hook.Secret{secret}); !a.ok() {
		t.Errorf("an allowed network is refused: %+v", a)
	}
}

// A proxy of the environment would connect to what nobody has looked at.
func TestNoProxy(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	s := newSender(Options{Clock: time.Now})
	for _, transport := range []*http.Transport{s.https, s.http} {
		if transport.Proxy != nil {
			t.Error("a proxy is asked")
		}
	}
}

// nameServer answers every question for an address with one.
func nameServer(t *testing.T, answer func() netip.Addr) *net.Resolver {
	t.Helper()
	conn, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = conn.Close(); <-done }) // which ends its loop
	go func() {
		defer close(done)
		for buf := make([]byte, 1500); ; {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.Additionals = true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, Body: &dnsmessage.AResource{A: answer().As4()},
				}}
			}
			if packed, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(packed, from) // who does not get it asks again
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}
