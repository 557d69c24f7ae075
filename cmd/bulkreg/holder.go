package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/queue/intake/holder"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/worker/registrar"
)

func (a *app) holderCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "holder",
		Short: "Find, create, change or delete a holder at the registrar, now and directly",
		Long: `holder makes one call to the registrar about one holder, the registrant of domains. It needs no order and no worker.

Orders need no such calls: their lines may carry the holder's details, and whoever is not there yet is created once.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.holderGetCommand())
	cmd.AddCommand(a.holderCreateCommand())
	cmd.AddCommand(a.holderUpdateCommand())
	cmd.AddCommand(a.holderDeleteCommand())
	return cmd
}

// holding is one direct call about a holder.
type holding struct {
	*app
	account string
	out     output
	details detailFlags
	yes     bool
}

func (h *holding) flags(cmd *cobra.Command) {
	h.addAccount(cmd, &h.account, "`NAME` of the registrar's account to use")
	h.out.add(cmd)
}

// withClient runs fn with the client of the account.
func (h *holding) withClient(fn func(config.Config, *registrar.Client) error) error {
	cfg, err := h.loadConfigFor(config.UseRegistrar | config.UseStore)
	if err != nil {
		return err
	}
	account, err := cfg.Account(h.account)
	if err != nil {
		return usageError(err)
	}
	client, err := newClient(cfg, account, 1)
	if err != nil {
		return err
	}
	defer client.Close()
	return withRemedy(fn(cfg, client), h.account)
}

func (a *app) holderGetCommand() *cobra.Command {
	h := &holding{app: a}
	var search registrar.HolderSearch
	cmd := &cobra.Command{
		Use:   "get ID|--email ADDRESS",
		Short: "Find a holder by id or e-mail address",
		Example: `  bulkreg holder get H-1
  bulkreg holder get --email ann@example.nl -o json`,
		Args: oneAtMost,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 0 && search.ID != "":
				return usagef("the id is given twice: as %s and by --id", shellWord(args[0]))
			case len(args) > 0 && strings.Contains(args[0], "@"):
				return usagef("an e-mail address is no id: give it with --email")
			case len(args) > 0:
				search.ID = args[0]
			}
			if (search.ID == "") == (search.Email == "") {
				return usagef("say who: either ID or --email ADDRESS")
			}
			return h.withClient(func(_ config.Config, client *registrar.Client) error {
				reply, err := client.FindHolder(cmd.Context(), search)
				if err != nil {
					return err
				}
				return h.print(reply.Holder)
			})
		},
	}
	cmd.Flags().StringVar(&search.ID, "id", "", "the holder's `ID`, which is the same as the argument")
	cmd.Flags().StringVar(&search.Email, "email", "", "the holder's e-mail `ADDRESS`")
	h.flags(cmd)
	return cmd
}

func (a *app) holderCreateCommand() *cobra.Command {
	h := &holding{app: a}
	cmd := &cobra.Command{
		Use:   "create [--firstname NAME ...]",
		Short: "Create a holder, from flags or from JSON on standard input",
		Long: `create creates a holder and prints it with its id. Without flags for its details, they are read as one JSON object
from standard input, where no other user of this machine sees them.`,
		Example: `  bulkreg holder create < holder.json
  bulkreg holder create --company "Bakkerij B.V." --email info@example.nl --phone +31201234567 \
    --street Markt --housenumber 1 --postalcode "1234 AB" --city Dorp --country NL`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return h.create(cmd.Context()) },
	}
	h.details.add(cmd)
	h.flags(cmd)
	return cmd
}

func (h *holding) create(ctx context.Context) error {
	given, err := h.details.read(ctx, h.app)
	if err != nil {
		return err
	}
	if given.ID != "" {
		return usagef("id is the registrar's to give: leave it out, or change that holder with `bulkreg holder update %s`", shellWord(given.ID))
	}
	details, err := holder.Check(given.Details)
	if err != nil {
		return usageError(err)
	}
	return h.withClient(func(_ config.Config, client *registrar.Client) error {
		reply, err := client.CreateHolder(ctx, upstreamHolder("", details))
		switch {
		case err != nil && mayHaveChanged(reply.Answer):
			return fmt.Errorf("%w; the holder may be there all the same: `bulkreg holder get --email ADDRESS` tells", err)
		case err != nil:
			return err
		}
		return h.print(reply.Holder)
	})
}

func (a *app) holderUpdateCommand() *cobra.Command {
	h := &holding{app: a}
	cmd := &cobra.Command{
		Use:   "update ID [--city NAME ...]",
		Short: "Change the given details of a holder, from flags or from JSON on standard input",
		Long: `update changes those details of a holder that are given, by flags or as one JSON object on standard input.

