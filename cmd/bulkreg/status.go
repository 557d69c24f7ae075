package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/queue/api/view"

	"github.com/bulkreg/bulkreg/store/fleet"
	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/record"
	"github.com/bulkreg/bulkreg/store/webhooks"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/store"
)

func (a *app) statusCommand() *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what needs a person, and what is in progress",
		Long: `status says at once what waits for a person, over all orders and accounts, and what to type:

  unconfirmed       jobs that may have been paid for: only a person can find out
  hold              an account stands still until somebody has topped up, corrected or looked at something, or lifts it
  order_paused      an order stands still until somebody resumes it
  no_worker         there is work, and no live worker for its kind and account
  worker_in_trouble a live worker says that something keeps it from working
  queue_paused      somebody paused a queue in Redis, past bulkreg
  webhook_disabled  a webhook of a source answered 410, or has failed for five days: nothing is sent to it
  overdue           a job should have gone by now, or what a worker left behind should have been taken back

Below that it lists what is in progress by kind and account, and since when: jobs that are being called for, that are or will be
delivered, that wait for a time of their own, and that are held; the live workers for them; and when the first of those with
a time of their own may go. Then it names the newest ` + strconv.Itoa(fleet.StatusInProgress) + ` orders in progress: how many of
their jobs have ended, how many have yet to be delivered, and since when. Of an order of more than 10,000 jobs it says how many
may have ended at most, and ` + "`" + `bulkreg order REF` + "`" + ` counts them. It costs the same however much there is: counts end at 10,000.

It exits with 0 when nobody is needed, and with 4 when somebody is.`,
		Example: `  bulkreg status
  bulkreg status -o json | jq -r '.needs[] | .words, .commands[]'
  bulkreg status -o json | jq -r '.orders[] | .source + "/" + .reference'
  bulkreg orders --needs-person`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withReader(cmd.Context(), func(ctx context.Context, st *store.Store) error {
				status, err := st.Fleet.Status(ctx)
				if err != nil {
					return err
				}
				disabled, err := st.Webhooks.Disabled(ctx, fleet.StatusOrders)
				if err != nil {
					return err
				}
				return a.printStatus(out, status, disabled)
			})
		},
	}
	out.add(cmd)
	return cmd
}

func (a *app) printStatus(out output, st fleet.Status, disabled []webhooks.Endpoint) error {
	needs := needsOf(st, disabled)
	if out.json() {
		if err := term.PrintJSON(a.stdout, statusOut(st, needs)); err != nil {
			return err
		}
		return needed(needs)
	}
	if err := a.printNeeds(st, needs); err != nil {
		return err
	}
	if err := a.printLots(st); err != nil {
		return err
	}
	if err := a.printProgress(st); err != nil {
		return err
	}
	return needed(needs)
}

// needed tells by its exit status whether a person is.
func needed(needs []need) error {
	if len(needs) == 0 {
		return nil
	}
	return &exitErr{exitUnconfirmed, fmt.Errorf("%s a person", term.Counted(len(needs), "thing needs", "things need"))}
}

// statusWidth is how wide a status is at most, as far as names allow.
const statusWidth = 79

func (a *app) printNeeds(st fleet.Status, needs []need) error {
	var text strings.Builder
	if len(needs) == 0 {
		text.WriteString("Nobody is needed.\n")
	}
	for _, n := range needs {
		head := strings.ReplaceAll(n.Reason, "_", " ")
		if !n.since.IsZero() {
			head += ", for " + ago(st.At.Sub(n.since))
		}
		fold(&text, "- ", cell(head+": "+n.Words))
		for _, command := range n.Commands {
			text.WriteString("    " + term.Clean(command) + "\n")
		}
	}
	for _, h := range st.Holds {
		if !h.Reason.NeedsPerson() {
			goes := "by itself"
			if !h.EndsAt.IsZero() {
				goes = "at " + timeCell(h.EndsAt)
			}
			fold(&text, "- ", cell(fmt.Sprintf("nothing to do, for %s: account %s has %s hold, which goes %s: %s",
				ago(st.At.Sub(h.Since)), h.Account, withArticle(string(h.Reason)), goes, heldWords(h))))
		}
	}
	if _, err := fmt.Fprint(a.stdout, text.String()); err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	return nil
}

func (a *app) printLots(st fleet.Status) error {
	if len(st.Pipelines) == 0 {
		_, err := fmt.Fprintln(a.stdout, "\nNothing is in progress.")
		return err
	}
	fmt.Fprintln(a.stdout)
	t := newTable(a.stdout, "KIND", "ACCOUNT", "RUNNING", "QUEUED", "LATER", "HELD", "WORKERS", "FOR", "DUE")
	for _, l := range st.Pipelines {
		t.row(string(l.Kind), l.Account, upTo(l.Running), upTo(l.Queued), upTo(l.Waiting), upTo(l.Held), term.Thousands(l.Workers),
			ago(st.At.Sub(l.Since)), dueCell(l, st.At))
	}
	return t.end()
}

