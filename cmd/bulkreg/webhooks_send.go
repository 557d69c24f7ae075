package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/queue/api/endpoint"
	"github.com/bulkreg/bulkreg/queue/api/view"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/webhooks"
)

const (
	testWait = 30 * time.Second // a worker gives an attempt 20 s
	testLook = 100 * time.Millisecond
)

func (a *app) webhooksTestCommand() *cobra.Command {
	var (
		out  output
		wait time.Duration
	)
	cmd := &cobra.Command{
		Use:   "test WEBHOOK",
		Short: "Send a message to a webhook now, and tell what came of it",
		Long: `test has a worker send one message of the type webhook.test, signed as any other, and waits for the answer. It is sent once, also
where the webhook rests or is disabled, which it stays.

It exits with 0 where the message arrived, with 3 where it did not, and with 5 where no worker has sent it in time.`,
		Example:           `  bulkreg webhooks test 3kq7wz2abc`,
		Args:              oneArg(aWebhookID),
		ValidArgsFunction: a.complete(1, webhookIDs),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withStore(cmd.Context(), func(ctx context.Context, st *store.Store) error {
				e, err := findWebhook(ctx, st, args[0])
				if err != nil {
					return err
				}
				id, err := st.Webhooks.Test(ctx, e.ID)
				if err != nil {
					return err
				}
				d, err := awaitDelivery(ctx, st, e.ID, id, wait)
				if err != nil {
					return err
				}
				return a.printTest(out, d)
			})
		},
	}
	cmd.Flags().DurationVar(&wait, "timeout", testWait, "how long to wait: `TIME` such as 30s")
	out.add(cmd)
	return cmd
}

// awaitDelivery waits for the first attempt of a delivery.
func awaitDelivery(ctx context.Context, st *store.Store, webhook string, id int64, wait time.Duration) (webhooks.Delivery, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	tick := time.NewTicker(testLook)
	defer tick.Stop()
	for {
		d, err := st.Webhooks.Delivery(ctx, webhook, id)
		switch {
		case err == nil && d.Newest != nil:
			return d, nil
		case err != nil && ctx.Err() == nil:
			return d, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return d, ctx.Err()
			}
			return d, &exitErr{exitNotFinished, fmt.Errorf("no worker has sent it within %s: see that one runs, and has TOKEN_ENCRYPTION_KEY; "+
				"`bulkreg webhooks deliveries %s %d` tells what came of it", wait, webhook, id)}
		}
	}
}

func (a *app) printTest(out output, d webhooks.Delivery) error {
	if out.json() {
		if err := term.PrintJSON(a.stdout, view.DeliveryOf(d)); err != nil {
			return err
		}
	} else if err := a.printAttempts([]webhooks.Attempt{*d.Newest}, out); err != nil {
		return err
	}
	if d.Newest.Error != "" {
		return &exitErr{exitNotAll, errors.New("the message was not taken: " + d.Newest.Error)}
	}
	return nil
}

func (a *app) webhooksReplayCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "replay WEBHOOK DELIVERY",
		Short: "Send a delivery again, whatever came of it",
		Long: `replay sends a delivery again, with the same webhook-id, so that a receiver that has dealt with it knows it again. It goes beside
the others of its order.`,
		Example:           `  bulkreg webhooks replay 3kq7wz2abc 4711`,
		Args:              webhookAndDelivery(2),
		ValidArgsFunction: a.complete(1, webhookIDs),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withStore(cmd.Context(), func(ctx context.Context, st *store.Store) error {
				d, err := findDelivery(ctx, st, args[0], args[1])
				if err != nil {
					return err
				}
				if err := st.Webhooks.Replay(ctx, d.Endpoint, d.ID); err != nil {
					return err
				}
				say(a.stderr, "delivery %d is sent again\n", d.ID)
				return nil
			})
		},
	}
}

// findDelivery finds a delivery of a webhook by what was typed.
func findDelivery(ctx context.Context, st *store.Store, webhook, delivery string) (webhooks.Delivery, error) {
	e, err := findWebhook(ctx, st, webhook)
	if err != nil {
		return webhooks.Delivery{}, err
	}
	id, err := strconv.ParseInt(delivery, 10, 64)
	if err != nil || id < 1 {
		return webhooks.Delivery{}, usagef("%q is no ID of a delivery: `bulkreg webhooks deliveries %s` lists them", delivery, e.ID)
	}
	d, err := st.Webhooks.Delivery(ctx, e.ID, id)
	if errors.Is(err, pg.ErrNotFound) {
		return d, &notFound{fmt.Errorf("webhook %s has no delivery %d: `bulkreg webhooks deliveries %s` lists those of the last 30 days", e.ID, id, e.ID)}
	}
	return d, err
}

