package main

import (
	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/bulkreg/bulkreg/store/record"
	"github.com/spf13/cobra"
)

func (a *app) retryCommand() *cobra.Command {
	var (
		outcome choice
		now     bool
	)
	c := &acting{app: a, doing: "queuing", becomes: "go again", done: "queued again"}
	c.request.Act = operator.Retry
	c.question = func(plan operator.Report, n string) string {
		if hasRegistrations(plan) {
			return "Try " + n + " again? A registration costs money and cannot be undone."
		}
		return "Try " + n + " again?"
	}
	cmd := c.command(&cobra.Command{
		Use:   "retry REF|JOB...",
		Short: "Give failed and canceled jobs a new life, or let waiting ones go at once",
		Long: `retry lets jobs go again that have failed or were canceled, as if they were new: due now, with all their attempts
before them. Other jobs of a named order stay as they are. A registration passes its fresh WHOIS check first, as ever:
nothing that is taken is sent. One whose domain another job has registered meanwhile, or is about to, stays as it is.

With --now it is about jobs that wait for their next attempt instead: that comes at once, and counts like any other. What the
registrar asks to wait for, and a hold, still count. So does the wait after a registration that was sent and not answered:
it gives WHOIS the time to show it, and is never made shorter.

` + aboutTargets,
		Example: `  bulkreg retry order-1042
  bulkreg retry order-1042 --outcome exhausted --reason "registrar was down" --yes
  bulkreg retry order-1042 --now --reason "registrar is back"
  bulkreg retry 5f0c6c1e-7c39-5d2b-9a4e-0d6b1f2a3c4d`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case now && outcome.value != "":
				return usagef("--now is about jobs that wait, and --outcome about jobs that have ended: give one of them")
			case now:
				c.request.Act, c.becomes, c.done = operator.RetryNow, "go at once", "due now"
				c.question = func(_ operator.Report, n string) string { return "Let " + n + " go at once?" }
			}
			if outcome.value == string(record.Canceled) {
				c.request.State = record.Canceled
			} else {
				c.request.Outcome = record.Outcome(outcome.value)
			}
			if c.request.Outcome != "" {
				c.request.State = record.Failed // a WHOIS check that ended as taken has succeeded
			}
			return c.run(cmd, args)
		},
	})
	cmd.Flags().BoolVar(&now, "now", false, "let jobs that wait for their next attempt go at once")
	addChoice(cmd, &outcome, "outcome", "", "only jobs that ended with this `OUTCOME`, or canceled ones", "",
		string(record.Taken), string(record.Rejected), string(record.Duplicate), string(record.Exhausted), string(record.Canceled))
	return cmd
}

// hasRegistrations says whether a registration is among the jobs that change.
func hasRegistrations(r operator.Report) bool {
	for _, c := range r.Counts {
		if c.Skip == "" && c.Kind == record.Register {
			return true
		}
	}
	return false
}
