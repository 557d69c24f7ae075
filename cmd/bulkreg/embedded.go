package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/devenv"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/traces"
	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/apikey"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/keys"
	"github.com/bulkreg/bulkreg/store/pgserver"
	"github.com/bulkreg/bulkreg/store/seal"
	"github.com/bulkreg/bulkreg/worker"
	"github.com/bulkreg/bulkreg/worker/probes"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// embedded is all that runs in the process of `bulkreg dev`. What was started last is stopped first: the worker gives
// back and settles while everything that it needs is still there.
type embedded struct {
	environ []string // the settings of everything that runs
	exports []string // those of them that another terminal lacks
	config  config.Config
	store   *store.Store
	sandbox *sandboxServer
	api     string // where the HTTP API is
	health  *probes.Server
	metrics *workerMetrics
	traces  *traces.Sender
	// postgres is nil where the database was given.
	postgres   *pgserver.Server
	redis      redis.UniversalClient
	redisGiven bool

	worker  chan error // what the worker ended with
	closers []func() error
}

// How long the calls of the simulated registrar take.
const (
	devWhoisTime    = 50 * time.Millisecond
	devRegisterTime = 150 * time.Millisecond
)

func (e *embedded) push(closer func() error) { e.closers = append(e.closers, closer) }

// stop ends everything. What start did not get to was not started.
func (e *embedded) stop() error {
	var errs []error
	for _, closer := range slices.Backward(e.closers) {
		errs = append(errs, closer())
	}
	e.closers = nil
	return errors.Join(errs...)
}

func (e *embedded) start(ctx context.Context, a *app, addr string, quiet bool) error {
	e.environ = slices.DeleteFunc(slices.Clone(a.environ), func(entry string) bool {
		// Somebody may have exported those of the real upstreams.
		return strings.HasPrefix(entry, "REGISTRAR_") || strings.HasPrefix(entry, "PMG_")
	})
	if quiet && a.variable("LOG_LEVEL") == "" {
		e.environ = append(e.environ, "LOG_LEVEL=warn")
	}
	given, err := config.Load(e.environ)
	if err != nil {
		return usageError(err)
	}
	if given.DatabaseURL != "" {
		fmt.Fprintln(a.stderr, "Using the Postgres at DATABASE_URL ...")
	} else {
		fmt.Fprintln(a.stderr, "Starting a throwaway Postgres ...")
		if err := e.startPostgres(ctx); err != nil {
			return err
		}
	}
	e.redisGiven = given.RedisURL != ""
	if e.redisGiven {
		fmt.Fprintln(a.stderr, "Using the Redis at REDIS_URL ...")
	} else {
		fmt.Fprintln(a.stderr, "Starting a Redis in memory ...")
		if err := e.startRedis(); err != nil {
			return err
		}
	}
	fmt.Fprintln(a.stderr, "Starting a sandbox that simulates the registrar, and a worker ...")
	if e.sandbox, err = startSandbox(ctx, addr, sandboxOptions(devWhoisTime, devRegisterTime, sandbox.Unlimited, "")); err != nil {
		return err
	}
	e.push(e.sandbox.close)
	e.export(e.sandbox.environ()...)
	if given.TokenEncryptionKey == "" {
		e.export("TOKEN_ENCRYPTION_KEY=" + seal.NewKey())
	}
	if err := e.startHealth(ctx, a.variable("METRICS_ADDR") != ""); err != nil {
		return err
	}
	return e.startWorker(ctx, a)
}

// devSource is whose key dev makes.
const devSource = "shop"

// startAPI serves the HTTP API on a free port of this machine, with a key that may do everything.
func (e *embedded) startAPI(ctx context.Context, a *app) error {
	log, err := a.newLogger(e.config)
	if err != nil {
		return err
	}
	server, err := a.startAPI(ctx, e.config, e.store, "127.0.0.1:0", apiWatchers{e.metrics.registry, e.traces}, log)
	if err != nil {
		return err
	}
	e.push(server.Close)
	e.api = "http://" + server.Addr()
	key, err := apikey.New(rand.Reader)
	if err != nil {
		return err
	}
	err = e.store.Keys.Create(ctx, keys.NewKey{
		ID: key.ID(), Source: devSource, Role: string(apikey.Operate), Digest: key.Digest(), By: "bulkreg dev", Life: devKeyLife,
	})
	if err != nil {
		return err
	}
	e.exports = append(e.exports, "BULKREG_API="+e.api, "BULKREG_KEY="+key.Reveal())
	return nil
}

// devKeyLife is for how long the key of dev is good: the database may be one that stays.
const devKeyLife = 24 * time.Hour

// startHealth answers probes if somebody asked for that. By itself it does not: the port may be taken.
func (e *embedded) startHealth(ctx context.Context, wanted bool) error {
	cfg, err := config.Load(e.environ)
	if err != nil {
		return usageError(err)
	}
	addr := config.Off
	if wanted {
		addr = cfg.MetricsAddr
	}
	if e.metrics, err = measureWorker(cfg, queue.Kinds()); err != nil {
		return err
	}
	if e.health, err = startProbes(ctx, addr, e.metrics.registry.Handler()); err != nil {
		return err
	}
	e.push(e.health.Close)
	client, err := connectRedis(cfg)
	if err != nil {
		return err
	}
	e.redis = client
	e.push(client.Close)
	return nil
}

// export adds settings to those of this process and to those that other terminals need.
func (e *embedded) export(entries ...string) {
	e.environ = append(e.environ, entries...)
	e.exports = append(e.exports, entries...)
}

func (e *embedded) startPostgres(ctx context.Context) error {
	server, err := pgserver.Start(ctx, pgserver.Options{})
	if errors.Is(err, pgserver.ErrNotInstalled) {
		return fmt.Errorf("%w; or set DATABASE_URL to a Postgres that runs already", err)
	}
	if err != nil {
		return err
	}
	e.postgres = server
	e.push(server.Stop)
	e.export("DATABASE_URL=" + server.URL(""))
	return nil
}

func (e *embedded) startRedis() error {
	server, err := devenv.StartRedis()
	if err != nil {
		return err
	}
	e.push(func() error { server.Stop(); return nil })
	e.export("REDIS_URL=" + server.URL())
	return nil
}

// goWorker runs the worker until it is stopped.
func (e *embedded) goWorker(w *worker.Worker) {
	ctx, cancel := context.WithCancel(context.Background())
	e.worker = make(chan error, 1)
	ended := make(chan struct{})
	e.health.Watch(probes.Postgres, askPostgres(e.store))
	e.health.Watch(probes.Redis, askRedis(e.redis))
	e.health.Enter(probes.Working)
	go func() {
		defer close(ended)
		e.worker <- w.Run(ctx)
	}()
	e.push(func() error {
		e.health.Enter(probes.Stopping)
		cancel()
		<-ended
		select {
		case err := <-e.worker:
			return err
		default:
			return nil // wait has told it already
		}
	})
}

// wait waits until ctx ends, which is how it should be, or until something ends by itself.
func (e *embedded) wait(ctx context.Context) error {
	var postgres <-chan struct{}
	if e.postgres != nil {
		postgres = e.postgres.Done()
	}
	select {
	case <-ctx.Done():
		return nil
	case <-postgres:
		return errors.New("the throwaway Postgres ended by itself")
	case <-e.sandbox.ended:
		return errors.New("the sandbox ended by itself")
	case err := <-e.worker:
		return errors.Join(errors.New("the worker ended by itself"), err)
	}
}
