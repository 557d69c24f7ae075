package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bulkreg/bulkreg/worker/webhook"
)

// Hooks counts what becomes of webhooks. It is a webhook.Meter.
type Hooks struct {
	tried   *prometheus.CounterVec
	seconds prometheus.Histogram
}

// Hooks makes what counts deliveries.
func (r *Registry) Hooks() *Hooks {
	h := &Hooks{
		tried:   counter("webhook_deliveries_total", "Attempts to deliver a message to a webhook, by what came of it.", "result"),
		seconds: prometheus.NewHistogram(durations("webhook_delivery_duration_seconds", "How long attempts to deliver took.")),
	}
	for _, result := range webhook.Results() {
		h.tried.WithLabelValues(string(result))
	}
	r.prometheus.MustRegister(h.tried, h.seconds)
	return h
}

// Tried implements webhook.Meter.
func (h *Hooks) Tried(result webhook.Result, took time.Duration) {
	h.tried.WithLabelValues(string(result)).Inc()
	h.seconds.Observe(took.Seconds())
}
