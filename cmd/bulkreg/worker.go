package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/traces"
	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/seal"
	"github.com/bulkreg/bulkreg/worker"
	"github.com/bulkreg/bulkreg/worker/probes"
)

func (a *app) workerCommand() *cobra.Command {
	var names []string
	cmd := &cobra.Command{
		Use:   "worker",
		Short: "Work on what was ordered, until it is stopped",
		Long: `Work on what was ordered: deliver jobs, call the registrar in bulk, and write down what came of it.

Any number of workers may run. One whose Postgres or Redis is away, or whose database is not migrated yet, waits for it. At
METRICS_ADDR it answers GET /healthz, GET /readyz with 200 while it works and both take writes, and GET /metrics, for
Prometheus.

Ctrl-C, SIGTERM or SIGHUP stops one in an orderly way: it gives back what it has not sent and
sees the calls in flight through, which takes up to twice UPSTREAM_TIMEOUT and 15 seconds.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			kinds, err := parseKinds(names)
			if err != nil {
				return err
			}
			return a.work(cmd.Context(), kinds, !cmd.Flags().Changed("kinds"))
		},
	}
	cmd.Flags().StringSliceVar(&names, "kinds", []string{"whois", "register"}, "the `kinds` of jobs to work on; by default also token, where PMG_ACCESS_TOKEN and TOKEN_ENCRYPTION_KEY are set")
	return cmd
}

// usualKinds are those that a worker works on unless it is told otherwise: tokens only where there is something to ask for them with.
func usualKinds(cfg config.Config) []queue.Kind {
	kinds := []queue.Kind{queue.Whois, queue.Register}
	if cfg.Tokens() {
		kinds = append(kinds, queue.Token)
	}
	return kinds
}

// parseKinds reads the kinds that a worker can work on.
func parseKinds(names []string) ([]queue.Kind, error) {
	var kinds []queue.Kind
	for _, name := range names {
		kind := queue.Kind(strings.TrimSpace(name))
		if _, err := queue.ParseKind(string(kind)); err != nil {
			return nil, usagef("--kinds: a worker cannot work on %q: one or more of whois, register and token", name)
		}
		if !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	if len(kinds) == 0 {
		return nil, usagef("--kinds is empty: give one or more of whois, register and token")
	}
	return kinds, nil
}

func (a *app) work(ctx context.Context, kinds []queue.Kind, usual bool) (err error) {
	cfg, err := a.loadConfig()
	if err != nil {
		return err
	}
	if usual {
		kinds = usualKinds(cfg)
	}
	if err := lacking(cfg, kinds); err != nil {
		return usageError(err)
	}
	log, err := a.newLogger(cfg)
	if err != nil {
		return err
	}
	told, err := measureWorker(cfg, kinds)
	if err != nil {
		return err
	}
	accounts, opened, err := connectAccounts(cfg, kinds, told.calls)
	if err != nil {
		return err
	}
	defer opened.close()
	health, err := startProbes(ctx, cfg.MetricsAddr, told.registry.Handler())
	if err != nil {
		return err
	}
	// Probes are answered to the end: a worker that sees calls through is alive, and not ready.
	defer func() { err = errors.Join(err, health.Close()) }()
	defer context.AfterFunc(ctx, func() { health.Enter(probes.Stopping) })()
	if health.Addr() != "" {
		log.Info().Str("addr", health.Addr()).Msg("answering /healthz, /readyz and /metrics")
	}
	for _, warning := range cfg.Warnings() {
		log.Warn().Msg(warning)
	}
	client, err := connectRedis(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	sent := sendTraces(ctx, cfg, "bulkreg-worker", log)
	defer sent.Close()
	st, err := standBy(ctx, cfg, client, sent, health, log)
	if err != nil {
		if ctx.Err() != nil {
			log.Info().Msg("stopped; it had not begun")
			return nil
		}
		return err
	}
	defer st.Close()
	w, err := a.newWorker(cfg, st, accounts, kinds, watchers{health, told, sent}, log)
	if err != nil {
		return err
	}
	health.Enter(probes.Working)
	return w.Run(ctx)
}

// lacking is everything that a worker on some kinds needs and the settings do not have, nil if they have it all.
func lacking(cfg config.Config, kinds []queue.Kind) error {
	_, database := cfg.Database()
	_, redis := cfg.Redis()
	var accounts, access, key error
	if slices.ContainsFunc(kinds, func(k queue.Kind) bool { return !k.OfPeople() }) {
		_, accounts = cfg.Accounts()
	}
	if slices.Contains(kinds, queue.Token) {
		_, access = cfg.Access()
		_, key = cfg.SealKeys()
	}
	return errors.Join(database, redis, accounts, access, key)
}

// watchers are who want to know how a worker fares.
type watchers struct {
	health  *probes.Server
	metrics *workerMetrics
	traces  *traces.Sender // nil: nobody
}

func (a *app) newWorker(cfg config.Config, st *store.Store, accounts []worker.Account, kinds []queue.Kind, watching watchers, log zerolog.Logger) (*worker.Worker, error) {
	redisURL, err := cfg.Redis()
	if err != nil {
		return nil, usageError(err)
	}
	for i := range accounts {
		if accounts[i].Upstream != nil {
			accounts[i].Upstream = watchSending(accounts[i].Upstream, a.reached)
		}
	}
	keys, err := cfg.Keys()
	if err != nil {
		return nil, err
	}
	if !keys.Empty() {
		log.Info().Int("sources", keys.Sources()).Msg("producers' chunks must be signed")
	}
	suffixes, err := cfg.Suffixes()
	if err != nil {
		return nil, usageError(err)
	}
	languages, err := cfg.Languages()
	if err != nil {
		return nil, usageError(err)
	}
	var sealing seal.Keys
	if slices.Contains(kinds, queue.Token) || cfg.TokenEncryptionKey != "" {
		if sealing, err = cfg.SealKeys(); err != nil {
			return nil, usageError(err)
		}
	}
	networks, err := cfg.WebhookNetworks()
	if err != nil {
		return nil, usageError(err)
	}
	w, err := worker.New(worker.Options{
		Token: worker.TokenTuning(cfg.TokenConcurrency), Seal: sealing, Languages: languages,
		ProducerKeys: keys, Store: st, RedisURL: redisURL, Accounts: accounts, Kinds: kinds,
		Whois: worker.Tuning{
			BatchSize: cfg.WhoisBatchSize, Linger: cfg.WhoisLinger, Concurrency: cfg.WhoisConcurrency,
		},
		Register: worker.Tuning{
			BatchSize: cfg.RegisterBatchSize, Linger: cfg.RegisterLinger, Concurrency: cfg.RegisterConcurrency,
		},
		UpstreamTimeout: cfg.UpstreamTimeout,
		ReconcileAfter:  cfg.ReconcileAfter, ReconcileEvery: cfg.ReconcileEvery, ReconcileChecks: cfg.ReconcileChecks,
		RetryBase: cfg.RetryBase, RetryMax: cfg.RetryMax, MaxAttempts: cfg.MaxAttempts,
		KeepEvents: cfg.RetentionEvents, KeepWhois: cfg.RetentionWhois, KeepTokens: cfg.RetentionToken,
		DailyLimit: cfg.RegisterDailyLimit, HoldInterval: cfg.PaymentProbeInterval, Rate: cfg.RegistrarRate, Suffixes: suffixes,
		Networks: networks, Version: version,
		Traces: watching.traces.Provider(), Log: log, Reached: a.reached, Troubled: watching.health.Trouble, Measures: watching.metrics.measures,
	})
	if err == nil {
		watching.metrics.watch(w, st, cfg)
	}
	return w, err
}
