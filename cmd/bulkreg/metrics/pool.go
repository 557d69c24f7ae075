package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/bulkreg/bulkreg/store/pg"
)

// pool tells how the connections to Postgres fare when it is asked.
type pool struct {
	read func() pg.PoolStats

	connections, most, acquired, waited, seconds, canceled *prometheus.Desc
}

// Pool has a registry tell how connections to Postgres fare.
func (r *Registry) Pool(read func() pg.PoolStats) {
	r.prometheus.MustRegister(&pool{
		read:        read,
		connections: describe("postgres_pool_connections", "Connections to Postgres of this process.", "state"),
		most:        describe("postgres_pool_max_connections", "DATABASE_MAX_CONNS."),
		acquired:    describe("postgres_pool_acquires_total", "How often a connection was taken from the pool."),
		waited:      describe("postgres_pool_waits_total", "How often none was idle then."),
		seconds:     describe("postgres_pool_wait_seconds_total", "How long was waited for one then."),
		canceled:    describe("postgres_pool_canceled_acquires_total", "How often somebody gave up waiting."),
	})
}

// Describe implements prometheus.Collector.
func (p *pool) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{p.connections, p.most, p.acquired, p.waited, p.seconds, p.canceled} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (p *pool) Collect(to chan<- prometheus.Metric) {
	now := p.read()
	to <- gauge(p.connections, float64(now.Idle), "idle")
	to <- gauge(p.connections, float64(now.Used), "used")
	to <- gauge(p.connections, float64(now.Opening), "opening")
	to <- gauge(p.most, float64(now.Most))
	for d, n := range map[*prometheus.Desc]float64{
		p.acquired: float64(now.Acquired), p.waited: float64(now.Waited), p.seconds: now.WaitTime.Seconds(), p.canceled: float64(now.Canceled),
	} {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, n)
	}
}
