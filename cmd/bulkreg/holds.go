package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/store"
)

func (a *app) holdsCommand() *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:   "holds",
		Short: "List the accounts that stand still, and why",
		Long: `holds lists each hold: a reason for which an account's work stands still. It says since when, why in the
registrar's words, what waits, and when the next probe is due.

  payment    402: no funds, or no direct debit. Registrations wait; WHOIS goes on.
  auth       the registrar does not accept the account's credentials. Everything of the account waits.
  contract   the registrar does not know an operation, or refuses a large mixed batch in the same words: the API
             is not as bulkreg thinks. Whatever needs the operation waits.

While a hold stands, one job is tried at each probe. When that goes well the hold is lifted by itself, and what
waited goes on. Nothing is used up meanwhile, and no other account notices.`,
		Example: `  bulkreg holds
  bulkreg holds -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd.Context(), func(ctx context.Context, st *store.Store) error {
				holds, err := st.Holds(ctx)
				if err != nil {
					return err
				}
				return a.printHolds(out, holds)
			})
		},
	}
	out.add(cmd)
	return cmd
}

func (a *app) resumeCommand() *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:   "resume [ACCOUNT]",
		Short: "Lift the holds of an account, or of all, and go on at once",
		Long: `resume lifts every hold of an account, or of all accounts, without waiting for the next probe: when the
account has been topped up, the credentials or the paths have been corrected. What waited goes on gradually.
If the reason is still there, the first call brings the hold back.`,
		Example: `  bulkreg resume
  bulkreg resume mijndomeinpartner`,
		Args: oneAtMost,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withStore(cmd.Context(), func(ctx context.Context, st *store.Store) error {
				account := strings.Join(args, "")
				ended, err := st.Resume(ctx, account)
				if err == nil && len(ended) == 0 && account != "" { // a slip must not look like good news
					err = a.checkNamed(ctx, st, account)
				}
				if err != nil {
					return err
				}
				for _, h := range ended {
					fmt.Fprintf(a.stderr, "Lifted the %s hold of account %s, since %s: %s.\n",
						h.Reason, h.Account, timeCell(h.Since), counted(h.Jobs, "job goes on", "jobs go on"))
				}
				if len(ended) == 0 {
					fmt.Fprintln(a.stderr, "There was no hold to lift.")
				}
				if !out.json() {
					return nil
				}
				return a.printHolds(out, ended)
			})
		},
	}
	out.add(cmd)
	return cmd
}

// checkNamed refuses an account that is known neither here nor to a worker.
func (a *app) checkNamed(ctx context.Context, st *store.Store, account string) error {
	cfg, err := a.loadConfig()
	if err != nil {
		return err
	}
	return checkAccount(ctx, cfg, st, account)
}

// holdJSON is a hold for programs.
type holdJSON struct {
	Account     string           `json:"account"`
	Reason      store.HoldReason `json:"reason"`
	Scope       store.Scope      `json:"scope"`
	Since       time.Time        `json:"since"`
	Words       string           `json:"words"`
	Status      int              `json:"status,omitempty"`
	Probes      int              `json:"probes"`
	NextProbeAt time.Time        `json:"next_probe_at"`
	Jobs        int              `json:"jobs"`
	Orders      []string         `json:"orders"`
}

func (a *app) printHolds(out output, holds []store.HoldView) error {
	if out.json() {
		array := newJSONArray(a.stdout)
		for _, h := range holds {
			h.Since, h.NextProbeAt = h.Since.UTC(), h.NextProbeAt.UTC()
			if err := array.add(holdJSON(h)); err != nil {
				return err
			}
		}
		return array.end()
	}
	if len(holds) == 0 {
		fmt.Fprintln(a.stderr, "No account is on hold.")
		return nil
	}
	t := newTable(a.stdout, "ACCOUNT", "REASON", "STOPS", "SINCE", "JOBS", "ORDERS", "NEXT PROBE", "REGISTRAR SAID")
	for _, h := range holds {
		stops := "registrations"
		if h.Scope == store.ScopeAll {
			stops = "everything"
		}
		said := h.Words
		if h.Status != 0 {
			said = fmt.Sprintf("%d %s", h.Status, h.Words)
		}
		t.row(h.Account, string(h.Reason), stops, timeCell(h.Since), thousands(h.Jobs), strings.Join(h.Orders, " "), timeCell(h.NextProbeAt), said)
	}
	return t.end()
}
