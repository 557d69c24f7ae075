package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/bulkreg/bulkreg/worker"
)

// load tells how busy a worker is when it is asked.
type load struct {
	read func() worker.Load

	slots, busy, waiting, window, tasks, backlog, dispatched, limit *prometheus.Desc
	dailyLimit                                                      int
}

// Load has a registry tell how busy a worker is, and how many registrations its accounts may have in a day, 0 for any number.
func (r *Registry) Load(read func() worker.Load, dailyLimit int) {
	r.prometheus.MustRegister(&load{
		read: read, dailyLimit: dailyLimit,
		slots:      describe("gate_slots", "Calls that may be in flight at a time: paid ones, and all others.", "account", "pool"),
		busy:       describe("gate_calls_in_flight", "Calls in flight.", "account", "pool"),
		waiting:    describe("gate_waiting", "Calls that wait at the gate.", "account", "class"),
		window:     describe("dispatcher_window_tasks", "Tasks that may wait in Redis.", "account", "kind", "lane"),
		tasks:      describe("dispatcher_waiting_tasks", "Tasks that waited in Redis when this worker last looked; 0 where nothing more is to be delivered.", "account", "kind", "lane"),
		backlog:    describe("worker_waiting_jobs", "Jobs that wait in this worker for a call.", "account", "kind"),
		dispatched: describe("dispatcher_last_round_timestamp_seconds", "When this worker last looked for work without a failure, in seconds since 1970."),
		limit:      describe("registrations_daily_limit", "REGISTER_DAILY_LIMIT, 0 for none."),
	})
}

// Describe implements prometheus.Collector.
func (l *load) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{l.slots, l.busy, l.waiting, l.window, l.tasks, l.backlog, l.dispatched, l.limit} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (l *load) Collect(to chan<- prometheus.Metric) {
	now := l.read()
	for _, g := range now.Gates {
		for pool, p := range g.Pools {
			to <- gauge(l.slots, float64(p.Slots), g.Account, pool.String())
			to <- gauge(l.busy, float64(p.Busy), g.Account, pool.String())
		}
		for class, n := range g.Waiting {
			to <- gauge(l.waiting, float64(n), g.Account, class.String())
		}
	}
	backlogs := map[[2]string]int{} // of both lanes
	for _, route := range now.Routes {
		labels := []string{route.Account, string(route.Kind), string(route.Lane)}
		to <- gauge(l.window, float64(route.Window), labels...)
		to <- gauge(l.tasks, float64(route.Tasks), labels...)
		backlogs[[2]string{route.Account, string(route.Kind)}] = route.Backlog
	}
	for of, n := range backlogs {
		to <- gauge(l.backlog, float64(n), of[0], of[1])
	}
	seconds := 0.0
	if !now.Dispatched.IsZero() {
		seconds = float64(now.Dispatched.UnixMilli()) / 1000
	}
	to <- gauge(l.dispatched, seconds)
	to <- gauge(l.limit, float64(l.dailyLimit))
}
