package main

import (
	"context"
	"net/http"
	"slices"

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

// serveMetrics tells metrics at an address, for a process that is no worker. The caller closes it.
func serveMetrics(ctx context.Context, addr string, r *metrics.Registry) (*probes.Port, error) {
	if addr == config.Off {
		addr = ""
	}
	mux := http.NewServeMux()
	probes.Alive(mux, r.Handler())
	return probes.Open(ctx, addr, mux)
}
