package metrics

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store/fleet"
	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/record"
)

// Figures tell what the database says of everybody's work, in the one process of all that reads it. Elsewhere they tell nothing.
type Figures struct {
	now    atomic.Pointer[reading]
	clock  func() time.Time
	served map[string][]queue.Kind

	jobs, outcomes, due, holds, holdAge, paused, doubt, workers, today *prometheus.Desc
	events, counts, waiting, overdue, disabled, transaction, at        *prometheus.Desc
}

// reading is one of them.
type reading struct {
	fleet.Figures
	at time.Time
}

// figuresLast is for how long a reading counts: some may fail, as while the database is away.
const figuresLast = 2 * time.Minute

// Figures has a registry tell them.
func (r *Registry) Figures(served map[string][]queue.Kind) *Figures {
	f := &Figures{
		clock: time.Now, served: served,
		jobs:        describe("jobs", "Jobs of all orders by state, exact to some seconds; queued ones are counted up to some thousand chunks of each kind and account.", "account", "kind", "state"),
		outcomes:    describe("job_outcomes", "Final jobs of all orders by outcome. It grows, but for jobs that are tried again.", "account", "kind", "outcome"),
		due:         describe("oldest_due_seconds", "How long the first job that could go has waited for its delivery; 0 where a hold keeps it.", "account", "kind", "lane"),
		holds:       describe("holds", "1 while the account has a hold of this reason.", "account", "reason"),
		holdAge:     describe("hold_age_seconds", "How long the account has had it.", "account", "reason"),
		paused:      describe("paused_orders", "Orders that somebody has paused."),
		doubt:       describe("unconfirmed_age_seconds", "How long ago the oldest unconfirmed registration was sent; 0 where there is none.", "account"),
		workers:     describe("workers", "Live workers that serve the kind and account.", "account", "kind"),
		today:       describe("registrations_today", "Registrations that count against the daily limit today, in UTC.", "account"),
		events:      describe("events_lag_seconds", "Age of the oldest event that readers of the log do not see yet."),
		counts:      describe("counts_lag_seconds", "Age of the oldest change that is not summed up in the counts of its order yet."),
		waiting:     describe("webhook_waiting_deliveries", "Deliveries that wait for webhooks, up to 20,000."),
		overdue:     describe("webhook_overdue_seconds", "How long the delivery that should have been tried longest ago has waited."),
		disabled:    describe("webhooks_disabled", "Webhooks to which nothing is sent any more."),
		transaction: describe("postgres_oldest_transaction_seconds", "How long the oldest transaction in Postgres is open; vacuum removes nothing that was deleted since."),
		at:          describe("figures_timestamp_seconds", "When the database was asked for the figures, in seconds since 1970."),
	}
	r.prometheus.MustRegister(f)
	return f
}

// Set takes a reading in; nil: this process has none.
func (f *Figures) Set(read *fleet.Figures) {
	if read == nil {
		f.now.Store(nil)
		return
	}
	f.now.Store(&reading{Figures: *read, at: f.clock()})
}

// Describe implements prometheus.Collector.
func (f *Figures) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		f.jobs, f.outcomes, f.due, f.holds, f.holdAge, f.paused, f.doubt, f.workers, f.today,
		f.events, f.counts, f.waiting, f.overdue, f.disabled, f.transaction, f.at,
	} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (f *Figures) Collect(to chan<- prometheus.Metric) {
	now := f.now.Load()
	if now == nil || f.clock().Sub(now.at) > figuresLast {
		return
	}
	f.collectLines(to, now)
	f.collectAccounts(to, now)
	to <- gauge(f.paused, float64(now.Paused))
	to <- gauge(f.events, now.EventsLag.Seconds())
	to <- gauge(f.counts, now.CountsLag.Seconds())
	to <- gauge(f.waiting, float64(now.Webhooks.Waiting))
	to <- gauge(f.overdue, now.Webhooks.Overdue.Seconds())
	to <- gauge(f.disabled, float64(now.Webhooks.Disabled))
	to <- gauge(f.transaction, now.OldestTransaction.Seconds())
	to <- gauge(f.at, float64(now.at.UnixMilli())/1000)
}

