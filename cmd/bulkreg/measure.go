package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/metrics"
	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/worker"
	"github.com/bulkreg/bulkreg/worker/probes"
)

// workerMetrics is what a worker's process tells at METRICS_ADDR.
type workerMetrics struct {
	registry *metrics.Registry
	calls    *metrics.Calls
	measures worker.Measures
}

// measureWorker makes the metrics of a worker with these kinds.
func measureWorker(cfg config.Config, kinds []queue.Kind) (*workerMetrics, error) {
	served, err := servedAccounts(cfg, kinds)
	if err != nil {
		return nil, err
	}
	r := metrics.New(version)
	m := &workerMetrics{registry: r, calls: r.Calls(served)}
	m.measures = worker.Measures{Meter: m.calls, Gate: r.Gates().Of, Hooks: r.Hooks(), Figures: r.Figures(served).Set}
	return m, nil
}

// watch has the metrics tell how busy a worker is, and its connections to Postgres.
func (m *workerMetrics) watch(w *worker.Worker, st *store.Store, cfg config.Config) {
	m.registry.Load(w.Load, cfg.RegisterDailyLimit)
	m.registry.Pool(st.Stats)
}

// servedAccounts are the accounts that a worker has, and the kinds that it works on for each.
func servedAccounts(cfg config.Config, kinds []queue.Kind) (map[string][]queue.Kind, error) {
	var names []string
	if slices.ContainsFunc(kinds, func(k queue.Kind) bool { return !k.OfPeople() }) {
		var err error
		if names, err = configuredAccounts(cfg); err != nil {
			return nil, err
		}
	}
	served := map[string][]queue.Kind{}
	for _, kind := range kinds {
		if kind.OfPeople() {
			served[queue.TokenAccount] = append(served[queue.TokenAccount], kind)
			continue
		}
		for _, name := range names {
			served[name] = append(served[name], kind)
		}
	}
	return served, nil
}

// openMetrics tells metrics at METRICS_ADDR, for the API. A worker of this machine may be there already: where nobody has set the
// address, the API goes on without. The caller closes it.
func (a *app) openMetrics(ctx context.Context, cfg config.Config, told *metrics.Registry, log zerolog.Logger) (*probes.Port, error) {
	if cfg.MetricsAddr == config.Off {
		return nil, nil //nolint:nilnil // nowhere
	}
	mux := http.NewServeMux()
	probes.Alive(mux, told.Handler())
	port, err := probes.Open(ctx, cfg.MetricsAddr, mux)
	switch {
	case err == nil:
		log.Info().Str("metrics_addr", port.Addr()).Msg("answering /metrics")
	case a.variable("METRICS_ADDR") == "":
		log.Warn().Err(err).Msg("the metrics of the HTTP API are told nowhere; set METRICS_ADDR")
		return nil, nil //nolint:nilnil // nowhere
	default:
		return nil, fmt.Errorf("METRICS_ADDR: %w (give another address, or %s)", err, config.Off)
	}
	return port, nil
}
