package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/store/audit"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store"
)

// maxAuditLimit bounds what one audit lists of each invariant.
const maxAuditLimit = 10_000

// lateSuccess is the only invariant whose breach is put right by trying the job again. After any other, that could pay twice.
const lateSuccess = "I6"

// auditing is the check of what must hold in the database.
type auditing struct {
	*app
	options audit.Options
	out     output
}

func (a *app) auditCommand() *cobra.Command {
	c := &auditing{app: a}
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Check that nothing was lost and nothing was paid twice",
		Long: `audit checks in the database what must always hold, also after crashes, and while workers work:

  I1   accepted orders have exactly their jobs, each with the id that is made of its order, source and domain
  I2   no job that is not final is overdue, unless held or unconfirmed
  I5   between two paid attempts on a domain lies a recorded resolution of the first
  I6   what the registrar has reported as registered is registered or unconfirmed here
  I7   registered implies a stored success reply for the job, or an operator's word; issued implies a token that is kept
  I8   taken or rejected implies that no attempt on the domain was open or unknown
  I9   a domain has at most one unresolved attempt, and one live or registered job
  I10  final states change only by an operator's recorded act; attempts are only ever added

Each breach is listed with its job, what is wrong, and what to do about it. The exit status is 1 when there is one. It
reads one snapshot and changes nothing; with a million jobs it takes some seconds. When jobs are held that no hold stops any
more, it first watches for up to five seconds whether they are being woken.`,
		Example: `  bulkreg audit
  bulkreg audit --grace 5m
  bulkreg audit -o json | jq -r '.breaches[].job_id'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd.Context()) },
	}
	cmd.Flags().DurationVar(&c.options.Grace, "grace", time.Minute, "how long after its `TIME` a job counts as overdue")
	cmd.Flags().IntVar(&c.options.Limit, "limit", 100, "at most `N` breaches of each invariant are listed; all are counted")
	c.out.addList(cmd)
	return cmd
}

func (c *auditing) run(ctx context.Context) error {
	if c.options.Limit < 1 || c.options.Limit > maxAuditLimit {
		return usagef("--limit %d: give how many breaches of each invariant to list, from 1 to %d", c.options.Limit, maxAuditLimit)
	}
	if c.options.Grace < 0 {
		return usagef("--grace %s: give a time such as 1m, or 0 when no worker runs", c.options.Grace)
	}
	return c.withReader(ctx, func(ctx context.Context, st *store.Store) error {
		shown := c.startChecking("invariants")
		c.options.Told = func(checked, all, jobs int) {
			if shown.total = all; jobs > manyJobs {
				shown.show(checked)
			}
		}
		c.options.JobID = jobID
		report, err := st.Audit.Run(ctx, c.options)
		shown.end()
		if err != nil {
			return err
		}
		if err := c.print(report); err != nil {
			return err
		}
		if n := report.Total(); n > 0 {
			return fmt.Errorf("the audit found %s", term.Counted(n, "breach", "breaches"))
		}
		return nil
	})
}

// jobID makes ids as whoever takes jobs in does.
func jobID(source, reference string, kind record.Kind, subject string) uuid.UUID {
	return queue.JobID(source, reference, queue.Kind(kind), subject)
}

func (c *auditing) print(r audit.Report) error {
	if c.out.json() {
		return term.PrintJSON(c.stdout, auditOut(r))
	}
	say(c.stderr, "Checked %s, %s and %s, as of %s.\n", term.Counted(r.Orders, "order", "orders"),
		term.Counted(r.Jobs, "job", "jobs"), term.Counted(r.Attempts, "paid attempt", "paid attempts"), timeCell(r.At))
	if r.Total() == 0 {
		say(c.stderr, "All is well: %s hold.\n", invariants(r))
		return nil
	}
	t := c.out.newTable(c.stdout, "INVARIANT", "JOB", "DOMAIN", "ORDER", "WHAT IS WRONG")
	for _, b := range r.Breaches {
		t.row(b.Invariant, jobCell(b), b.Domain, orderCell(b), b.What)
	}
	if err := t.end(); err != nil {
		return err
	}
	c.printAdvice(r)
	return nil
}

// printAdvice says once for each sort of breach what to do, and which invariants have more breaches than are listed.
func (c *auditing) printAdvice(r audit.Report) {
	var said []string
	for _, b := range r.Breaches {
		line := fmt.Sprintf("%-4s %s\n", b.Invariant, b.Advice)
		if !slices.Contains(said, line) {
			said = append(said, line)
		}
	}
	say(c.stderr, "\nWhat to do:\n%s", term.Lines(strings.Join(said, "")))
	say(c.stderr, "`bulkreg job JOB` shows every call, reading and act of a job.\n")
	if listedOf(r, lateSuccess) > 0 {
		say(c.stderr, "%s: `bulkreg retry JOB` ends the job as registered.\n", lateSuccess)
	}
	for _, checked := range r.Checked {
		if listed := listedOf(r, checked.Invariant); listed < checked.Breaches {
			say(c.stderr, "%s: %s of %s are listed; --limit lists more.\n",
				checked.Invariant, term.Thousands(listed), term.Counted(checked.Breaches, "breach", "breaches"))
		}
	}
}

func listedOf(r audit.Report, invariant string) int {
	n := 0
	for _, b := range r.Breaches {
		if b.Invariant == invariant {
			n++
		}
	}
	return n
}

func invariants(r audit.Report) string {
	names := make([]string, len(r.Checked))
	for i, c := range r.Checked {
		names[i] = c.Invariant
	}
	return strings.Join(names, ", ")
}

func jobCell(b audit.Breach) string {
	if b.Job == uuid.Nil {
		return ""
	}
	return b.Job.String()
}

// orderCell is the order's reference, after its source where that is not this command line or the reference is not enough.
func orderCell(b audit.Breach) string {
	if b.Source == "" || b.Source == cliSource && !b.Shared {
		return b.Reference
	}
	return b.Source + "/" + b.Reference
}

// auditJSON is an audit as programs read it. Its names are part of the interface.
type auditJSON struct {
	At         time.Time              `json:"at"` // of the snapshot
	Orders     int                    `json:"orders"`
	Jobs       int                    `json:"jobs"`
	Attempts   int                    `json:"attempts"`
	Total      int                    `json:"total"` // of all breaches
	Invariants []auditedInvariantJSON `json:"invariants"`
	Breaches   []breachJSON           `json:"breaches"` // the first of each invariant
}

type auditedInvariantJSON struct {
	Invariant string `json:"invariant"`
	Rule      string `json:"rule"`
	Breaches  int    `json:"breaches"`
}

type breachJSON struct {
	Invariant string     `json:"invariant"`
	JobID     *uuid.UUID `json:"job_id"` // null where it is not about one job
	Domain    string     `json:"domain"`
	Source    string     `json:"source"`
	Reference string     `json:"reference"`
	What      string     `json:"what"`
	Advice    string     `json:"advice"`
}

func auditOut(r audit.Report) auditJSON {
	out := auditJSON{
		At: r.At.UTC(), Orders: r.Orders, Jobs: r.Jobs, Attempts: r.Attempts, Total: r.Total(),
		Invariants: make([]auditedInvariantJSON, 0, len(r.Checked)), Breaches: make([]breachJSON, 0, len(r.Breaches)),
	}
	for _, c := range r.Checked {
		out.Invariants = append(out.Invariants, auditedInvariantJSON(c))
	}
	for _, b := range r.Breaches {
		j := breachJSON{Invariant: b.Invariant, Domain: b.Domain, Source: b.Source, Reference: b.Reference, What: b.What, Advice: b.Advice}
		if b.Job != uuid.Nil {
			j.JobID = &b.Job
		}
		out.Breaches = append(out.Breaches, j)
	}
	return out
}
