package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/bulkreg/bulkreg/store/pg"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/metrics"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/traces"
	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake/domainname"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/worker"
	"github.com/bulkreg/bulkreg/worker/registrar"
)

// loadConfig reads the settings from the environment. What is wrong with them is the caller's to mend.
func (a *app) loadConfig() (config.Config, error) { return a.loadConfigFor(config.UseAll) }

// loadConfigFor is loadConfig for a command that reads some of the settings alone.
func (a *app) loadConfigFor(use config.Use) (config.Config, error) {
	cfg, err := config.LoadFor(a.environ, use)
	if err != nil {
		return cfg, usageError(err)
	}
	return cfg, nil
}

// extraSuffixes are those of the settings, none where they are wrong: that is told when the settings are needed.
func (a *app) extraSuffixes() domainname.Suffixes {
	cfg, err := config.LoadFor(a.environ, config.UseOrders)
	if err != nil {
		return domainname.Suffixes{}
	}
	suffixes, err := cfg.Suffixes()
	if err != nil {
		return domainname.Suffixes{}
	}
	return suffixes
}

// openStore connects to the database that the settings name, which must have this program's schema. The caller closes it.
func openStore(ctx context.Context, cfg config.Config) (*store.Store, error) {
	return openWith(ctx, cfg, store.Options{})
}

// openReader is openStore for a command that only looks: Postgres refuses it whatever it would write.
func openReader(ctx context.Context, cfg config.Config) (*store.Store, error) {
	return openWith(ctx, cfg, store.Options{Reads: true})
}

func openWith(ctx context.Context, cfg config.Config, o store.Options) (*store.Store, error) {
	url, err := cfg.Database()
	if err != nil {
		return nil, usageError(err)
	}
	o.MaxConns = cfg.DatabaseMaxConns
	st, err := store.Open(ctx, url, o)
	if err != nil {
		return nil, withMigration(err)
	}
	// Who comes first erases what has expired, also where no worker runs. Where nothing can be written now, nothing can be erased,
	// and nothing that has expired is given out either.
	if _, err := st.Tokens.Erase(ctx, erasedAtStart); err != nil && !errors.Is(err, pg.ErrUnavailable) {
		st.Close()
		return nil, err
	}
	return st, nil
}

// withMigration says how an older schema becomes this program's.
func withMigration(err error) error {
	var schema *pg.SchemaError
	if errors.As(err, &schema) && schema.Have < schema.Want {
		return fmt.Errorf("%w: run `bulkreg migrate`", err)
	}
	return err
}

// erasedAtStart bounds how many tokens a command erases before it does what it is there for.
const erasedAtStart = 10_000

// openForOrders is openStore of a database that orders may be entrusted to: one that keeps what it has committed. What is
// allowed there and seldom meant goes to warn. What is asked of it shows in the traces that are sent, if any are.
func openForOrders(ctx context.Context, cfg config.Config, traces *traces.Sender, warn func(string)) (*store.Store, error) {
	st, err := openWith(ctx, cfg, store.Options{Traces: traces.Provider()})
	if err != nil {
		return nil, err
	}
	durability, err := st.Durability(ctx)
	if err == nil {
		err = durability.Refusal()
	}
	if err == nil {
		err = warnUnencrypted(ctx, st, warn)
	}
	if err != nil {
		st.Close()
		return nil, err
	}
	for _, warning := range []string{durability.Warning(), cfg.DatabaseUnverified()} {
		if warning != "" {
			warn(warning)
		}
	}
	return st, nil
}

// warnUnencrypted looks at the connection itself: what an address lets happen need not happen, and names do not tell where they lead.
func warnUnencrypted(ctx context.Context, st *store.Store, warn func(string)) error {
	host, err := st.Unencrypted(ctx)
	if err == nil && config.Outside(host) {
		warn("the connection to Postgres at " + host + " is not encrypted and leads out of the private networks: orders, people's details and the " +
			"password can be read on the way; let the server offer TLS, and add sslmode=verify-full to DATABASE_URL")
	}
	return err
}

// newClient makes the registrar's client of one account, for so many calls at once. The caller closes it.
func newClient(cfg config.Config, account config.Account, calls int) (*registrar.Client, error) {
	return newClientTelling(cfg, account, calls, nil)
}

// newClientTelling is newClient for whoever wants to know of each request for a token.
func newClientTelling(cfg config.Config, account config.Account, calls int, renewed func(error)) (*registrar.Client, error) {
	return newClientWith(cfg, account, registrar.Config{
		MaxConns: calls + 1, // one more for the token
		Renewed:  renewed,
	})
}

// newClientWith fills in what the settings say of a client.
func newClientWith(cfg config.Config, account config.Account, c registrar.Config) (*registrar.Client, error) {
	if cfg.Reveals(account.BaseURL, addressesOf) {
		return nil, usagef("the base URL of account %s %s", account.Name, config.Revealing(account.BaseURL))
	}
	c.BaseURL, c.ClientID, c.ClientSecret = account.BaseURL, account.ClientID, account.ClientSecret
	c.AllowPlaintext, c.Hidden = cfg.RegistrarAllowPlaintext == "1", cfg.Secrets()
	c.Timeout, c.Paths = cfg.UpstreamTimeout, cfg.Paths()
	client, err := registrar.New(c)
	if err != nil {
		return nil, usagef("account %s: %w", account.Name, err)
	}
	return client, nil
}

// addressesOf looks a name up; it finds none if that takes long.
func addressesOf(name string) []netip.Addr {
	ctx, cancel := context.WithTimeout(context.Background(), lookupTime)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	if err != nil {
		return nil
	}
	return found
}

const lookupTime = 2 * time.Second

// clients are those of all accounts.
type clients []interface{ Close() }

func (c clients) close() {
	for _, client := range c {
		client.Close()
	}
}

// connectAccounts makes a client for every account that some kinds of work need, whose requests for tokens are counted. The caller
// closes them.
func connectAccounts(cfg config.Config, kinds []queue.Kind, counts *metrics.Calls) ([]worker.Account, clients, error) {
	var (
		connected  []worker.Account
		opened     clients
		registrars []config.Account
		err        error
	)
	if slices.Contains(kinds, queue.Token) {
		account, client, err := connectTokens(cfg)
		if err != nil {
			return nil, nil, err
		}
		connected, opened = append(connected, account), append(opened, client)
	}
	if slices.ContainsFunc(kinds, func(k queue.Kind) bool { return !k.OfPeople() }) {
		if registrars, err = cfg.Accounts(); err != nil {
			opened.close()
			return nil, nil, usageError(err)
		}
	}
	for _, account := range registrars {
		client, err := newClientTelling(cfg, account, cfg.WhoisConcurrency+cfg.RegisterConcurrency, counts.Renewed(account.Name))
		if err != nil {
			opened.close()
			return nil, nil, fmt.Errorf("connect accounts: %w", err)
		}
		opened = append(opened, client)
		connected = append(connected, worker.Account{Name: account.Name, Upstream: client})
	}
	return connected, opened, nil
}