An order that comes later with the holder's former details gets another holder; this needs DATABASE_URL.`,
		Example: `  bulkreg holder update H-1 --street Markt --housenumber 2
  echo '{"email":"ann@example.be"}' | bulkreg holder update H-1`,
		Args: oneArg(aHolder),
		RunE: func(cmd *cobra.Command, args []string) error { return h.update(cmd.Context(), args[0]) },
	}
	h.details.add(cmd)
	h.flags(cmd)
	return cmd
}

func (h *holding) update(ctx context.Context, id string) error {
	given, err := h.details.read(ctx, h.app)
	if err != nil {
		return err
	}
	if given.ID != "" && given.ID != id {
		return usagef("the id in the details is not %s: say whom to change", shellWord(id))
	}
	details, err := holder.CheckGiven(given.Details)
	switch {
	case err != nil:
		return usageError(err)
	case details == holder.Details{}:
		return usagef("there is nothing to change: give a detail, such as --city NAME")
	}
	var changed registrar.Holder
	err = h.change(ctx, id, func(client *registrar.Client) (registrar.Answer, error) {
		reply, err := client.UpdateHolder(ctx, upstreamHolder(id, details))
		changed = reply.Holder
		return reply.Answer, err
	})
	if err != nil {
		return err
	}
	return h.print(changed)
}

func (a *app) holderDeleteCommand() *cobra.Command {
	h := &holding{app: a}
	cmd := &cobra.Command{
		Use:   "delete ID",
		Short: "Delete a holder",
		Long: `delete deletes a holder at the registrar. It asks first on a terminal; elsewhere it needs --yes.

An order that comes later with the holder's details gets another holder; this needs DATABASE_URL.`,
		Example: `  bulkreg holder delete H-1 --yes`,
		Args:    oneArg(aHolder),
		RunE:    func(cmd *cobra.Command, args []string) error { return h.delete(cmd.Context(), args[0]) },
	}
	cmd.Flags().BoolVar(&h.yes, "yes", false, "do not ask")
	h.flags(cmd)
	return cmd
}

func (h *holding) delete(ctx context.Context, id string) error {
	say(h.stderr, "The plan: holder %s of account %s is deleted at the registrar, for good.\n", shellWord(id), h.account)
	if err := h.consent(ctx, h.yes, fmt.Sprintf("Delete holder %s?", shellWord(id))); err != nil {
		return err
	}
	err := h.change(ctx, id, func(client *registrar.Client) (registrar.Answer, error) {
		return client.DeleteHolder(ctx, id)
	})
	if err != nil {
		return err
	}
	if h.out.json() {
		return term.PrintJSON(h.stdout, struct {
			ID      string `json:"id"`
			Deleted bool   `json:"deleted"`
		}{id, true})
	}
	_, err = fmt.Fprintf(h.stdout, "holder %s is deleted\n", shellWord(id))
	return err
}

// change makes a call that changes an upstream holder, and then has our memory of it forgotten: orders to come must not get
// a holder who is somebody else by now. The database is looked for first, so that its absence stops nothing half way.
func (h *holding) change(ctx context.Context, id string, call func(*registrar.Client) (registrar.Answer, error)) error {
	return h.withClient(func(cfg config.Config, client *registrar.Client) error {
		var missing *config.MissingError
		_, err := cfg.Database()
		if errors.As(err, &missing) {
			fmt.Fprintln(h.stderr, "DATABASE_URL is not set: orders with the former details of this holder will still get it")
			_, err = call(client)
			return err
		}
		st, err := openStore(ctx, cfg)
		if err != nil {
			return err
		}
		defer st.Close()
		answer, err := call(client)
		if err != nil && !mayHaveChanged(answer) {
			return err
		}
		return errors.Join(err, h.retire(context.WithoutCancel(ctx), st, id))
	})
}

func (h *holding) retire(ctx context.Context, st *store.Store, id string) error {
	if _, err := st.Holders.RetireHolder(ctx, h.account, id); err != nil {
		return fmt.Errorf("%w; orders with the former details of this holder may still get it: give the command again", err)
	}
	return nil
}

// mayHaveChanged says of an answer that is no success whether something may have changed all the same, or is not as it was
// thought to be.
func mayHaveChanged(a registrar.Answer) bool {
	return a.Sent && (a.Status < http.StatusMultipleChoices || a.Status >= http.StatusInternalServerError || a.Status == http.StatusNotFound)
}
