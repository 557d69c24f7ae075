package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/api/endpoint"
	"github.com/bulkreg/bulkreg/queue/hook"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/events"
	"github.com/bulkreg/bulkreg/store/record"
	"github.com/bulkreg/bulkreg/store/webhooks"
)

// webhookDesk makes webhooks and their secrets with what the settings say.
func webhookDesk(st *store.Store, cfg config.Config) (endpoint.Desk, error) {
	keys, err := cfg.SealKeys()
	if err != nil {
		return endpoint.Desk{}, usagef("secrets of webhooks are kept encrypted: %w", err)
	}
	networks, err := cfg.WebhookNetworks()
	if err != nil {
		return endpoint.Desk{}, usageError(err)
	}
	return endpoint.Desk{Store: st.Webhooks, Seal: keys, Own: networks, Random: rand.Reader}, nil
}

func (a *app) webhooksAddCommand() *cobra.Command {
	var (
		types choices
		by    string
		out   output
	)
	cmd := &cobra.Command{
		Use:   "add NAME URL",
		Short: "Tell a source of what happens, and show the secret once",
		Long: `add has everything that happens to the orders of the source NAME from now on posted to URL. It prints the secret with which the
receiver verifies the header webhook-signature on standard output. Keep it at once: it is shown this one time. The public key, with which v1a
signatures are verified instead, is no secret.

URL begins with https:// and leads to a public address; WEBHOOK_ALLOWED_NETWORKS names networks of your own that it may lead to
as well, then also with http://. TOKEN_ENCRYPTION_KEY has to be the same here and with the workers.

Without --types all events are sent but job.finished, of which there is one for each job.`,
		Example: `  bulkreg webhooks add shop https://shop.example/hooks/bulkreg > shop.secret
  bulkreg webhooks add shop https://shop.example/hooks --types order.completed,order.needs_attention`,
		Args:              nameAndURL,
		ValidArgsFunction: a.complete(1, keySources),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.settleBy(cmd.Context(), cmd, &by); err != nil {
				return err
			}
			if err := record.CheckRecord(by, ""); err != nil {
				return usageError(err)
			}
			if err := queue.CheckName(args[0], queue.MaxName); err != nil {
				return usagef("the source's name %w", err)
			}
			return a.addWebhook(cmd.Context(), endpoint.New{Source: args[0], URL: args[1], Types: types.types(), By: by}, out)
		},
	}
	for _, t := range events.Types() {
		types.words = append(types.words, string(t))
	}
	cmd.Flags().Var(&types, "types", "only events of these `TYPES`, with commas between them")
	// It fails only for a flag that was not defined, and this one was.
	if err := cmd.RegisterFlagCompletionFunc("types", types.complete); err != nil {
		panic(err)
	}
	a.addBy(cmd, &by)
	out.add(cmd)
	return cmd
}

func nameAndURL(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) < 2:
		return usageLines("give the name of the source, such as shop, and the URL\nUsage: %s", cmd.UseLine())
	case len(args) > 2:
		return usageLines("%s takes two arguments: %q is one too many\nUsage: %s", cmd.Name(), args[2], cmd.UseLine())
	}
	return nil
}

func (c *choices) types() []events.Type {
	types := make([]events.Type, len(c.values))
	for i, word := range c.values {
		types[i] = events.Type(word)
	}
	return types
}

func (a *app) addWebhook(ctx context.Context, n endpoint.New, out output) error {
	return a.withSettings(ctx, func(ctx context.Context, st *store.Store, cfg config.Config) error {
		desk, err := webhookDesk(st, cfg)
		if err != nil {
			return err
		}
		made, err := desk.Add(ctx, n)
		var (
			input  *endpoint.InputError
			exists *webhooks.ExistsError
		)
		switch {
		case errors.As(err, &input), errors.Is(err, webhooks.ErrTooMany):
			return usageError(err)
		case errors.As(err, &exists):
			return usagef("%w; where its secret was lost, `bulkreg webhooks rotate %s` makes another one", err, exists.ID)
		case err != nil:
			return err
		}
		say(a.stderr, "webhook %s of source %s made. v1a signatures are verified with\n  %s\nand v1 signatures with this secret, which is shown this once:\n",
			made.ID, n.Source, hook.PublicText(made.Secret.PublicKey()))
		return a.printSecret(out, made.ID, made.Secret)
	})
}

// secretJSON is a new secret for programs. Its names are part of the interface, and those of the HTTP API.
type secretJSON struct {
	ID        string `json:"webhook_id"`
	Secret    string `json:"secret"`
	PublicKey string `json:"public_key"`
}

func (a *app) printSecret(out output, id string, secret hook.Secret) error {
	var err error
	if out.json() {
		err = term.PrintJSON(a.stdout, secretJSON{id, secret.Reveal(), hook.PublicText(secret.PublicKey())})
	} else {
		_, err = fmt.Fprintln(a.stdout, secret.Reveal())
	}
	if err != nil {
		return fmt.Errorf("print secret: %w; `bulkreg webhooks rotate %s` makes another one", err, id)
	}
	return nil
}

func (a *app) webhooksRotateCommand() *cobra.Command {
	var (
		overlap time.Duration
		out     output
	)
	cmd := &cobra.Command{
		Use:   "rotate WEBHOOK",
		Short: "Give a webhook a new secret, and show it once",
		Long: `rotate makes a new secret for a webhook and prints it on standard output. The one before it signs as well for as long as --overlap
says, so that the receiver can be changed meanwhile. Where it leaked, --overlap 0 ends it at once.`,
		Example: `  bulkreg webhooks rotate 3kq7wz2abc > shop.secret
  bulkreg webhooks rotate 3kq7wz2abc --overlap 0`,
		Args:              oneArg(aWebhookID),
		ValidArgsFunction: a.complete(1, webhookIDs),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withSettings(cmd.Context(), func(ctx context.Context, st *store.Store, cfg config.Config) error {
				return a.rotateWebhook(ctx, st, cfg, args[0], overlap, out)
			})
		},
	}
	cmd.Flags().DurationVar(&overlap, "overlap", endpoint.DefaultOverlap, "how long the secret before signs as well: `TIME` such as 24h, at most 720h")
	out.add(cmd)
	return cmd
}

func (a *app) rotateWebhook(ctx context.Context, st *store.Store, cfg config.Config, id string, overlap time.Duration, out output) error {
	desk, err := webhookDesk(st, cfg)
	if err != nil {
		return err
	}
	e, err := findWebhook(ctx, st, id)
	if err != nil {
		return err
	}
	secret, err := desk.Rotate(ctx, e, overlap)
	if input := (*endpoint.InputError)(nil); errors.As(err, &input) {
		return usagef("--overlap: %w", err)
	}
	if err != nil {
		return err
	}
	say(a.stderr, "the secret before signs as well for %s. v1a signatures are verified with\n  %s\nand v1 signatures with this secret, which is shown this once:\n",
		overlap, hook.PublicText(secret.PublicKey()))
	return a.printSecret(out, e.ID, secret)
}
