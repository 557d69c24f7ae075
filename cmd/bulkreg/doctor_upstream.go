package main

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/doctor"
	"github.com/bulkreg/bulkreg/queue/intake/domainname"
	"github.com/bulkreg/bulkreg/worker/registrar"
)

// registrar asks the registrar about one domain, for each account, all at once: each may take as long as a worker would wait.
func (d *examination) registrar(ctx context.Context) {
	cfg, err := config.LoadFor(d.environ, config.UseRegistrar)
	if err != nil {
		d.Say(doctor.Registrar, doctor.Skip, "", "not looked at: its settings cannot be used")
		return
	}
	accounts, err := cfg.Accounts()
	if err != nil {
		d.Say(doctor.Registrar, doctor.Fail, "set REGISTRAR_BASE_URL, REGISTRAR_CLIENT_ID and REGISTRAR_CLIENT_SECRET", "%v", err)
		return
	}
	reports := make([]doctor.Report, len(accounts))
	var group sync.WaitGroup
	for i, account := range accounts {
		group.Go(func() { examineAccount(ctx, &reports[i], cfg, account, d.domain) })
	}
	group.Wait()
	for _, r := range reports {
		d.Found = append(d.Found, r.Found...)
	}
}

// examineAccount gets a token and makes one WHOIS check, as a worker does.
func examineAccount(ctx context.Context, r *doctor.Report, cfg config.Config, account config.Account, domain domainname.Name) {
	var (
		mu          sync.Mutex
		differences []registrar.Difference
		replied     []registrar.Op
	)
	client, err := newClientWith(cfg, account, registrar.Config{MaxConns: 2, Differs: func(difference registrar.Difference) {
		mu.Lock()
		defer mu.Unlock()
		differences = append(differences, difference)
	}})
	if err != nil {
		r.Say(doctor.Registrar, doctor.Fail, "", "account %s: %v", account.Name, err)
		return
	}
	defer client.Close()
	if authenticates(ctx, r, client, account.Name) {
		replied = append(replied, registrar.OpAuthenticate)
		if answersCheck(ctx, r, client, account.Name, domain) {
			replied = append(replied, registrar.OpCheckBulk)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	r.Contract(account.Name, replied, differences)
}

func authenticates(ctx context.Context, r *doctor.Report, client *registrar.Client, account string) bool {
	begun := time.Now()
	if err := client.Authenticate(ctx); err != nil {
		r.Say(doctor.Registrar, doctor.Fail, remedyOfReply(err, account), "account %s gets no token: %s", account, oneLine(err))
		return false
	}
	r.Say(doctor.Registrar, doctor.OK, "", "account %s gets a token, within %s", account, time.Since(begun).Round(time.Millisecond))
	return true
}

// answersCheck reports whether a WHOIS check was answered with 200, whatever the answer is worth.
func answersCheck(ctx context.Context, r *doctor.Report, client *registrar.Client, account string, domain domainname.Name) bool {
	begun := time.Now()
	reply, err := client.CheckBulk(ctx, []string{domain.ASCII})
	if err != nil {
		r.Say(doctor.Registrar, doctor.Fail, remedyOfReply(err, account), "account %s gets no answer to a WHOIS check: %s", account, oneLine(err))
		return false
	}
	took := time.Since(begun).Round(time.Millisecond)
	answer := matchChecks([]domainname.Name{domain}, reply.Checks)[0]
	if answer.Availability == registrar.Unknown {
		why := answer.Error
		if why == "" {
			why = "it says neither that the domain is available nor that it is taken"
		}
		r.Say(doctor.Registrar, doctor.Fail, "see the lines on its fields; `bulkreg whois "+domain.ASCII+"` asks in another way",
			"account %s gets an answer about %s that cannot be used, within %s: %s", account, domain.ASCII, took, why)
		return true
	}
	r.Say(doctor.Registrar, doctor.OK, "", "account %s is told that %s is %s, within %s", account, domain.ASCII, answer.Availability, took)
	return true
}

// remedyOfReply is what to do about an error of the registrar's, whoever's the fault is.
func remedyOfReply(err error, account string) string {
	var (
		auth *registrar.AuthError
		call *registrar.Error
		said registrar.Answer
	)
	switch {
	case errors.As(err, &auth):
		said = auth.Answer
	case errors.As(err, &call):
		said = call.Answer
	}
	switch {
	case said.Status == http.StatusPaymentRequired:
		return "top up the account, or have direct debit activated for it"
	case said.Status == http.StatusTooManyRequests:
		return "wait; the account asks for too much, or lower REGISTRAR_RATE"
	case said.Status >= http.StatusInternalServerError:
		return "ask the registrar: the fault is there"
	case said.Status/100 == 2:
		return "see that the base URL and the REGISTRAR_PATH_* of the account lead to the registrar's API, and the lines on its fields"
	}
	return remedyOf(err, account)
}

// gettoken looks whether somebody answers where tokens are asked for. It asks for none: that would send somebody's address.
func (d *examination) gettoken(ctx context.Context) {
	cfg, err := config.LoadFor(d.environ, config.UseAll)
	switch {
	case err != nil:
		d.Say(doctor.GetToken, doctor.Skip, "", "not looked at: settings cannot be used")
		return
	case !cfg.Tokens():
		d.Say(doctor.GetToken, doctor.Skip, "", "not looked at: no tokens are issued without PMG_ACCESS_TOKEN and TOKEN_ENCRYPTION_KEY")
		return
	}
	looking, cancel := context.WithTimeout(ctx, doctorTime)
	defer cancel()
	d.Reach(looking, doctor.GetToken, "PMG_TOKEN_URL", cfg.TokenURL, nil)
}
