package main

import (
	"strconv"

	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/queue/intake/domainname"
	"github.com/bulkreg/bulkreg/queue/job"
)

// jobsFilter are the flags that narrow a list of jobs.
type jobsFilter struct {
	state   choices
	outcome choice
	domain  string
	subject string
	after   string
	limit   int
}

func (f *jobsFilter) add(cmd *cobra.Command) {
	addState(cmd, &f.state)
	var words []string
	for _, o := range record.Outcomes() {
		words = append(words, string(o))
	}
	addChoice(cmd, &f.outcome, "outcome", "", "only jobs that ended with this `OUTCOME`", "", words...)
	cmd.Flags().StringVar(&f.domain, "domain", "", "only the job for the domain `NAME`")
	cmd.Flags().StringVar(&f.subject, "subject", "", "only the jobs for a person: an e-mail `ADDRESS`, or a subject")
	cmd.Flags().StringVar(&f.after, "after", "", "only jobs behind this `CURSOR`, which the page before told")
	cmd.Flags().IntVar(&f.limit, "limit", 100, "at most `N` jobs; 0 for all")
}

// filter reads the flags. It asks for one job more than are listed, which tells whether there are more.
func (f *jobsFilter) filter() (orders.JobFilter, error) {
	filter := orders.JobFilter{States: f.state.states(), Outcome: record.Outcome(f.outcome.value)}
	if f.limit < 0 {
		return filter, usagef("--limit %d: give how many jobs to list at most, or 0 for all", f.limit)
	}
	if f.limit > 0 {
		filter.Limit = f.limit + 1
	}
	if f.domain != "" {
		name, err := domainname.Parse(f.domain)
		if err != nil {
			return filter, usagef("--domain: %w", err)
		}
		filter.Domain = name.ASCII
	}
	if f.subject != "" {
		if f.domain != "" {
			return filter, usagef("--domain and --subject are two different things: give one of them")
		}
		subject, err := job.SubjectOf(f.subject)
		if err != nil {
			return filter, usagef("--subject: %w", err)
		}
		filter.Domain = subject
	}
	if f.after != "" {
		after, err := strconv.ParseInt(f.after, 10, 32)
		if err != nil || after < 0 {
			return filter, usagef("--after %q is no cursor: give the one that the page before told", f.after)
		}
		filter.AfterSeq = int(after)
	}
	return filter, nil
}

// cursorOf is behind which job the next page begins.
func cursorOf(j record.Job) string { return strconv.Itoa(j.Seq) }
