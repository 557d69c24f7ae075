package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/queue/api/view"
	"github.com/bulkreg/bulkreg/queue/hook"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/webhooks"
)

const aWebhookID = "the webhook's ID: `bulkreg webhooks list` lists them"

func (a *app) webhooksCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "webhooks",
		Short: "Tell order systems of events: where to, whether it arrives, and what to send again",
		Long: `webhooks looks after the URLs to which workers post what happens to the orders of a source, after the Standard Webhooks
specification: signed, retried for 75 hours, and in order within an order. The workers that send need TOKEN_ENCRYPTION_KEY, with which the
secrets are kept.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.webhooksAddCommand(), a.webhooksListCommand(), a.webhooksTestCommand(), a.webhooksDeliveriesCommand(), a.webhooksReplayCommand(),
		a.webhooksRecoverCommand(), a.webhooksRotateCommand(), a.webhooksRemoveCommand())
	return cmd
}

func (a *app) webhooksListCommand() *cobra.Command {
	var (
		source string
		out    output
	)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the webhooks, of a source or of all, and how they fare",
		Long: `list lists the webhooks with the events that they get and how they fare:

  well      its last delivery arrived, or there was none yet
  failing   deliveries have failed since that time; they are tried again
  resting   it answered 429, 502 or 504, or fails again and again: nothing is sent to it before that time
  disabled  it answered 410 (gone), or has failed for five days (failing): ` + "`bulkreg webhooks recover`" + ` enables it

WAITING counts deliveries that wait or are under way, SKIPPED those of them that later ones of their order do not wait for any more,
and FAILED those that were given up in the last 30 days. What stands in a URL behind ? is shown in JSON alone.`,
		Example: `  bulkreg webhooks list
  bulkreg webhooks list --source shop -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withReader(cmd.Context(), func(ctx context.Context, st *store.Store) error {
				list, err := st.Webhooks.List(ctx, source)
				if err != nil {
					return err
				}
				return a.printWebhooks(out, list)
			})
		},
	}
	cmd.Flags().StringVar(&source, "source", "", "only webhooks of this source: `NAME` (default: of all)")
	// It fails only for a flag that was not defined, and this one was.
	if err := cmd.RegisterFlagCompletionFunc("source", a.complete(0, webhookSources)); err != nil {
		panic(err)
	}
	out.addList(cmd)
	return cmd
}

func (a *app) printWebhooks(out output, list []webhooks.Endpoint) error {
	if out.json() {
		array := newJSONArray(a.stdout)
		for _, e := range list {
			if err := array.add(view.WebhookOf(e)); err != nil {
				return err
			}
		}
		return array.end()
	}
	if len(list) == 0 {
		fmt.Fprintln(a.stderr, "There are no webhooks: `bulkreg webhooks add NAME URL` adds one.")
		return nil
	}
	t := out.newTable(a.stdout, "WEBHOOK", "SOURCE", "URL", "EVENTS", "IS", "WAITING", "SKIPPED", "FAILED", "CREATED", "BY")
	for _, e := range list {
		t.row(e.ID, e.Source, withoutQuery(e.URL), strings.Join(e.Types, ", "), webhookStanding(e), term.Thousands(e.Waiting), term.Thousands(e.Skipped),
			term.Thousands(e.Failed), timeCell(e.CreatedAt), e.CreatedBy)
	}
	return t.end()
}

// withoutQuery is a URL without what may be a secret of the receiver's.
func withoutQuery(url string) string {
	before, _, has := strings.Cut(url, "?")
	if has {
		return before + "?…"
	}
	return before
}

// webhookStanding says how an endpoint fares.
func webhookStanding(e webhooks.Endpoint) string {
	switch {
	case !e.DisabledAt.IsZero():
		return "disabled (" + string(e.DisabledFor) + ") since " + timeCell(e.DisabledAt)
	case !e.RestsUntil.IsZero():
		return "resting until " + timeCell(e.RestsUntil)
	case !e.FailingSince.IsZero():
		return "failing since " + timeCell(e.FailingSince)
	}
	return "well"
}

func (a *app) webhooksRemoveCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "remove WEBHOOK",
		Short: "Forget a webhook, and what was sent to it",
		Long: `remove forgets a webhook: nothing more is sent to it, and its deliveries are no longer on record. What is under way may still arrive.
It is asked for on a terminal; elsewhere it needs --yes.`,
		Example:           `  bulkreg webhooks remove 3kq7wz2abc --yes`,
		Args:              oneArg(aWebhookID),
		ValidArgsFunction: a.complete(1, webhookIDs),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withStore(cmd.Context(), func(ctx context.Context, st *store.Store) error {
				e, err := findWebhook(ctx, st, args[0])
				if err != nil {
					return err
				}
				question := fmt.Sprintf("Remove webhook %s of source %s, %s? %s that wait for it are not sent.", e.ID, e.Source, withoutQuery(e.URL),
					term.Counted(e.Waiting, "delivery", "deliveries"))
				if err := a.consent(ctx, yes, question); err != nil {
					return err
				}
				if err := st.Webhooks.Remove(ctx, e.ID); err != nil {
					return unchanged(ctx, err)
				}
				say(a.stderr, "webhook %s removed\n", e.ID)
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// findWebhook finds a webhook of any source.
func findWebhook(ctx context.Context, st *store.Store, id string) (webhooks.Endpoint, error) {
	if !hook.IsID(id) {
		return webhooks.Endpoint{}, usagef("%q is no ID of a webhook: `bulkreg webhooks list` lists them", id)
	}
	e, err := st.Webhooks.Find(ctx, "", id)
	if errors.Is(err, pg.ErrNotFound) {
		return e, &notFound{fmt.Errorf("there is no webhook %s: `bulkreg webhooks list` lists them", id)}
	}
	return e, err
}

// withSettings is withStore for what needs more of the settings.
func (a *app) withSettings(ctx context.Context, fn func(context.Context, *store.Store, config.Config) error) error {
	cfg, err := a.loadConfigFor(config.UseStore | config.UseOrders)
	if err != nil {
		return err
	}
	st, err := openStore(ctx, cfg)
	if err != nil {
		return err
	}
	defer st.Close()
	return fn(ctx, st, cfg)
}

// webhookIDs are the ids of webhooks.
func webhookIDs(ctx context.Context, st *store.Store, begun string) ([]string, error) {
	return webhookWords(ctx, st, begun, func(e webhooks.Endpoint) string { return e.ID })
}

// webhookSources are the sources that have webhooks.
func webhookSources(ctx context.Context, st *store.Store, begun string) ([]string, error) {
	return webhookWords(ctx, st, begun, func(e webhooks.Endpoint) string { return e.Source })
}

func webhookWords(ctx context.Context, st *store.Store, begun string, word func(webhooks.Endpoint) string) ([]string, error) {
	list, err := st.Webhooks.List(ctx, "")
	var words []string
	for _, e := range list {
		if w := word(e); strings.HasPrefix(w, begun) && !slices.Contains(words, w) && len(words) < completions {
			words = append(words, w)
		}
	}
	return words, err
}
