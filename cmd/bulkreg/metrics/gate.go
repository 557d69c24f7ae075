package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bulkreg/bulkreg/worker/gate"
)

// Gates counts who passes the gates of accounts.
type Gates struct {
	permits *prometheus.CounterVec
	waited  *prometheus.CounterVec
	refused *prometheus.CounterVec
}

// Gates makes what counts at gates.
func (r *Registry) Gates() *Gates {
	g := &Gates{
		permits: counter("gate_permits_total", "Calls that the gate let through.", "account", "class"),
		waited:  counter("gate_wait_seconds_total", "How long calls waited at the gate until they were let through, by what for: a slot, the rate, or a pause that the upstream asked for.", "account", "class", "cause"),
		refused: counter("gate_refusals_total", "Calls that the gate turned away, for a hold or because the worker stops.", "account", "class", "cause"),
	}
	r.prometheus.MustRegister(g.permits, g.waited, g.refused)
	return g
}

// Of is what counts at an account's gate.
func (g *Gates) Of(account string) gate.Meter {
	for _, class := range gate.Classes() {
		g.permits.WithLabelValues(account, class.String())
		for _, cause := range gate.WaitCauses() {
			g.waited.WithLabelValues(account, class.String(), string(cause))
		}
		for _, cause := range gate.RefusalCauses() {
			g.refused.WithLabelValues(account, class.String(), string(cause))
		}
	}
	return gateOf{g, account}
}

type gateOf struct {
	gates   *Gates
	account string
}

// Passed implements gate.Meter.
func (g gateOf) Passed(class gate.Class, cause gate.Cause, waited time.Duration) {
	g.gates.permits.WithLabelValues(g.account, class.String()).Inc()
	if cause != gate.Nothing {
		g.gates.waited.WithLabelValues(g.account, class.String(), string(cause)).Add(max(waited, 0).Seconds())
	}
}

// TurnedAway implements gate.Meter.
func (g gateOf) TurnedAway(class gate.Class, cause gate.Cause) {
	g.gates.refused.WithLabelValues(g.account, class.String(), string(cause)).Inc()
}
