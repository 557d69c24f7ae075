package metrics

import (
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store/record"
	"github.com/bulkreg/bulkreg/worker/upstream"
)

// Calls counts what a worker does with jobs. It is a worker.Meter.
type Calls struct {
	calls    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	jobs     *prometheus.CounterVec
	fill     *prometheus.HistogramVec
	settled  *prometheus.CounterVec
	attempts *prometheus.CounterVec
	renewed  *prometheus.CounterVec
}

// Calls makes what counts the calls of accounts, each with the kinds that it serves.
func (r *Registry) Calls(served map[string][]queue.Kind) *Calls {
	c := &Calls{
		calls:   counter("calls_total", "Calls to the upstream that ended, by the HTTP status of the answer; none: sent and not answered; unsent: nothing left this machine.", "account", "op", "status"),
		seconds: prometheus.NewHistogramVec(durations("call_duration_seconds", "How long calls to the upstream took, a wait for a token included."), []string{"account", "op"}),
		jobs:    counter("call_jobs_total", "Jobs that calls to the upstream were about.", "account", "op"),
		fill: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "batch_fill_ratio", Help: "How full batches were, as a part of the batch size.",
			Buckets: []float64{.05, .1, .25, .5, .75, .9, 1}, NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100,
		}, []string{"account", "kind"}),
		settled:  counter("settled_jobs_total", "Jobs of which it was written down what came of them, once for each call.", "account", "kind"),
		attempts: counter("attempts_total", "Registrations in paid calls, by how they fared; unknown: nobody knows whether they were paid for.", "account", "state"),
		renewed:  counter("token_refreshes_total", "Requests for an access token of the registrar's.", "account", "result"),
	}
	r.prometheus.MustRegister(c.calls, c.seconds, c.jobs, c.fill, c.settled, c.attempts, c.renewed)
	for account, kinds := range served {
		c.begin(account, kinds)
	}
	return c
}

// begin makes every series of an account, so that the first of each is not missed.
func (c *Calls) begin(account string, kinds []queue.Kind) {
	for _, kind := range kinds {
		c.fill.WithLabelValues(account, string(kind))
		c.settled.WithLabelValues(account, string(kind))
		for _, op := range opsOf(kind) {
			for _, status := range statuses() {
				c.calls.WithLabelValues(account, string(op), status)
			}
			c.seconds.WithLabelValues(account, string(op))
			c.jobs.WithLabelValues(account, string(op))
		}
		if !kind.OfPeople() {
			c.renewed.WithLabelValues(account, renewedOK)
			c.renewed.WithLabelValues(account, renewedFailed)
		}
	}
	for _, state := range attemptStates() {
		if slices.Contains(kinds, queue.Register) {
			c.attempts.WithLabelValues(account, string(state))
		}
	}
}

// opsOf are the calls that jobs of a kind make.
func opsOf(kind queue.Kind) []record.Op {
	return map[queue.Kind][]record.Op{
		queue.Whois:    {record.OpWhois},
		queue.Register: {record.OpCheck, record.OpHolder, record.OpRegister},
		queue.Token:    {record.OpToken},
	}[kind]
}

// attemptStates are those that a paid call leaves registrations in.
func attemptStates() []record.AttemptState {
	return []record.AttemptState{record.AttemptRegistered, record.AttemptFailed, record.AttemptRefused, record.AttemptNotSent, record.AttemptUnknown}
}

// What is told instead of a status.
const (
	noAnswer = "none"   // the request was sent
	unsent   = "unsent" // nothing of it left this machine
	other    = "other"  // a status that nobody expects
)

const (
	renewedOK     = "ok"
	renewedFailed = "failed"
)

// statuses are all that calls are told apart by: what the registrar's documents name, and what proxies say.
func statuses() []string {
	return []string{"200", "201", "202", "204", "400", "401", "402", "404", "405", "422", "429", "500", "502", "503", "504", other, noAnswer, unsent}
}

func statusOf(a upstream.Answer) string {
	switch {
	case a.Status == 0 && a.Sent:
		return noAnswer
	case a.Status == 0:
		return unsent
	}
	if status := strconv.Itoa(a.Status); slices.Contains(statuses(), status) {
		return status
	}
	return other
}

// Called implements worker.Meter.
func (c *Calls) Called(account string, op record.Op, jobs int, a upstream.Answer) {
	c.calls.WithLabelValues(account, string(op), statusOf(a)).Inc()
	c.seconds.WithLabelValues(account, string(op)).Observe(a.Duration.Seconds())
	c.jobs.WithLabelValues(account, string(op)).Add(float64(jobs))
}

// Claimed implements worker.Meter.
func (c *Calls) Claimed(account string, kind record.Kind, jobs, most int) {
	c.fill.WithLabelValues(account, string(kind)).Observe(float64(jobs) / float64(most))
}

// Settled implements worker.Meter.
func (c *Calls) Settled(account string, kind record.Kind, jobs int) {
	c.settled.WithLabelValues(account, string(kind)).Add(float64(max(jobs, 0)))
}

// Attempted implements worker.Meter.
func (c *Calls) Attempted(account string, how record.AttemptState, jobs int) {
	c.attempts.WithLabelValues(account, string(how)).Add(float64(jobs))
}

// Renewed counts the requests for tokens of an account. Nil counts none.
func (c *Calls) Renewed(account string) func(error) {
	if c == nil {
		return nil
	}
	return func(err error) {
		result := renewedOK
		if err != nil {
			result = renewedFailed
		}
		c.renewed.WithLabelValues(account, result).Inc()
	}
}
