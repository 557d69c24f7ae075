package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/queue/api/view"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/webhooks"
)

// deliveryList is what of a webhook's deliveries is listed.
type deliveryList struct {
	*app
	state   choice
	skipped bool
	limit   int
	after   int64
	out     output
}

const (
	usualDeliveries = 50
	mostDeliveries  = 1000
)

func (a *app) webhooksDeliveriesCommand() *cobra.Command {
	l := &deliveryList{app: a}
	cmd := &cobra.Command{
		Use:   "deliveries WEBHOOK [DELIVERY]",
		Short: "List what was sent to a webhook and what came of it, or every attempt of one delivery",
		Long: `deliveries lists the deliveries of a webhook, the newest first, each with its newest attempt. With the ID of a delivery it lists all
attempts of that one. They are kept for 30 days after they ended. ANSWER is how the receiver's answer begins, in its own words.`,
		Example: `  bulkreg webhooks deliveries 3kq7wz2abc --state failed
  bulkreg webhooks deliveries 3kq7wz2abc 4711`,
		Args:              webhookAndDelivery(1),
		ValidArgsFunction: a.complete(1, webhookIDs),
		RunE: func(cmd *cobra.Command, args []string) error {
			if l.limit < 1 || l.limit > mostDeliveries {
				return usagef("--limit %d: want 1 to %d", l.limit, mostDeliveries)
			}
			return a.withReader(cmd.Context(), func(ctx context.Context, st *store.Store) error {
				if len(args) > 1 {
					return l.showOne(ctx, st, args[0], args[1])
				}
				return l.list(ctx, st, args[0])
			})
		},
	}
	addChoice(cmd, &l.state, "state", "", "only deliveries in this `STATE`: waiting, delivered or failed", "", "waiting", "delivered", "failed")
	f := cmd.Flags()
	f.BoolVar(&l.skipped, "skipped", false, "only those that later ones of their order do not wait for any more")
	f.IntVar(&l.limit, "limit", usualDeliveries, "how many at most: `NUMBER` up to 1000")
	f.Int64Var(&l.after, "after", 0, "go on behind this `DELIVERY`: the last one of the list before")
	l.out.addList(cmd)
	return cmd
}

// webhookAndDelivery wants the id of a webhook, and one of a delivery where least is 2.
func webhookAndDelivery(least int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return usageLines("give %s\nUsage: %s", aWebhookID, cmd.UseLine())
		case len(args) < least:
			return usageLines("give the delivery's ID: `bulkreg webhooks deliveries %s` lists them\nUsage: %s", args[0], cmd.UseLine())
		case len(args) > 2:
			return usageLines("%s takes two arguments: %q is one too many\nUsage: %s", cmd.Name(), args[2], cmd.UseLine())
		}
		return nil
	}
}

func (l *deliveryList) list(ctx context.Context, st *store.Store, webhook string) error {
	e, err := findWebhook(ctx, st, webhook)
	if err != nil {
		return err
	}
	found, err := st.Webhooks.Deliveries(ctx, webhooks.DeliveryFilter{
		Endpoint: e.ID, State: webhooks.State(l.state.value), Skipped: l.skipped, Before: l.after, Limit: l.limit + 1,
	})
	if err != nil {
		return err
	}
	page := found[:min(len(found), l.limit)]
	if err := l.print(page); err != nil {
		return err
	}
	if len(found) > l.limit {
		say(l.stderr, "There are more: go on with --after %d\n", page[len(page)-1].ID)
	}
	return nil
}

func (l *deliveryList) print(list []webhooks.Delivery) error {
	if l.out.json() {
		array := newJSONArray(l.stdout)
		for _, d := range list {
			if err := array.add(view.DeliveryOf(d)); err != nil {
				return err
			}
		}
		return array.end()
	}
	if len(list) == 0 {
		fmt.Fprintln(l.stderr, "There are none.")
		return nil
	}
	t := l.out.newTable(l.stdout, "DELIVERY", "EVENT", "ORDER", "CREATED", "STATE", "ATTEMPTS", "NEXT", "STATUS", "ERROR")
	for _, d := range list {
		newest := webhooks.Attempt{}
		if d.Newest != nil {
			newest = *d.Newest
		}
		t.row(strconv.FormatInt(d.ID, 10), eventCell(d), d.Reference, timeCell(d.CreatedAt), deliveryCell(d), strconv.Itoa(d.Attempts), nextCell(d),
			statusCell(newest.Status), l.short(newest.Error))
	}
	return t.end()
}

func eventCell(d webhooks.Delivery) string {
	if d.EventID == 0 {
		return "webhook.test"
	}
	return d.Type
}

func deliveryCell(d webhooks.Delivery) string {
	switch {
	case d.UnderWay:
		return "under way"
	case d.State == webhooks.Waiting && !d.SkippedAt.IsZero() && d.EventID != 0:
		return "waiting, skipped"
	}
	return string(d.State)
}

// nextCell is when a delivery is tried next.
func nextCell(d webhooks.Delivery) string {
	switch {
	case d.State != webhooks.Waiting, d.UnderWay:
		return ""
	case d.DueAt.IsZero():
		return "after those before it"
	}
	return timeCell(d.DueAt)
}

// statusCell is a status of HTTP, "" where no answer came.
func statusCell(status int) string {
	if status == 0 {
		return ""
	}
	return strconv.Itoa(status)
}

func (l *deliveryList) showOne(ctx context.Context, st *store.Store, webhook, delivery string) error {
	d, err := findDelivery(ctx, st, webhook, delivery)
	if err != nil {
		return err
	}
	attempts, err := st.Webhooks.Attempts(ctx, d.ID)
	if err != nil {
		return err
	}
	if l.out.json() {
		tries := make([]view.Attempt, len(attempts))
		for i, one := range attempts {
			tries[i] = view.AttemptOf(one)
		}
		return term.PrintJSON(l.stdout, struct {
			view.Delivery

			Tries []view.Attempt `json:"tries"`
		}{view.DeliveryOf(d), tries})
	}
	say(l.stderr, "%s, %s\n", eventCell(d), deliveryCell(d))
	return l.printAttempts(attempts, l.out)
}

func (a *app) printAttempts(attempts []webhooks.Attempt, out output) error {
	if len(attempts) == 0 {
		fmt.Fprintln(a.stderr, "There was no attempt yet.")
		return nil
	}
	t := out.newTable(a.stdout, "AT", "TOOK", "STATUS", "ERROR", "ANSWER")
	for _, one := range attempts {
		t.row(timeCell(one.At), one.Took.String(), statusCell(one.Status), one.Error, a.short(one.Answer))
	}
	return t.end()
}
