package config

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/ownfile"
	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store/session"
	"github.com/bulkreg/bulkreg/worker"
	"github.com/bulkreg/bulkreg/worker/registrar"
)

// graceMargin is what is suggested on top of the time that a worker takes to stop.
const graceMargin = 15 * time.Second

// relations checks settings against each other, where all of them could be read.
func (p *problems) relations(c Config, read func(variables ...string) bool) {
	if read("RETRY_BASE", "RETRY_MAX") && c.RetryBase > c.RetryMax {
		p.add("RETRY_BASE=%s is longer than RETRY_MAX=%s: lower the first or raise the second", c.RetryBase, c.RetryMax)
	}
	drain := worker.DrainTime(c.UpstreamTimeout)
	if read("UPSTREAM_TIMEOUT", "TERMINATION_GRACE_PERIOD") && c.TerminationGracePeriod <= drain {
		p.add("TERMINATION_GRACE_PERIOD=%s is too short: with UPSTREAM_TIMEOUT=%s a worker takes up to %s to stop; give more, "+
			"such as %s (and Kubernetes' terminationGracePeriodSeconds the same), or lower UPSTREAM_TIMEOUT",
			c.TerminationGracePeriod, c.UpstreamTimeout, drain, drain+graceMargin)
	}
}

// addresses checks what must have a certain form. Those that may hold passwords are not quoted.
func (p *problems) addresses(c Config) {
	if c.DatabaseURL != "" {
		_, err := session.Config(string(c.DatabaseURL), session.Use{})
		if err == nil {
			err = foreignLink(string(c.DatabaseURL))
		}
		var refused *session.RefusedError
		switch {
		case errors.As(err, &refused):
			p.addOf("DATABASE_URL", refused.Error())
		case err != nil:
			p.add("DATABASE_URL is no Postgres address: write it as %s", exampleOf("DATABASE_URL"))
		}
	}
	if c.RedisURL != "" {
		var bad *queue.RedisURLError
		if _, err := queue.ParseRedisURL(string(c.RedisURL)); errors.As(err, &bad) {
			p.add("REDIS_URL is no Redis address that can be used: %s", bad.Reason)
		}
	}
	if _, err := c.Keys(); err != nil {
		p.add("%v", err)
	}
	if _, err := c.Suffixes(); err != nil {
		p.add("%v", err)
	}
	p.tokens(c)
	if _, err := c.WebhookNetworks(); err != nil {
		p.add("%v", err)
	}
	if !Listenable(c.MetricsAddr) {
		p.add("METRICS_ADDR=%s is no address to listen on: give :9090 for every interface, one as in %s, or %s",
			shown(c.MetricsAddr), exampleOf("METRICS_ADDR"), Off)
	}
	if !Listenable(c.HTTPAddr) || c.HTTPAddr == Off {
		p.add("HTTP_ADDR=%s is no address to listen on: give %s for every interface, or one as in 127.0.0.1%s",
			shown(c.HTTPAddr), exampleOf("HTTP_ADDR"), exampleOf("HTTP_ADDR"))
	}
	if (c.HTTPTLSCert == "") != (c.HTTPTLSKey == "") {
		p.add("HTTP_TLS_CERT and HTTP_TLS_KEY belong together: set both, or neither")
	}
	p.client("REGISTRAR_CLIENT_ID", registrar.Config{ClientID: c.RegistrarClientID})
	p.client("REGISTRAR_CLIENT_SECRET", registrar.Config{ClientSecret: c.RegistrarClientSecret})
	p.client("REGISTRAR_BASE_URL", registrar.Config{BaseURL: c.RegistrarBaseURL})
	p.plaintext("REGISTRAR_BASE_URL", c.RegistrarBaseURL, c)
	for _, one := range []struct {
		variable string
		paths    registrar.Paths
	}{
		{"REGISTRAR_PATH_AUTHENTICATE", registrar.Paths{Authenticate: c.RegistrarPathAuthenticate}},
		{"REGISTRAR_PATH_CHECK", registrar.Paths{Check: c.RegistrarPathCheck}},
		{"REGISTRAR_PATH_CHECK_BULK", registrar.Paths{CheckBulk: c.RegistrarPathCheckBulk}},
		{"REGISTRAR_PATH_REGISTER", registrar.Paths{Register: c.RegistrarPathRegister}},
		{"REGISTRAR_PATH_REGISTER_BULK", registrar.Paths{RegisterBulk: c.RegistrarPathRegisterBulk}},
		{"REGISTRAR_PATH_HOLDER", registrar.Paths{Holder: c.RegistrarPathHolder}},
		{"REGISTRAR_PATH_HOLDER_BY_ID", registrar.Paths{HolderByID: c.RegistrarPathHolderByID}},
	} {
		p.client(one.variable, registrar.Config{Paths: one.paths})
	}
}

