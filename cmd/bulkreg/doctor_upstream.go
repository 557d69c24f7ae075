package main

import (
	"context"
	"net"
	"net/url"
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
		d.say(about, unknown, "", "not looked at: its settings cannot be used")
		return
	}
	accounts, err := cfg.Accounts()
	if err != nil {
		d.say(about, ill, "set REGISTRAR_BASE_URL, REGISTRAR_CLIENT_ID and REGISTRAR_CLIENT_SECRET", "%v", err)
		return
	}
	for _, account := range accounts {
		d.account(ctx, cfg, account)
	}
}

func (d *doctor) account(ctx context.Context, cfg config.Config, account config.Account) {
	const about = "registrar"
	client, err := newClient(cfg, account, 1)
	if err != nil {
		d.say(about, ill, "", "account %s: %v", account.Name, err)
		return
	}
	defer client.Close()
	begun := time.Now()
	reply, err := client.CheckBulk(ctx, []string{d.domain.ASCII})
	if err != nil {
		d.say(about, ill, remedyOf(err, account.Name), "account %s: %s", account.Name, oneLine(err))
		return
	}
	answer := matchChecks([]domainname.Name{d.domain}, reply.Checks)[0]
	if answer.Availability == registrar.Unknown {
		d.say(about, ill, "see that REGISTRAR_PATH_CHECK_BULK is right; `bulkreg whois "+d.domain.ASCII+"` asks by itself",
			"account %s: it answers, and not as its contract says: %s", account.Name, answer.Error)
		return
	}
	d.say(about, healthy, "", "account %s: gives a token, and calls %s %s within %s", account.Name, d.domain.ASCII, answer.Availability,
		time.Since(begun).Round(time.Millisecond))
}

// gettoken looks whether somebody answers where tokens are asked for. It asks for none: that would send somebody's address.
func (d *doctor) gettoken(ctx context.Context) {
	const about = "gettoken"
	cfg, err := config.LoadFor(d.environ, config.UseAll)
	switch {
	case err != nil:
		d.say(about, unknown, "", "not looked at: settings cannot be used")
		return
	case !cfg.Tokens():
		d.say(about, unknown, "", "not looked at: no tokens are issued without PMG_ACCESS_TOKEN and TOKEN_ENCRYPTION_KEY")
		return
	}
	u, err := url.Parse(cfg.TokenURL)
	if err != nil {
		d.say(about, ill, "correct PMG_TOKEN_URL", "PMG_TOKEN_URL is no URL")
		return
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", hostPort(u.Hostname(), u.Port(), u.Scheme))
	if err != nil {
		d.say(about, ill, "see that PMG_TOKEN_URL is right and can be reached from here", "%s", oneLine(err))
		return
	}
	if err := conn.Close(); err != nil {
		d.say(about, odd, "", "%s", oneLine(err))
	}
	d.say(about, healthy, "", "somebody answers at %s; whether the access token is good shows with the first order", u.Host)
}
