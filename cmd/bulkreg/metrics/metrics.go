// Package metrics counts and measures what a process does, and tells it as Prometheus reads it.
//
// Nothing that it tells names a domain, an order, a source, a key or a person: labels are accounts, kinds, operations and other words
// of ours, each from a list. deploy/METRICS.md explains every metric. Nothing that it is told may make it block or ask anybody:
// a scrape reads memory alone.
package metrics

import (
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// namespace begins the name of every metric of ours.
const namespace = "bulkreg"

// Registry is all that one process tells.
type Registry struct {
	prometheus *prometheus.Registry
}

// New makes a registry that knows the process, Go and the version.
func New(version string) *Registry {
	r := &Registry{prometheus: prometheus.NewRegistry()}
	built := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "Always 1; the labels say which program this is.",
	}, []string{"version", "goversion"})
	built.WithLabelValues(version, runtime.Version()).Set(1)
	r.prometheus.MustRegister(built, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// scrapesAtOnce bounds those who read at a time. More are answered with 503.
const scrapesAtOnce = 4

// Handler answers GET /metrics.
func (r *Registry) Handler() http.Handler {
	return promhttp.HandlerFor(r.prometheus, promhttp.HandlerOpts{EnableOpenMetrics: true, MaxRequestsInFlight: scrapesAtOnce})
}

// buckets are those of durations for whoever reads no native histograms, from 5 ms to a minute: UPSTREAM_TIMEOUT is 30 s.
func buckets() []float64 { return []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60} }

// durations describes a histogram of durations: native, and with buckets for whoever reads none of these.
func durations(name, help string) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help, Buckets: buckets(),
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
	}
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

// describe describes a metric whose value is read when it is asked for.
func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

// gauge is a value of a described metric.
func gauge(d *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}
