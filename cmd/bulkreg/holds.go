package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/queue/api/view"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/store/holds"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/store"
)

func (a *app) holdsCommand() *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:   "holds",
		Short: "List the accounts and orders that stand still, and why",
		Long: `holds lists each hold: a reason for which an account's work stands still, or that of one order. It says since when,
who placed it, why in the registrar's words or the operator's, what waits, and when the next probe is due.

  payment      402: no funds, or no direct debit. Registrations wait; WHOIS goes on.
  auth         the registrar does not accept the account's credentials. Everything of the account waits.
  contract     the registrar does not know an operation, or refuses a large mixed batch in the same words: the API
               is not as bulkreg thinks. Whatever needs the operation waits.
  outage       the registrar does not answer, or fails, call after call. Whatever needs the operation waits.
  paused       an operator has paused the account, or one order.
  restored     Postgres was restored or failed over, and may have forgotten what was sent. Registrations wait.
  daily_limit  the account has used up REGISTER_DAILY_LIMIT. Registrations wait for the next day, in UTC.

While one of the first four stands, one job is tried at each probe. When that goes well the hold is lifted by itself, and
what waited goes on. A person lifts paused and restored, with ` + "`bulkreg resume`" + `. Midnight ends daily_limit, or a greater
limit, or a person who lets the day begin anew. Nothing is used up meanwhile, and no other account notices.`,
		Example: `  bulkreg holds
  bulkreg holds -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withReader(cmd.Context(), func(ctx context.Context, st *store.Store) error {
				standing, err := st.Holds.List(ctx)
				if err != nil {
					return err
				}
				paused, err := st.Holds.OrderHolds(ctx)
				if err != nil {
					return err
				}
				return a.printHolds(out, holds.Resumption{Holds: standing, Orders: paused})
			})
		},
	}
	out.addList(cmd)
	return cmd
}

// holdJSON is a hold for programs. Its names are part of the interface.
type holdJSON struct {
	Account     string       `json:"account"`
	Source      string       `json:"source,omitempty"` // of the order that is paused by itself, with its reference
	Order       string       `json:"order,omitempty"`
	Reason      holds.Reason `json:"reason"`
	Scope       holds.Scope  `json:"scope"` // order: one order alone
	Since       time.Time    `json:"since"`
	PlacedBy    string       `json:"placed_by,omitempty"` // the operator; left out for bulkreg itself
	Words       string       `json:"words"`
	Status      int          `json:"status,omitempty"`
	Probes      int          `json:"probes"`
	NextProbeAt *time.Time   `json:"next_probe_at"`     // null: it has none
	EndsAt      *time.Time   `json:"ends_at,omitempty"` // when it ends by itself; left out where no time ends it
	Jobs        int          `json:"jobs"`
	Orders      []string     `json:"orders"`
}

// scopeOrder is the scope of a hold on one order alone.
const scopeOrder holds.Scope = "order"

func holdOut(h holds.View) holdJSON {
	orders := h.Orders
	if orders == nil {
		orders = []string{}
	}
	return holdJSON{
		Account: h.Account, Reason: h.Reason, Scope: h.Scope, Since: h.Since.UTC(), PlacedBy: h.PlacedBy, Words: h.Words,
		Status: h.Status, Probes: h.Probes, NextProbeAt: view.Time(h.NextProbeAt), EndsAt: view.Time(h.EndsAt), Jobs: h.Jobs, Orders: orders,
	}
}

func orderHoldOut(h holds.OrderHold) holdJSON {
	return holdJSON{
		Account: h.Account, Source: h.Source, Order: h.Reference, Reason: holds.Paused, Scope: scopeOrder, Since: h.Since.UTC(),
		PlacedBy: h.PlacedBy, Words: h.Words, Jobs: h.Jobs, Orders: []string{h.Name()},
	}
}

func (a *app) printHolds(out output, all holds.Resumption) error {
	if out.json() {
		array := newJSONArray(a.stdout)
		for _, h := range all.Holds {
			if err := array.add(holdOut(h)); err != nil {
				return err
			}
		}
		for _, h := range all.Orders {
			if err := array.add(orderHoldOut(h)); err != nil {
				return err
			}
		}
		return array.end()
	}
	if all.Empty() {
		fmt.Fprintln(a.stderr, "No account is on hold, and no order is paused.")
		return nil
	}
	t := out.newTable(a.stdout, "ACCOUNT", "REASON", "STOPS", "SINCE", "BY", "JOBS", "ORDERS", "NEXT PROBE", "WHY")
	for _, h := range all.Holds {
		stops := "registrations"
		if h.Scope == holds.ScopeAll {
			stops = "everything"
		}
		t.row(h.Account, string(h.Reason), stops, timeCell(h.Since), placer(h.PlacedBy), term.Thousands(h.Jobs),
			strings.Join(h.Orders, " "), nextProbe(h), heldWords(h))
	}
	for _, h := range all.Orders {
		t.row(h.Account, string(holds.Paused), "one order", timeCell(h.Since), placer(h.PlacedBy), term.Thousands(h.Jobs),
			h.Source+"/"+h.Reference, aPersonLifts, h.Words)
	}
	return t.end()
}

// aPersonLifts stands where no probe comes by itself.
const aPersonLifts = "a person lifts it"

func nextProbe(h holds.View) string {
	switch {
	case h.Reason.ByPerson():
		return aPersonLifts
	case !h.EndsAt.IsZero():
		return "ends at " + timeCell(h.EndsAt)
	}
	return timeCell(h.NextProbeAt)
}

// placer is who placed a hold.
func placer(by string) string {
	if by == "" {
		return "bulkreg"
	}
	return by
}

// heldWords is why a hold is there: what the registrar said, or who placed it.
func heldWords(h holds.View) string {
	if h.Status != 0 {
		return fmt.Sprintf("%d %s", h.Status, h.Words)
	}
	return h.Words
}