// recovering sends again what a webhook has not taken.
type recovering struct {
	*app
	since moment
	yes   bool
	out   output
}

func (a *app) webhooksRecoverCommand() *cobra.Command {
	r := &recovering{app: a}
	cmd := &cobra.Command{
		Use:   "recover WEBHOOK --since TIME",
		Short: "Send again what a webhook has not taken, and enable it",
		Long: `recover sends again what a webhook has refused since a time: deliveries that failed, were skipped or still wait for their next
attempt. Where it was disabled, it is enabled, and what happened meanwhile is sent, too. What was delivered is not sent again. The plan is
shown first, and it is asked for on a terminal; elsewhere it needs --yes.`,
		Example: `  bulkreg webhooks recover 3kq7wz2abc --since 2d
  bulkreg webhooks recover 3kq7wz2abc --since 2026-11-24T08:00:00Z --yes`,
		Args:              oneArg(aWebhookID),
		ValidArgsFunction: a.complete(1, webhookIDs),
		RunE:              func(cmd *cobra.Command, args []string) error { return r.run(cmd.Context(), args[0]) },
	}
	cmd.Flags().Var(&r.since, "since", "from when on: `TIME` such as 2d or 6h ago, or 2026-11-24T08:00:00Z; at most 30 days ago (required)")
	cmd.Flags().BoolVar(&r.yes, "yes", false, "do not ask")
	r.out.add(cmd)
	return cmd
}

func (r *recovering) run(ctx context.Context, id string) error {
	if r.since.text == "" {
		return usagef("--since is missing: say from when on, such as 2d")
	}
	return r.withStore(ctx, func(ctx context.Context, st *store.Store) error {
		e, err := findWebhook(ctx, st, id)
		if err != nil {
			return err
		}
		desk, now := endpoint.Desk{Store: st.Webhooks}, time.Now()
		since := r.since.before(now)
		plan, err := desk.Recover(ctx, e.ID, since, now, true)
		if input := (*endpoint.InputError)(nil); errors.As(err, &input) {
			return usagef("--since %s: %w", r.since.text, err)
		}
		if err != nil {
			return unchanged(ctx, err)
		}
		if plan == (webhooks.Recovery{}) {
			say(r.stderr, "There is nothing that webhook %s has not taken since %s.\n", e.ID, timeCell(since))
			return r.print(plan)
		}
		say(r.stderr, "The plan: webhook %s of source %s, %s, gets %s again that it has not taken%s.\n", e.ID, e.Source, withoutQuery(e.URL),
			term.Counted(plan.Again, "delivery", "deliveries"), enabledWords(plan))
		if err := r.consent(ctx, r.yes, "Send them?"); err != nil {
			return err
		}
		done, err := desk.Recover(ctx, e.ID, since, now, false)
		if err != nil {
			return unchanged(ctx, err)
		}
		return r.print(done)
	})
}

// enabledWords is what is said of events that nobody sent, because the webhook was disabled.
func enabledWords(plan webhooks.Recovery) string {
	if !plan.Enabled {
		return ""
	}
	return ", and " + term.Counted(plan.Missed, "event", "events") + " that happened while it was disabled; it is enabled"
}

func (r *recovering) print(found webhooks.Recovery) error {
	if r.out.json() {
		return term.PrintJSON(r.stdout, struct {
			Again   int  `json:"again"`
			Missed  int  `json:"missed"`
			Enabled bool `json:"enabled"`
		}{found.Again, found.Missed, found.Enabled})
	}
	t := newTable(r.stdout, "AGAIN", "MISSED", "ENABLED")
	t.row(term.Thousands(found.Again), term.Thousands(found.Missed), map[bool]string{true: "yes", false: ""}[found.Enabled])
	return t.end()
}

// moment is a flag for a time: how long ago, or when.
type moment struct {
	text string
	ago  age
	at   time.Time
}

func (m *moment) Type() string { return "time" }

func (m *moment) String() string { return m.text }

// Set takes what age takes, or a time or day of RFC 3339.
func (m *moment) Set(text string) error {
	*m = moment{text: text}
	if m.ago.Set(text) == nil {
		return nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			m.at = at
			return nil
		}
	}
	*m = moment{}
	return errors.New("want how long ago, such as 6h or 2d, or a time such as 2026-11-24T08:00:00Z")
}

// before is the time that is meant, where it is now.
func (m *moment) before(now time.Time) time.Time {
	if m.at.IsZero() {
		return now.Add(-time.Duration(m.ago))
	}
	return m.at
}