// otherAccounts are all those that no worker has the credentials of: a producer may write any name into its chunks.
const otherAccounts = "(other)"

// labels are the names of accounts that may be told.
type labels map[string]bool

func (l labels) of(account string) string {
	if l[account] {
		return account
	}
	return otherAccounts
}

func (f *Figures) accounts(now *reading) labels {
	known := labels{}
	for account := range f.served {
		known[account] = true
	}
	for _, account := range now.Accounts {
		known[account] = true
	}
	return known
}

// lines are the kinds and accounts that are known: each has every series, so that none begins with what should be noticed.
func (f *Figures) lines(now *reading, known labels) map[[2]string]bool {
	lines := map[[2]string]bool{}
	for account, kinds := range f.served {
		for _, kind := range kinds {
			lines[[2]string{account, string(kind)}] = true
		}
	}
	for _, t := range now.Totals {
		lines[[2]string{known.of(t.Account), string(t.Kind)}] = true
	}
	for _, of := range [][]fleet.Line{now.Queued, now.Due, now.Workers} {
		for _, l := range of {
			lines[[2]string{known.of(l.Account), string(l.Kind)}] = true
		}
	}
	return lines
}

func (f *Figures) collectLines(to chan<- prometheus.Metric, now *reading) {
	jobs, outcomes, due, workers := map[[3]string]float64{}, map[[3]string]float64{}, map[[3]string]float64{}, map[[2]string]float64{}
	known := f.accounts(now)
	for line := range f.lines(now, known) {
		for _, s := range record.States() {
			jobs[[3]string{line[0], line[1], string(s)}] = 0
		}
		for _, o := range record.Outcomes() {
			outcomes[[3]string{line[0], line[1], string(o)}] = 0
		}
		for _, lane := range queue.Lanes() {
			due[[3]string{line[0], line[1], string(lane)}] = 0
		}
		workers[line] = 0
	}
	for _, t := range now.Totals {
		jobs[[3]string{known.of(t.Account), string(t.Kind), string(t.State)}] += float64(t.N)
		if t.Outcome != "" {
			outcomes[[3]string{known.of(t.Account), string(t.Kind), string(t.Outcome)}] += float64(t.N)
		}
	}
	for _, l := range now.Queued {
		jobs[[3]string{known.of(l.Account), string(l.Kind), string(record.Queued)}] += float64(l.N)
	}
	for _, l := range now.Due {
		of := [3]string{known.of(l.Account), string(l.Kind), string(l.Lane)}
		due[of] = max(due[of], l.Age.Seconds())
	}
	for _, l := range now.Workers {
		workers[[2]string{known.of(l.Account), string(l.Kind)}] += float64(l.N)
	}
	for _, of := range []struct {
		desc   *prometheus.Desc
		values map[[3]string]float64
	}{{f.jobs, jobs}, {f.outcomes, outcomes}, {f.due, due}} {
		for labels, n := range of.values {
			to <- gauge(of.desc, n, labels[:]...)
		}
	}
	for labels, n := range workers {
		to <- gauge(f.workers, n, labels[:]...)
	}
}

func (f *Figures) collectAccounts(to chan<- prometheus.Metric, now *reading) {
	known := f.accounts(now)
	stands := map[[2]string]time.Duration{}
	for _, h := range now.Holds {
		stands[[2]string{h.Account, string(h.Reason)}] = h.Age
	}
	doubt, today := map[string]float64{}, map[string]float64{}
	for _, d := range now.Doubtful {
		account := known.of(d.Account)
		doubt[account] = max(doubt[account], d.Age.Seconds())
		known[account] = true
	}
	for _, d := range now.Today {
		today[d.Account] = float64(d.N)
	}
	for account := range known {
		for _, reason := range holds.Reasons() {
			age, held := stands[[2]string{account, string(reason)}]
			to <- gauge(f.holds, oneIf(held), account, string(reason))
			to <- gauge(f.holdAge, age.Seconds(), account, string(reason))
		}
		to <- gauge(f.doubt, doubt[account], account)
		to <- gauge(f.today, today[account], account)
	}
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
