package main

import (
	"bufio"
	"context"
	"errors"
	"strconv"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/queue/api/view"
	"github.com/bulkreg/bulkreg/store"
)

func (a *app) jobsCommand() *cobra.Command {
	var (
		source string
		narrow jobsFilter
		out    output
	)
	cmd := &cobra.Command{
		Use:   "jobs REF | jobs --subject ADDRESS",
		Short: "List the jobs of an order, or those for a person over all orders",
		Long: `jobs lists the jobs of an order as they were given: what became of each, after how many attempts, and what
the registrar said last. Where there are more than --limit, it says on standard error behind which CURSOR the next page
begins; in JSON each job has its cursor.

Jobs of tokens are listed under their person's subject, which does not show who it is. --subject finds a person by e-mail
address, or by subject: without REF in all orders, with each call that was made.`,
		Example: `  bulkreg jobs order-1042
  bulkreg jobs order-1042 --state failed,unconfirmed
  bulkreg jobs order-1042 --outcome rejected --limit 1000 --after 1000
  bulkreg jobs order-1042 --domain example.nl
  bulkreg jobs --subject jan@example.nl
  bulkreg jobs order-1042 --limit 0 -o json | jq -r '.[] | select(.outcome == "available") | .domain'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && narrow.subject != "" {
				return nil
			}
			return oneArg(anOrder)(cmd, args)
		},
		ValidArgsFunction: a.complete(1, orderNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.withReader(cmd.Context(), func(ctx context.Context, st *store.Store) error {
					return a.showSubject(ctx, st, narrow.subject, out)
				})
			}
			filter, err := narrow.filter()
			if err != nil {
				return err
			}
			return a.withOrder(cmd.Context(), source, args[0], func(ctx context.Context, st *store.Store, o record.Order) error {
				if err := o.Kept(); err != nil {
					return err
				}
				return a.listJobs(ctx, st, o, filter, narrow.limit, out)
			})
		},
	}
	addWhose(cmd, &source)
	narrow.add(cmd)
	out.addList(cmd)
	return cmd
}

// listJobs prints the jobs as they come, and says when there are more than it was asked for.
func (a *app) listJobs(ctx context.Context, st *store.Store, o record.Order, filter orders.JobFilter, limit int, out output) error {
	print, end := a.jobTable(o.Kind, out)
	if out.json() {
		print, end = a.jobArray()
	}
	n, cursor := 0, ""
	for j, err := range st.Orders.Jobs(ctx, o.ID, filter) {
		if err != nil {
			return err
		}
		if n++; limit > 0 && n > limit {
			break
		}
		if err := print(j); err != nil {
			return err
		}
		cursor = cursorOf(j)
	}
	if err := end(); err != nil {
		return err
	}
	if limit > 0 && n > limit {
		say(a.stderr, "There are more than %s: --after %s lists the next, --limit 0 lists all, and `bulkreg export %s` writes them as CSV.\n",
			term.Counted(limit, "job", "jobs"), cursor, named(o))
	}
	return nil
}

// jobTable lists what WHOIS said only of jobs that ask WHOIS: a registration that this bars has it in its error.
func (a *app) jobTable(kind record.Kind, out output) (print func(record.Job) error, end func() error) {
	buffered := bufio.NewWriter(a.stdout)
	header := []string{"JOB", aboutColumn(kind), "STATE", "OUTCOME", "ATTEMPTS", "ERROR"}
	if kind == record.Whois {
		header = append(header, "WHOIS ALSO SAID")
	}
	t := out.newTable(buffered, header...)
	short := a.short
	if out.tsv() {
		short = func(text string) string { return text }
	}
	print = func(j record.Job) error {
		cells := []string{j.ID.String(), domainCell(j), string(j.State), string(j.Outcome), strconv.Itoa(j.Attempts), short(j.LastError)}
		if kind == record.Whois {
			cells = append(cells, short(j.WhoisStatus))
		}
		t.row(cells...)
		return t.err
	}
	return print, func() error { return errors.Join(t.end(), buffered.Flush()) }
}

// aboutColumn is what a column with what jobs are about is called.
func aboutColumn(kind record.Kind) string {
	if kind == record.Token {
		return "PERSON"
	}
	return "DOMAIN"
}

func (a *app) jobArray() (print func(record.Job) error, end func() error) {
	array := newJSONArray(a.stdout)
	return func(j record.Job) error { return array.add(listedJobJSON{view.JobOf(j), cursorOf(j)}) }, array.end
}

// listedJobJSON is a job of a list as programs read it. Its names are part of the interface.
type listedJobJSON struct {
	view.Job

	Cursor string `json:"cursor"` // --after takes it, and lists what comes behind this job
}

// domainCell is a domain for people: the ASCII form, which rules, and how it reads where that differs.
func domainCell(j record.Job) string {
	if j.DomainUnicode == "" {
		return j.Domain
	}
	return j.Domain + " (" + j.DomainUnicode + ")"
}
