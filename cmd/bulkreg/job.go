package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/store/fleet"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/queue/api/view"
	"github.com/bulkreg/bulkreg/store"
)

func (a *app) jobCommand() *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:   "job ID",
		Short: "Show one job and every call it was in",
		Long: `job shows all that is known of one job: where it stands, when it needs attention next, and every upstream
call it was in with time, status, duration and what the registrar said. Of a paid call it also says how the
job fared in it: open, registered, failed, refused, not_sent, unknown, cleared or disowned. Where a paid call had no
definite answer, it shows what WHOIS said of the domain since, and when; and what a person did to the job.`,
		Example: `  bulkreg job 5f0c6c1e-7c39-5d2b-9a4e-0d6b1f2a3c4d
  bulkreg job 5f0c6c1e-7c39-5d2b-9a4e-0d6b1f2a3c4d -o json | jq '.calls[-1]'`,
		Args: oneArg(aJob),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := uuid.Parse(args[0])
			if err != nil {
				return usagef("%q is no job ID: `bulkreg jobs REF` lists them", args[0])
			}
			return a.withReader(cmd.Context(), func(ctx context.Context, st *store.Store) error {
				return a.showJob(ctx, st, id, out)
			})
		},
	}
	out.add(cmd)
	return cmd
}

func (a *app) showJob(ctx context.Context, st *store.Store, id uuid.UUID, out output) error {
	j, calls, err := st.Orders.FindJob(ctx, id)
	switch {
	case errors.Is(err, pg.ErrNotFound):
		return &notFound{fmt.Errorf("there is no job %s", id)}
	case err != nil:
		return err
	}
	e, err := findEvidence(ctx, st, id)
	if err != nil {
		return err
	}
	still, err := stillOfJob(ctx, st, j)
	switch {
	case err != nil:
		return err
	case out.json():
		detail := view.JobDetailOf(j, calls, e)
		detail.WaitsFor = view.StillOf(still, stillWords)
		return term.PrintJSON(a.stdout, detail)
	}
	if err := a.printJob(j); err != nil {
		return err
	}
	printStill(a.stderr, j.Domain, still)
	if len(calls) > 0 {
		fmt.Fprintln(a.stdout)
		if err := a.printCalls(calls); err != nil {
			return err
		}
	}
	return a.printEvidence(e)
}

// stillOfJob reads why a job may not move. When its own retry comes, it says itself.
func stillOfJob(ctx context.Context, st *store.Store, j record.Job) ([]fleet.StillReason, error) {
	if j.State.Final() || j.State == record.Unconfirmed {
		return nil, nil
	}
	found, err := st.Fleet.Stillness(ctx, record.Order{ID: j.OrderID, Kind: j.Kind, Account: j.Account})
	if err != nil {
		return nil, err
	}
	return view.WhyJobStill(j, found), nil
}

func (a *app) printJob(j record.Job) error {
	t := newTable(a.stdout)
	t.row("Job", j.ID.String())
	if j.Kind == record.Token {
		t.row("Person", j.Domain)
	} else {
		t.row("Domain", domainCell(j))
	}
	t.row("Order", fmt.Sprintf("%s (source %s, place %d)", j.Reference, j.Source, j.Seq))
	t.row("Kind", string(j.Kind))
	t.row("Account", j.Account)
	if j.Kind == record.Register {
		t.row("Holder", j.HolderID)
		if j.PeriodMonths > 0 {
			t.row("Period", term.Counted(j.PeriodMonths, "month", "months"))
		}
		t.row("Name servers", strings.Join(j.Nameservers, ", "))
	}
	if len(j.AllowStatus) > 0 {
		t.row("Allows", strings.Join(j.AllowStatus, ", "))
	}
	if j.PrivacyConsent != nil {
		t.row("Privacy consent", fmt.Sprintf("%t, given with the order", *j.PrivacyConsent))
	}
	t.row("State", string(j.State))
	t.row("Outcome", string(j.Outcome))
	if j.WhoisStatus != "" {
		t.row("WHOIS said", j.WhoisStatus)
	}
	t.row("Attempts", strconv.Itoa(j.Attempts))
	t.row("Error", j.LastError)
	t.row("Created", timeCell(j.CreatedAt))
	if j.State.Final() {
		t.row("Finished", timeCell(j.FinishedAt))
	} else {
		t.row("Next", nextAttention(j))
	}
	return t.end()
}

// nextAttention says when something happens to a job that is not final, and what.
func nextAttention(j record.Job) string {
	at := timeCell(j.WakeAt)
	if j.Canceling && j.State != record.Unconfirmed {
		return strings.TrimPrefix(at+": ", ": ") + "it is being canceled: WHOIS must show that no call had an effect"
	}
	switch j.State {
	case record.Queued:
		if at == "" {
			return "now: it is about to be delivered to a worker"
		}
		return at + ": delivered again, unless a worker has it by then"
	case record.Running:
		return at + ": taken back, unless its worker settles it before"
	case record.Retrying:
		return at + ": next attempt"
	case record.Held:
		return fmt.Sprintf("when the hold on account %s, or on its order, is lifted: `bulkreg holds`", j.Account)
	case record.Unconfirmed:
		return fmt.Sprintf("a person must say whether it was registered: `bulkreg confirm %s --registered|--not-registered --reason TEXT`", j.ID)
	default:
		return "never: it is final"
	}
}

func (a *app) printCalls(calls []orders.Call) error {
	t := newTable(a.stdout, "CALLED", "OP", "JOBS", "STATUS", "DURATION", "ATTEMPT", "WORKER", "UPSTREAM SAID")
	for _, c := range calls {
		status, duration := "no reply", ""
		switch {
		case c.FinishedAt.IsZero():
			status = "under way"
		case c.Status != 0:
			status = strconv.Itoa(c.Status)
		}
		if !c.FinishedAt.IsZero() {
			duration = c.Duration.Round(time.Millisecond).String()
		}
		t.row(timeCell(c.StartedAt), string(c.Op), term.Thousands(c.Size), status, duration, string(c.Attempt), c.Worker, said(c))
	}
	return t.end()
}

// said is what the upstream said of the job, or else of the whole call.
func said(c orders.Call) string {
	if c.Message != "" {
		return c.Message
	}
	return c.Error
}
