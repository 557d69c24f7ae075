package main

import (
	"fmt"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/store/operator"

	"github.com/spf13/cobra"
)

func (a *app) cancelCommand() *cobra.Command {
	c := &acting{app: a, doing: "canceling", becomes: "are canceled", done: "canceled"}
	c.request.Act = operator.Cancel
	c.question = func(_ operator.Report, n string) string { return "Cancel " + n + "?" }
	c.note = func(plan operator.Report) string {
		n := plan.Later()
		if n == 0 {
			return ""
		}
		return fmt.Sprintf("%s sent before, or in a call that runs now. Nothing more is sent for them; they end when WHOIS has\n"+
			"shown that no call had an effect. If one had, they are registered, or a person must decide.", term.Counted(n, "of them was", "of them were"))
	}
	return c.command(&cobra.Command{
		Use:   "cancel REF|JOB...",
		Short: "Stop jobs that were not sent yet",
		Long: `cancel ends jobs that wait: queued, retrying, or held. A registration that was sent before, or is being called for
right now, cannot be called back: it is not sent again, and it ends canceled as soon as WHOIS has shown that no call had
an effect. What needs a person already is left alone. What was canceled can be given a new life with ` + "`bulkreg retry`" + `.
A large order is paused first, so that nothing of it is sent meanwhile.

` + aboutTargets,
		Example: `  bulkreg cancel order-1042 --reason "wrong list"
  bulkreg cancel 5f0c6c1e-7c39-5d2b-9a4e-0d6b1f2a3c4d --yes`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd, args) },
	})
}
