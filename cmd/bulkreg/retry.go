package main

import (
	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/store"
)

func (a *app) retryCommand() *cobra.Command {
	var outcome choice
	c := &acting{app: a, becomes: "go again", done: "queued again"}
	c.request.Act = store.ActRetry
	c.question = func(plan store.ActReport, n string) string {
		if hasRegistrations(plan) {
			return "Try " + n + " again? A registration costs money and cannot be undone."
		}
		return "Try " + n + " again?"
	}
	cmd := c.command(&cobra.Command{
		Use:   "retry REF|JOB...",
		Short: "Give failed and canceled jobs a new life",
		Long: `retry lets jobs go again that have failed or were canceled, as if they were new: due now, with all their attempts
before them. Other jobs of a named order stay as they are. A registration passes its fresh WHOIS check first, as ever:
nothing that is taken is sent. One whose domain another job has registered meanwhile, or is about to, stays as it is.

` + aboutTargets,
		Example: `  bulkreg retry order-1042
  bulkreg retry order-1042 --outcome exhausted --reason "registrar was down" --yes
  bulkreg retry 5f0c6c1e-7c39-5d2b-9a4e-0d6b1f2a3c4d`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if outcome.value == string(store.Canceled) {
				c.request.State = store.Canceled
			} else {
				c.request.Outcome = store.Outcome(outcome.value)
			}
			if c.request.Outcome != "" {
				c.request.State = store.Failed // a WHOIS check that ended as taken has succeeded
			}
			return c.run(cmd.Context(), args)
		},
	})
	addChoice(cmd, &outcome, "outcome", "", "only jobs that ended with this `OUTCOME`, or canceled ones", "",
		string(store.Taken), string(store.Rejected), string(store.Duplicate), string(store.Exhausted), string(store.Canceled))
	return cmd
}

// hasRegistrations says whether a registration is among the jobs that change.
func hasRegistrations(r store.ActReport) bool {
	for _, c := range r.Counts {
		if c.Skip == "" && c.Kind == store.Register {
			return true
		}
	}
	return false
}
