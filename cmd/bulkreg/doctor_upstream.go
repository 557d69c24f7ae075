package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/queue/intake/domainname"
	"github.com/bulkreg/bulkreg/worker/registrar"
)

// registrar asks the registrar about one domain, for each account.
func (d *doctor) registrar(ctx context.Context) {
	const about = "registrar"
	cfg, err := config.LoadFor(d.environ, config.UseRegistrar)
	if err != nil {
		d.say(about, "authentication", unknown, "", "not looked at: its settings cannot be used")
		return
	}
	accounts, err := cfg.Accounts()
	if err != nil {
		d.say(about, "authentication", ill, "set REGISTRAR_BASE_URL, REGISTRAR_CLIENT_ID and REGISTRAR_CLIENT_SECRET", "%v", err)
		return
	}
	for _, account := range accounts {
		d.account(ctx, cfg, account)
	}
}

// account makes one WHOIS check, and compares each field of the answers with the contract.
func (d *doctor) account(ctx context.Context, cfg config.Config, account config.Account) {
	const about = "registrar"
	name := "account " + account.Name
	client, err := newClient(cfg, account, 1)
	if err != nil {
		d.say(about, "authentication", ill, "", "%s: %v", name, err)
		return
	}
	defer client.Close()
	begun := time.Now()
	found, err := client.Examine(ctx, d.domain.ASCII)
	took := time.Since(begun).Round(time.Millisecond)
	d.contract(name+", reply to authentication", pathOf(registrar.OpAuthenticate), found.Token)
	var refused *registrar.AuthError
	if errors.As(err, &refused) {
		d.say(about, "authentication", ill, remedyOf(err, account.Name), "%s: %s", name, oneLine(err))
		return
	}
	d.say(about, "authentication", healthy, "", "%s: gives a token", name)
	d.contract(name+", reply to WHOIS", pathOf(registrar.OpCheckBulk), found.Check)
	if err != nil {
		d.say(about, "whois", ill, remedyOf(err, account.Name), "%s: %s", name, oneLine(err))
		return
	}
	answer := matchChecks([]domainname.Name{d.domain}, found.Checks)[0]
	if answer.Availability == registrar.Unknown {
		d.say(about, "whois", ill, "see that "+pathOf(registrar.OpCheckBulk)+" is right; `bulkreg whois "+d.domain.ASCII+"` asks by itself",
			"%s: does not say whether %s is taken: %s", name, d.domain.ASCII, answer.Error)
		return
	}
	d.say(about, "whois", healthy, "", "%s: calls %s %s within %s", name, d.domain.ASCII, answer.Availability, took)
}

// contract says how a reply differs from what bulkreg knows to read. What is unknown may be what bars a domain from being bought.
func (d *doctor) contract(which, path string, c registrar.Comparison) {
	const about, check = "registrar", "contract"
	do := "see that " + path + " is right, and compare worker/registrar/wire.go with your account's documentation"
	for _, differ := range []struct {
		h      health
		what   string
		fields []string
	}{
		{ill, "has no", c.Missing}, {odd, "has in another form", c.Odd}, {odd, "also has, and nobody reads", c.Unknown},
	} {
		if len(differ.fields) > 0 {
			d.say(about, check, differ.h, do, "%s: it %s: %s", which, differ.what, strings.Join(differ.fields, ", "))
		}
	}
	if c.Done && len(c.Missing)+len(c.Odd)+len(c.Unknown) == 0 {
		d.say(about, check, healthy, "", "%s: as in the contract: %s", which, strings.Join(c.Fits, ", "))
	}
}

// gettoken looks whether somebody answers where tokens are asked for. It asks for none: that would send somebody's address.
func (d *doctor) gettoken(ctx context.Context) {
	const about, check = "gettoken", "reachable"
	cfg, err := config.LoadFor(d.environ, config.UseAll)
	switch {
	case err != nil:
		d.say(about, check, unknown, "", "not looked at: settings cannot be used")
		return
	case !cfg.Tokens():
		d.say(about, check, unknown, "", "not looked at: no tokens are issued without PMG_ACCESS_TOKEN and TOKEN_ENCRYPTION_KEY")
		return
	}
	u, err := url.Parse(cfg.TokenURL)
	if err != nil {
		d.say(about, check, ill, "correct PMG_TOKEN_URL", "PMG_TOKEN_URL is no URL")
		return
	}
	conn, err := dialer(u.Scheme).DialContext(ctx, "tcp", hostPort(u.Hostname(), u.Port(), u.Scheme))
	if err != nil {
		d.say(about, check, ill, "see that PMG_TOKEN_URL is right and can be reached from here", "%s", oneLine(err))
		return
	}
	if err := conn.Close(); err != nil {
		d.say(about, check, odd, "", "%s", oneLine(err))
	}
	d.say(about, check, healthy, "", "somebody answers at %s; whether the access token is good shows with the first order", u.Host)
}

// dialer connects as a call would, its certificate verified.
func dialer(scheme string) interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
} {
	if scheme == "https" {
		return &tls.Dialer{}
	}
	return &net.Dialer{}
}

// hostPort is where a URL leads to.
func hostPort(host, port, scheme string) string {
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	return net.JoinHostPort(host, port)
}
