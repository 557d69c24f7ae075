package metrics

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store/fleet"
	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"
	"github.com/bulkreg/bulkreg/worker"
	"github.com/bulkreg/bulkreg/worker/gate"
	"github.com/bulkreg/bulkreg/worker/upstream"
	"github.com/bulkreg/bulkreg/worker/webhook"
)

// Whoever is measured says what it wants to be told to.
var (
	_ worker.Meter  = (*Calls)(nil)
	_ gate.Meter    = gateOf{}
	_ webhook.Meter = (*Hooks)(nil)
)

// filled is a registry of a worker with so many accounts, after some work, and its figures.
func filled(accounts int) (*Registry, *Figures) {
	r := New("v1")
	served := map[string][]queue.Kind{}
	figures := fleet.Figures{}
	load := worker.Load{}
	for i := range accounts {
		name := fmt.Sprint("account-", i)
		served[name] = []queue.Kind{queue.Whois, queue.Register}
		figures.Accounts = append(figures.Accounts, name)
		load.Gates = append(load.Gates, worker.GateLoad{Account: name, Pools: map[gate.Pool]worker.PoolLoad{gate.PaidSlots: {Slots: 2}}, Waiting: map[gate.Class]int{gate.Paid: 1}})
	}
	calls, gates, hooks := r.Calls(served), r.Gates(), r.Hooks()
	for name := range served {
		g := gates.Of(name)
		for n := range 1000 {
			took := time.Duration(n) * time.Millisecond
			g.Passed(gate.Paid, gate.Slot, took)
			calls.Called(name, record.OpRegister, 50, upstream.Answer{Status: 200, Sent: true, Duration: took})
			calls.Called(name, record.OpWhois, 100, upstream.Answer{Status: 200, Sent: true, Duration: took})
			calls.Claimed(name, record.Register, n%50+1, 50)
		}
	}
	hooks.Tried(webhook.Delivered, time.Second)
	r.Load(func() worker.Load { return load }, 0)
	r.Pool(func() pg.PoolStats { return pg.PoolStats{Most: 20} })
	f := r.Figures(served)
	f.Set(&figures)
	return r, f
}

// told is what a registry tells.
func told(tb testing.TB, r *Registry, accept string) string {
	tb.Helper()
	request := httptest.NewRequestWithContext(tb.Context(), http.MethodGet, "/metrics", nil)
	request.Header.Set("Accept", accept)
	answer := httptest.NewRecorder()
	r.Handler().ServeHTTP(answer, request)
	if answer.Code != http.StatusOK {
		tb.Fatalf("%d: %s", answer.Code, answer.Body)
	}
	return answer.Body.String()
}

// Statuses are told apart as far as they are expected, and what was not answered by whether it was sent.
func TestStatuses(t *testing.T) {
	t.Parallel()
	for want, a := range map[string]upstream.Answer{
		"200": {Status: 200, Sent: true}, "422": {Status: 422, Sent: true}, other: {Status: 599, Sent: true}, noAnswer: {Sent: true}, unsent: {},
	} {
		if got := statusOf(a); got != want || !slices.Contains(statuses(), got) {
			t.Errorf("%+v: %s, want %s", a, got, want)
		}
	}
}

// Figures are told by who has them, as long as they are new, and name no account that no worker has.
func TestFigures(t *testing.T) {
	t.Parallel()
	r, f := filled(1)
	now := time.Now()
	f.clock = func() time.Time { return now }
	f.Set(&fleet.Figures{
		Accounts: []string{"account-0", "without-work"},
		Totals:   []fleet.Total{{Kind: record.Register, Account: "jan@example.nl", State: record.Succeeded, Outcome: record.Registered, N: 3}},
		Queued:   []fleet.Line{{Kind: record.Whois, Account: "account-0", N: 7}},
		Holds:    []fleet.HoldFigure{{Account: "account-0", Reason: holds.Payment, Age: time.Minute}},
	})
	text := told(t, r, "")
	for _, line := range []string{
		`bulkreg_job_outcomes{account="(other)",kind="register",outcome="registered"} 3`,
		`bulkreg_jobs{account="account-0",kind="whois",state="queued"} 7`,
		`bulkreg_jobs{account="account-0",kind="whois",state="running"} 0`,
		`bulkreg_hold_age_seconds{account="account-0",reason="payment"} 60`,
		`bulkreg_holds{account="without-work",reason="auth"} 0`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("it does not tell %s", line)
		}
	}
	if strings.Contains(text, "jan@") {
		t.Error("it tells an account that a producer made up")
	}
	now = now.Add(figuresLast + time.Second)
	if strings.Contains(told(t, r, ""), "bulkreg_jobs{") {
		t.Error("it tells what it read long ago")
	}
	f.Set(&fleet.Figures{})
	if !strings.Contains(told(t, r, ""), "bulkreg_jobs{") {
		t.Error("it does not tell what it has just read")
	}
	f.Set(nil)
	if strings.Contains(told(t, r, ""), "bulkreg_jobs{") {
		t.Error("it tells what another process reads")
	}
}

// Durations are told as native histograms and in classic buckets.
func TestHistograms(t *testing.T) {
	t.Parallel()
	r, _ := filled(1)
	families, err := r.prometheus.Gather()
	if err != nil {
		t.Fatal(err)
	}
	histograms := 0
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), namespace) || f.GetMetric()[0].Histogram == nil {
			continue
		}
		histograms++
		if h := f.GetMetric()[0].GetHistogram(); h.Schema == nil || len(h.GetBucket()) == 0 {
			t.Errorf("%s: schema %v, %d buckets", f.GetName(), h.Schema, len(h.GetBucket()))
		}
	}
	if histograms < 3 {
		t.Errorf("there are %d histograms", histograms)
	}
	if text := told(t, r, ""); !strings.Contains(text, `bulkreg_call_duration_seconds_bucket{account="account-0",op="register",le="0.5"} 501`) {
		t.Error("there are no classic buckets")
	}
}

func TestTokenRefreshes(t *testing.T) {
	t.Parallel()
	r := New("v1")
	renewed := r.Calls(map[string][]queue.Kind{"a": {queue.Whois}}).Renewed("a")
	renewed(nil)
	renewed(errors.New("no"))
	renewed(errors.New("no"))
	for _, line := range []string{`bulkreg_token_refreshes_total{account="a",result="ok"} 1`, `bulkreg_token_refreshes_total{account="a",result="failed"} 2`} {
		if text := told(t, r, ""); !strings.Contains(text, line) {
			t.Errorf("it does not tell %s", line)
		}
	}
	var none *Calls
	if none.Renewed("a") != nil {
		t.Error("nobody counts")
	}
}

// What a scrape costs, by the number of accounts.
func BenchmarkScrape(b *testing.B) {
	const protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
	for _, accounts := range []int{1, 50} {
		for name, accept := range map[string]string{"text": "text/plain", "protobuf": protobuf} {
			b.Run(fmt.Sprintf("%d-accounts/%s", accounts, name), func(b *testing.B) {
				r, _ := filled(accounts)
				b.ReportAllocs()
				var size int
				for b.Loop() {
					size = len(told(b, r, accept))
				}
				b.ReportMetric(float64(size), "bytes/scrape")
			})
		}
	}
}