// foreignLink refuses an address that leads to a file behind a link of somebody else's, with a *session.RefusedError.
func foreignLink(address string) error {
	for _, file := range session.Files(address) {
		var link *ownfile.LinkError
		if _, err := ownfile.Resolve(file.Path, ownfile.ToRead); errors.As(err, &link) {
			return file.Refused("is not read: " + link.Error())
		}
	}
	return nil
}

// Listenable says whether an address has the form host:port, where the host may be missing, or is Off.
func Listenable(addr string) bool {
	if addr == Off {
		return true
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && strconv.FormatUint(n, 10) == port
}

// client lets the registrar's client judge one setting of its own; what is left empty counts as good.
func (p *problems) client(variable string, one registrar.Config) {
	if one.BaseURL == "" {
		one.BaseURL = "https://registrar.invalid"
	}
	if one.ClientID == "" {
		one.ClientID = "id"
	}
	if one.ClientSecret == "" {
		one.ClientSecret = "secret"
	}
	client, err := registrar.New(one)
	if err == nil {
		client.Close()
		return
	}
	if cause := errors.Unwrap(err); cause != nil {
		err = cause
	}
	p.add("%s: %s", variable, strings.ReplaceAll(err.Error(), "\n", "; "))
}

// Warnings are settings that are allowed and seldom meant.
func (c Config) Warnings() []string {
	var warnings []string
	warn := func(format string, args ...any) { warnings = append(warnings, fmt.Sprintf(format, args...)) }
	for _, variable := range c.strays {
		warn("%s is no setting of this version: `bulkreg config` lists them", variable)
	}
	if c.ReconcileAfter < time.Minute {
		warn("RECONCILE_AFTER=%s is short: where WHOIS lags longer than that behind a registration, a domain whose "+
			"registration was not answered may be paid for twice", c.ReconcileAfter)
	}
	if c.PaymentProbeInterval < c.UpstreamTimeout {
		warn("PAYMENT_PROBE_INTERVAL=%s is shorter than UPSTREAM_TIMEOUT=%s: an account that cannot pay is tried more often "+
			"than a call may take", c.PaymentProbeInterval, c.UpstreamTimeout)
	}
	if c.hasAccess() && c.TokenEncryptionKey == "" {
		warn("PMG_ACCESS_TOKEN is set and TOKEN_ENCRYPTION_KEY is not: a worker works on no tokens; make a key with `openssl rand -base64 32`")
	}
	for _, warning := range []string{c.redisWarning(), c.TracesWarning()} {
		if warning != "" {
			warnings = append(warnings, warning)
		}
	}
	return warnings
}

func exampleOf(variable string) string {
	for _, f := range Fields() {
		if f.Variable == variable {
			return f.example
		}
	}
	return ""
}

// The tags are constants of this program, and a test reads all of them.

func mustInt(tag string) int {
	n, err := strconv.Atoi(tag)
	if err != nil {
		panic(fmt.Sprintf("config: tag %q is no number", tag))
	}
	return n
}

func mustDuration(tag string) time.Duration {
	d, err := time.ParseDuration(tag)
	if err != nil {
		panic(fmt.Sprintf("config: tag %q is no duration", tag))
	}
	return d
}
