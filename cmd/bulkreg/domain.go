package main

import (
	"context"
	"fmt"

	"github.com/bulkreg/bulkreg/queue/api/view"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/queue/intake/domainname"
	"github.com/bulkreg/bulkreg/queue/job"
	"github.com/bulkreg/bulkreg/store"
)

// maxDomainJobs bounds how many jobs of a domain are shown with their calls: the newest.
const maxDomainJobs = 100

func (a *app) domainCommand() *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:   "domain NAME",
		Short: "Show all that is known of a domain, over all orders",
		Long: `domain shows every job for a domain, of whatever order, source and account, the oldest first: how it ended, each call it was
in, what WHOIS said where a paid call had no definite answer, and what a person did to it. NAME may be written in any way in
which an order may name it. It asks no registrar: ` + "`bulkreg whois`" + ` does.`,
		Example: `  bulkreg domain example.nl
  bulkreg domain café.be -o json | jq '.jobs[] | {reference, state, outcome}'`,
		Args:              oneArg("a domain, such as example.nl"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := a.extraSuffixes().Parse(args[0])
			if err != nil {
				return usageError(err)
			}
			return a.withReader(cmd.Context(), func(ctx context.Context, st *store.Store) error {
				return a.showDomain(ctx, st, name, out)
			})
		},
	}
	out.add(cmd)
	return cmd
}

// domainJSON is all that is known of a domain, for programs. Its names are part of the interface.
type domainJSON struct {
	Domain        string           `json:"domain"`
	DomainUnicode string           `json:"domain_unicode,omitempty"`
	Total         int              `json:"total"` // jobs there are
	Jobs          []view.JobDetail `json:"jobs"`  // the oldest first, at most the newest 100
}

func (a *app) showDomain(ctx context.Context, st *store.Store, name domainname.Name, out output) error {
	jobs, total, err := st.Orders.JobsOfDomain(ctx, name.ASCII, "", maxDomainJobs)
	if err != nil {
		return err
	}
	known := domainJSON{Domain: name.ASCII, Total: total, Jobs: []view.JobDetail{}}
	if name.Unicode != name.ASCII {
		known.DomainUnicode = name.Unicode
	}
	return a.showKnown(ctx, st, jobs, known, out)
}

// showKnown shows jobs about the same with all their calls.
func (a *app) showKnown(ctx context.Context, st *store.Store, jobs []record.Job, known domainJSON, out output) error {
	if !out.json() {
		if err := a.listDomainJobs(jobs, known); err != nil {
			return err
		}
	}
	for _, j := range jobs {
		if err := a.showDomainJob(ctx, st, j, out, &known); err != nil {
			return err
		}
	}
	if out.json() {
		return term.PrintJSON(a.stdout, known)
	}
	if known.Total > len(jobs) {
		say(a.stderr, "There are %s: only the newest %d are shown.\n", term.Counted(known.Total, "job", "jobs"), len(jobs))
	}
	return nil
}

// listDomainJobs says at once how all jobs of a domain stand.
func (a *app) listDomainJobs(jobs []record.Job, known domainJSON) error {
	if len(jobs) == 0 {
		say(a.stderr, "No order has named %s.\n", domainCell(record.Job{Domain: known.Domain, DomainUnicode: known.DomainUnicode}))
		return nil
	}
	t := newTable(a.stdout, "ORDER", "KIND", "ACCOUNT", "CREATED", "STATE", "OUTCOME", "ERROR")
	for _, j := range jobs {
		t.row(j.Source+"/"+j.Reference, string(j.Kind), j.Account, timeCell(j.CreatedAt), string(j.State), string(j.Outcome), a.short(j.LastError))
	}
	return t.end()
}

func (a *app) showDomainJob(ctx context.Context, st *store.Store, of record.Job, out output, known *domainJSON) error {
	j, calls, err := st.Orders.FindJob(ctx, of.ID)
	if err != nil {
		return err
	}
	e, err := findEvidence(ctx, st, j.ID)
	if err != nil {
		return err
	}
	if out.json() {
		known.Jobs = append(known.Jobs, view.JobDetailOf(j, calls, e))
		return nil
	}
	fmt.Fprintln(a.stdout)
	if err := a.printJob(j); err != nil {
		return err
	}
	if len(calls) > 0 {
		fmt.Fprintln(a.stdout)
		if err := a.printCalls(calls); err != nil {
			return err
		}
	}
	return a.printEvidence(e)
}

// showSubject shows all that is known of a person, over all orders, as domain does of a domain.
func (a *app) showSubject(ctx context.Context, st *store.Store, name string, out output) error {
	subject, err := job.SubjectOf(name)
	if err != nil {
		return usagef("--subject: %w", err)
	}
	jobs, total, err := st.Orders.JobsOfDomain(ctx, subject, "", maxDomainJobs)
	if err != nil {
		return err
	}
	return a.showKnown(ctx, st, jobs, domainJSON{Domain: subject, Total: total, Jobs: []view.JobDetail{}}, out)
}
