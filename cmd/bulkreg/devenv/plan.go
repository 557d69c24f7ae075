package devenv

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// Job is one domain of the demo and what must become of it.
type Job struct {
	Domain  string
	Outcome record.Outcome
}

// Plan is what the demo asks for: WHOIS checks, and registrations of the first of the same domains.
type Plan struct {
	Whois, Register []Job
}

const (
	checks        = 2000
	registrations = 500
)

// NewPlan makes the plan of one run. Two runs have no domain in common, because a domain is registered once only.
func NewPlan(run int) Plan {
	var plan Plan
	for i := range checks {
		label := ""
		checked, registered := record.Available, record.Registered
		switch {
		case slices.Contains([]int{3, 10, 17}, i%20):
			label, checked, registered = "taken-", record.Taken, record.Taken
		case i%50 == 25:
			label, registered = "refused-", record.Rejected
		}
		domain := label + nameOf(i, run)
		plan.Whois = append(plan.Whois, Job{domain, checked})
		if i < registrations {
			plan.Register = append(plan.Register, Job{domain, registered})
		}
	}
	return plan
}

// nameOf is the ith of at most 2,500 names of Dutch businesses.
func nameOf(i, run int) string {
	trades := [...]string{"bakkerij", "fietsenwinkel", "tandarts", "hovenier", "schilder", "loodgieter", "kapsalon", "bloemist",
		"notaris", "makelaar", "dakdekker", "installateur", "slagerij", "boekhouder", "fotograaf", "autobedrijf", "rijschool",
		"cateraar", "tegelzetter", "boekwinkel"}
	places := [...]string{"amsterdam", "rotterdam", "utrecht", "eindhoven", "groningen", "tilburg", "almere", "breda", "nijmegen",
		"arnhem", "haarlem", "enschede", "zwolle", "leiden", "maastricht", "dordrecht", "deventer", "delft", "alkmaar", "venlo",
		"leeuwarden", "hilversum", "roosendaal", "oss", "zaandam"}
	zones := [...]string{"nl", "com", "eu", "be", "org"}
	name := trades[i%len(trades)] + "-" + places[i/len(trades)%len(places)]
	if run > 1 {
		name += "-" + strconv.Itoa(run)
	}
	return name + "." + zones[i/len(trades)/len(places)]
}

// mostDifferences bounds how many differences are told one by one.
const mostDifferences = 10

// differences collects what is not as it must be.
type differences struct {
	told []error
	more int
}

func (d *differences) add(format string, args ...any) {
	if len(d.told) == mostDifferences {
		d.more++
		return
	}
	d.told = append(d.told, fmt.Errorf(format, args...))
}

func (d *differences) err() error {
	if d.more > 0 {
		return errors.Join(errors.Join(d.told...), fmt.Errorf("and %d differences more", d.more))
	}
	return errors.Join(d.told...)
}

// CompareOrder checks that every job of a followed order ended as the plan says, and that the counts add up.
func CompareOrder(ctx context.Context, st *store.Store, sum record.Summary, plan []Job) error {
	var jobs []Job
	for job, err := range st.Orders.Jobs(ctx, sum.ID, orders.JobFilter{}) {
		if err != nil {
			return err
		}
		jobs = append(jobs, Job{job.Domain, job.Outcome})
	}
	return compareJobs(sum, jobs, plan)
}

func compareJobs(sum record.Summary, jobs, plan []Job) error {
	var d differences
	if sum.Total != len(plan) || len(jobs) != len(plan) {
		d.add("order %s has %d jobs and counts %d: want %d", sum.Reference, len(jobs), sum.Total, len(plan))
	}
	expected := map[string]record.Outcome{}
	counts := map[record.Outcome]int{}
	for _, job := range plan {
		expected[job.Domain] = job.Outcome
		counts[job.Outcome]++
	}
	for _, job := range jobs {
		if want := expected[job.Domain]; job.Outcome != want {
			d.add("order %s: %s ended as %q: want %q", sum.Reference, job.Domain, job.Outcome, want)
		}
	}
	for outcome, want := range counts {
		if got := sum.Outcomes[outcome]; got != want {
			d.add("order %s counts %d jobs as %s: want %d", sum.Reference, got, outcome, want)
		}
	}
	return d.err()
}

// CompareLedger checks that the domains that are to be registered were paid for, each once, and no other.
func CompareLedger(ledger *sandbox.Ledger, plan []Job) error {
	var d differences
	for _, domain := range ledger.AllPaidTwice() {
		d.add("%s was paid for %d times", domain, ledger.Paid(domain))
	}
	for _, sent := range ledger.Resends() {
		d.add("%s was sent again after it had been paid for", sent.Domain)
	}
	expected := map[string]record.Outcome{}
	for _, job := range plan {
		expected[job.Domain] = job.Outcome
		if job.Outcome == record.Registered && ledger.Paid(job.Domain) == 0 {
			d.add("%s is called registered and was never paid for", job.Domain)
		}
	}
	for _, domain := range ledger.PaidDomains() {
		if expected[domain] != record.Registered {
			d.add("%s was paid for and should not have been", domain)
		}
	}
	for _, sent := range ledger.Received(sandbox.OpRegister) {
		if expected[sent.Domain] == record.Taken {
			d.add("%s was sent although WHOIS calls it taken", sent.Domain)
		}
	}
	return d.err()
}
