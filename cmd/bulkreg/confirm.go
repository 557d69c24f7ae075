package main

import (
	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/spf13/cobra"
)

func (a *app) confirmCommand() *cobra.Command {
	var registered, notRegistered bool
	c := &acting{app: a, doing: "confirming"}
	cmd := c.command(&cobra.Command{
		Use:   "confirm REF|JOB... --registered|--not-registered --reason TEXT",
		Short: "Settle jobs that may have been paid for, after asking the registrar",
		Long: `confirm settles unconfirmed jobs: those that were sent without a definite answer and whose domain is taken now, or
that the registrar accepted and WHOIS does not show. Only a person can find out whether it is yours: in the registrar's
control panel, on its invoice, or by asking it.

  --registered       the domains are yours: the jobs end as registered.
  --not-registered   the calls had no effect: the jobs go again, each after a fresh WHOIS check of its own. A domain
                     that is still taken then is somebody else's, and the job ends so; one that is available is
                     sent, and paid for.

Other jobs of a named order stay as they are. ` + aboutTargets,
		Example: `  bulkreg jobs order-1042 --state unconfirmed
  bulkreg confirm order-1042 --registered --reason "all on invoice 2026-113"
  bulkreg confirm 5f0c6c1e-7c39-5d2b-9a4e-0d6b1f2a3c4d --not-registered --reason "support: not ours, ticket 4711"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case registered == notRegistered:
				return usagef("say what the registrar says: either --registered or --not-registered")
			case c.request.Reason == "":
				return usagef("say how you know, for the record: --reason TEXT")
			}
			c.confirms(registered)
			return c.run(cmd, args)
		},
	})
	cmd.Flags().BoolVar(&registered, "registered", false, "the domains are ours")
	cmd.Flags().BoolVar(&notRegistered, "not-registered", false, "the calls had no effect: check anew, and send what is available")
	return cmd
}

func (c *acting) confirms(registered bool) {
	if registered {
		c.request.Act, c.becomes, c.done = operator.ConfirmRegistered, "end as registered", "registered"
		c.question = func(_ operator.Report, n string) string { return "Confirm " + n + " as registered?" }
		return
	}
	c.request.Act, c.becomes, c.done = operator.ConfirmNotRegistered, "go again, each after a fresh check", "queued again"
	c.question = func(_ operator.Report, n string) string {
		return "Confirm " + n + " as not registered? What is available is sent again, which costs money."
	}
}
