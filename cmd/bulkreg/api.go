package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/metrics"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/traces"
	"github.com/bulkreg/bulkreg/queue/api"
	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/seal"
	"github.com/bulkreg/bulkreg/worker"
)

// apiGrace is what requests under way get when the API is stopped.
const apiGrace = 30 * time.Second

func (a *app) apiCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "api",
		Short: "Serve the HTTP API for order systems, until it is stopped",
		Long: `api serves the HTTP API: order systems give orders, look at them, and follow what happens. GET /docs explains it to people,
and GET /openapi.json to programs. Every request under /v1 needs a key: ` + "`bulkreg keys create`" + ` makes one.

It listens on HTTP_ADDR, with TLS where HTTP_TLS_CERT and HTTP_TLS_KEY name files. Any number may run beside each other, and beside
workers. GET /healthz and /readyz need no key. At METRICS_ADDR it answers GET /metrics, for Prometheus. Ctrl-C or SIGTERM stops it: it takes no more requests, and sees those under way through,
for up to 30 seconds.`,
		Example: `  bulkreg api
  HTTP_ADDR=127.0.0.1:8080 bulkreg api`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.serveAPI(cmd.Context()) },
	}
}

func (a *app) serveAPI(ctx context.Context) (err error) {
	cfg, err := a.loadConfigFor(config.UseStore | config.UseOrders | config.UseAPI)
	if err != nil {
		return err
	}
	if err := cfg.Certificate(); err != nil {
		return usageError(err)
	}
	log, err := a.newLogger(cfg)
	if err != nil {
		return err
	}
	if warning := cfg.TracesWarning(); warning != "" {
		log.Warn().Msg(warning)
	}
	sent := sendTraces(ctx, cfg, "bulkreg-api", log)
	defer sent.Close()
	st, err := openForOrders(ctx, cfg, sent, func(warning string) { log.Warn().Msg(warning) })
	if err != nil {
		return err
	}
	defer st.Close()
	told := metrics.New(version)
	told.Pool(st.Stats)
	port, err := a.openMetrics(ctx, cfg, told, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, port.Close()) }()
	server, err := a.startAPI(ctx, cfg, st, cfg.HTTPAddr, apiWatchers{told, sent}, log)
	if err != nil {
		return err
	}
	if warning := plainAPI(cfg); warning != "" {
		log.Warn().Msg(warning)
	}
	log.Info().Str("addr", server.Addr()).Bool("tls", cfg.HTTPTLSCert != "").Msg("serving the HTTP API")
	select {
	case <-ctx.Done():
		log.Info().Msg("stopping: seeing requests through")
		err = server.Close()
		log.Info().Msg("stopped")
		return err
	case err := <-server.Failed():
		return errors.Join(err, server.Close())
	}
}

// apiWatchers are who want to know how the API fares.
type apiWatchers struct {
	metrics *metrics.Registry
	traces  *traces.Sender // nil: nobody
}

// startAPI serves the API on an address. The caller closes it.
func (a *app) startAPI(ctx context.Context, cfg config.Config, st *store.Store, addr string, watching apiWatchers, log zerolog.Logger) (*api.Server, error) {
	taker, err := intake.New(st.Orders, intake.Chunks{
		Whois: cfg.WhoisBatchSize, Register: cfg.RegisterBatchSize, Token: worker.TokenTuning(cfg.TokenConcurrency).BatchSize,
	})
	if err != nil {
		return nil, err
	}
	suffixes, err := cfg.Suffixes()
	if err != nil {
		return nil, usageError(err)
	}
	var keys seal.Keys
	if cfg.TokenEncryptionKey != "" {
		if keys, err = cfg.SealKeys(); err != nil {
			return nil, usageError(err)
		}
	}
	languages, err := cfg.Languages()
	if err != nil {
		return nil, usageError(err)
	}
	accounts, err := configuredAccounts(cfg)
	if err != nil {
		return nil, err
	}
	networks, err := cfg.WebhookNetworks()
	if err != nil {
		return nil, usageError(err)
	}
	requests := watching.metrics.Door()
	door, err := api.New(api.Options{
		Submitted: a.submitted(), Meter: requests, Traces: watching.traces.Provider(),
		Store: st, Intake: taker.SealingWith(keys), Keys: api.KeysOf(st.Keys, time.Now), Seal: keys, Suffixes: suffixes, Languages: languages,
		Accounts: accounts, OwnNetworks: networks, MaxBody: int64(cfg.HTTPMaxBody) << 20,
		Connections: cfg.DatabaseMaxConns, RequestsPerMinute: cfg.HTTPRequestsPerMinute, Version: version, Log: log.With().Str("role", "api").Logger(),
	})
	if err != nil {
		return nil, err
	}
	requests.Begin(door.Operations())
	server, err := door.Serve(ctx, api.Listen{
		Addr: addr, CertFile: cfg.HTTPTLSCert, KeyFile: cfg.HTTPTLSKey, Read: config.ReadCertificate, Grace: apiGrace, Log: log,
	})
	if err != nil {
		return nil, usageError(fmt.Errorf("HTTP_ADDR: %w", err))
	}
	return server, nil
}

// submitted tells whoever watches the steps of this process that an order is stored and nobody has been told.
func (a *app) submitted() func() {
	if a.reached == nil {
		return nil
	}
	return func() { a.reached(stepSubmitted) }
}

// plainAPI warns of an API that other machines reach without TLS.
func plainAPI(cfg config.Config) string {
	host, _, err := net.SplitHostPort(cfg.HTTPAddr)
	if err != nil || cfg.HTTPTLSCert != "" || host == "localhost" {
		return ""
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.IsLoopback() {
		return ""
	}
	return "the HTTP API speaks plain HTTP on an address that other machines reach: keys and people's details can be read on the way, unless " +
		"something in front of it speaks TLS; set HTTP_TLS_CERT and HTTP_TLS_KEY, or an HTTP_ADDR of this machine alone"
}