// printProgress names the newest orders in progress.
func (a *app) printProgress(st fleet.Status) error {
	if len(st.Orders) == 0 {
		return nil
	}
	fmt.Fprintln(a.stdout)
	t := newTable(a.stdout, "NEWEST ORDERS", "KIND", "JOBS", "ENDED", "TO DELIVER", "FOR")
	for _, o := range st.Orders {
		t.row(o.Name(), string(o.Kind), term.Thousands(o.Total), term.Thousands(o.Ended), term.Thousands(o.Undelivered), ago(st.At.Sub(o.CreatedAt)))
	}
	return t.end()
}

// dueCell is when the first of a lot's waiting jobs may go, or since when it might have.
func dueCell(l fleet.PipelineStatus, at time.Time) string {
	switch {
	case l.Due.IsZero():
		return ""
	case l.Due.After(at):
		return "in " + ago(l.Due.Sub(at))
	}
	return ago(at.Sub(l.Due)) + " ago"
}

// upTo is a number that was not counted further than it is of use.
func upTo(n int) string {
	if n > fleet.StatusMost {
		return term.Thousands(fleet.StatusMost/1000) + "k+"
	}
	return term.Thousands(n)
}

// ago is a time span for people, in its largest unit.
func ago(d time.Duration) string { return term.Ago(d) }

// fold writes a text in lines of statusWidth at most, the first one behind a mark.
func fold(w *strings.Builder, mark, text string) {
	line := mark
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case term.Width(line)+1+term.Width(word) > statusWidth:
			w.WriteString(line + "\n")
			line = strings.Repeat(" ", len(mark))
		default:
			line += " "
		}
		line += word
	}
	w.WriteString(line + "\n")
}

// statusJSON is a status as programs read it. Its names are part of the interface.
type statusJSON struct {
	At          time.Time      `json:"at"` // by the database's clock
	NeedsPerson bool           `json:"needs_person"`
	Needs       []need         `json:"needs"`
	InProgress  []lotJSON      `json:"in_progress"`
	Orders      []progressJSON `json:"orders"` // the newest ones in progress
	Holds       []statusHold   `json:"holds"`  // all of them, also those that go by themselves
	Workers     []statusWorker `json:"workers"`
}

type lotJSON struct {
	Kind    record.Kind `json:"kind"`
	Account string      `json:"account"`
	Running int         `json:"running"` // jobs; more than 10,000 are 10,001, here and below
	Queued  int         `json:"queued"`
	Waiting int         `json:"waiting"` // for a time of their own
	Held    int         `json:"held"`
	Workers int         `json:"workers"` // live ones
	Since   *time.Time  `json:"since"`   // when the oldest of its orders that was found came
	Due     *time.Time  `json:"due"`     // when the first of those waiting may go; null: none waits
}

type progressJSON struct {
	Source    string      `json:"source"`
	Reference string      `json:"reference"`
	Kind      record.Kind `json:"kind"`
	Account   string      `json:"account"`
	Jobs      int         `json:"jobs"`
	Ended     int         `json:"ended"`
	ToDeliver int         `json:"to_deliver"` // never delivered yet
	Since     time.Time   `json:"since"`      // when it was accepted
}

type statusHold struct {
	Account     string       `json:"account"`
	Reason      holds.Reason `json:"reason"`
	Scope       holds.Scope  `json:"scope"`
	Since       time.Time    `json:"since"`
	NextProbeAt *time.Time   `json:"next_probe_at"`
	EndsAt      *time.Time   `json:"ends_at,omitempty"`
	Jobs        int          `json:"jobs"`
	NeedsPerson bool         `json:"needs_person"`
}

type statusWorker struct {
	Name    string    `json:"name"`
	SeenAt  time.Time `json:"seen_at"`
	Alive   bool      `json:"alive"`
	Trouble string    `json:"trouble,omitempty"`
}

func statusOut(st fleet.Status, needs []need) statusJSON {
	out := statusJSON{
		At: st.At.UTC(), NeedsPerson: len(needs) > 0, Needs: []need{}, InProgress: []lotJSON{}, Orders: []progressJSON{}, Holds: []statusHold{}, Workers: []statusWorker{},
	}
	out.Needs = append(out.Needs, needs...)
	for _, l := range st.Pipelines {
		out.InProgress = append(out.InProgress, lotJSON{
			Kind: l.Kind, Account: l.Account, Running: l.Running, Queued: l.Queued, Waiting: l.Waiting, Held: l.Held, Workers: l.Workers,
			Since: view.Time(l.Since), Due: view.Time(l.Due),
		})
	}
	for _, o := range st.Orders {
		out.Orders = append(out.Orders, progressJSON{
			Source: o.Source, Reference: o.Reference, Kind: o.Kind, Account: o.Account, Jobs: o.Total, Ended: o.Ended, ToDeliver: o.Undelivered,
			Since: o.CreatedAt.UTC(),
		})
	}
	for _, h := range st.Holds {
		out.Holds = append(out.Holds, statusHold{
			h.Account, h.Reason, h.Scope, h.Since.UTC(), view.Time(h.NextProbeAt), view.Time(h.EndsAt), h.Jobs, h.Reason.NeedsPerson(),
		})
	}
	for _, w := range st.Workers {
		out.Workers = append(out.Workers, statusWorker{w.Name, w.SeenAt.UTC(), w.Alive, w.Trouble})
	}
	return out
}
