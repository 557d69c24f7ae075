package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Door counts the requests of the HTTP API. It is an api.Meter.
type Door struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

// Door makes what counts the requests of the HTTP API.
func (r *Registry) Door() *Door {
	d := &Door{
		requests: counter("api_requests_total", "Requests to the HTTP API, by the class of the status that they were answered with.", "operation", "status"),
		seconds:  prometheus.NewHistogramVec(durations("api_request_duration_seconds", "How long requests to the HTTP API took, streams and waits for events as well."), []string{"operation"}),
	}
	r.prometheus.MustRegister(d.requests, d.seconds)
	return d
}

// classes are the classes of statuses. A request without one was broken off.
func classes() []string { return []string{"2xx", "3xx", "4xx", "5xx", noAnswer} }

// Begin makes every series of these operations.
func (d *Door) Begin(operations []string) {
	for _, operation := range operations {
		for _, class := range classes() {
			d.requests.WithLabelValues(operation, class)
		}
		d.seconds.WithLabelValues(operation)
	}
}

// Requested implements api.Meter.
func (d *Door) Requested(operation string, status int, took time.Duration) {
	class := noAnswer
	if status >= 200 && status < 600 {
		class = strconv.Itoa(status/100) + "xx"
	}
	d.requests.WithLabelValues(operation, class).Inc()
	d.seconds.WithLabelValues(operation).Observe(took.Seconds())
}
