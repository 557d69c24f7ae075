package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/queue/intake/domainname"
	"github.com/bulkreg/bulkreg/worker/registrar"
)

func (a *app) whoisCommand() *cobra.Command {
	var (
		account string
		out     output
	)
	cmd := &cobra.Command{
		Use:   "whois DOMAIN...",
		Short: "Ask the registrar whether domains are free, now and directly",
		Long: `Ask the registrar whether domains are free: one call, now, without an order and without a database.

For many domains, and to keep the answers, use: bulkreg enqueue whois`,
		Example: `  bulkreg whois example.nl
  bulkreg whois example.nl example.com -o json`,
		Args: manyArgs(aDomain),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.whois(cmd.Context(), account, out, args)
		},
	}
	a.addAccount(cmd, &account, "`NAME` of the account that asks")
	out.addList(cmd)
	return cmd
}

func (a *app) whois(ctx context.Context, account string, out output, args []string) error {
	cfg, err := a.loadConfigFor(config.UseRegistrar)
	if err != nil {
		return err
	}
	suffixes, err := cfg.Suffixes()
	if err != nil {
		return usageError(err)
	}
	names, err := parseDomainsUnder(suffixes, args, cfg.WhoisBatchSize)
	if err != nil {
		return err
	}
	credentials, err := cfg.Account(account)
	if err != nil {
		return usageError(err)
	}
	client, err := newClient(cfg, credentials, 1)
	if err != nil {
		return err
	}
	defer client.Close()
	reply, err := askRegistrar(ctx, client, names)
	if err != nil {
		return withRemedy(err, account)
	}
	answers := matchChecks(names, reply.Checks)
	if err := printWhois(a.stdout, out, answers); err != nil {
		return err
	}
	unknown := 0
	for _, answer := range answers {
		if answer.Availability == registrar.Unknown {
			unknown++
		}
	}
	if unknown > 0 {
		return fmt.Errorf("the registrar has no answer for %d of %s", unknown, term.Counted(len(answers), "domain", "domains"))
	}
	return nil
}

// parseDomains reads the domains of one call, and all that is wrong with them.
func parseDomains(args []string, most int) ([]domainname.Name, error) {
	return parseDomainsUnder(domainname.Suffixes{}, args, most)
}

func parseDomainsUnder(suffixes domainname.Suffixes, args []string, most int) ([]domainname.Name, error) {
	var (
		names    []domainname.Name
		problems []error
		seen     = map[string]bool{}
	)
	for _, arg := range args {
		name, err := suffixes.Parse(arg)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if !seen[name.ASCII] {
			seen[name.ASCII] = true
			names = append(names, name)
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, usageError(err)
	}
	if len(names) > most {
		return nil, usagef("%d domains are more than one call takes (WHOIS_BATCH_SIZE=%d): use `bulkreg enqueue whois`", len(names), most)
	}
	return names, nil
}

// askRegistrar makes the one call: that for a single domain, or the bulk one.
func askRegistrar(ctx context.Context, client *registrar.Client, names []domainname.Name) (registrar.CheckReply, error) {
	if len(names) == 1 {
		return client.Check(ctx, names[0].ASCII)
	}
	domains := make([]string, len(names))
	for i, name := range names {
		domains[i] = name.ASCII
	}
	return client.CheckBulk(ctx, domains)
}

// whoisAnswer is what the registrar said of one domain.
type whoisAnswer struct {
	Domain       string                 `json:"domain"`
	Unicode      string                 `json:"unicode,omitempty"` // where it differs
	Availability registrar.Availability `json:"availability"`
	Status       string                 `json:"status,omitempty"`
	Bars         []string               `json:"bars,omitempty"`   // words of Status with which an order would not register it
	Barred       bool                   `json:"barred,omitempty"` // of a dry run: the order does not allow these words
	Error        string                 `json:"error,omitempty"`
}

// matchChecks gives each domain its answer, in the order in which they were asked. A domain that the reply leaves out,
// or calls both available and taken, is unknown. What is said of one twice adds up.
func matchChecks(names []domainname.Name, checks []registrar.Check) []whoisAnswer {
	answers := make([]whoisAnswer, len(names))
	place := make(map[string]int, len(names))
	for i, name := range names {
		answers[i] = whoisAnswer{Domain: name.ASCII, Availability: registrar.Unknown, Error: "the registrar's reply leaves this domain out"}
		if name.Unicode != name.ASCII {
			answers[i].Unicode = name.Unicode
		}
		place[name.ASCII] = i
	}
	said := make([]*registrar.Check, len(names))
	for _, check := range checks {
		name, err := domainname.ParseHost(check.Domain)
		i, asked := place[name.ASCII]
		if err != nil || !asked {
			continue
		}
		if said[i] != nil {
			check = said[i].And(check)
		}
		said[i] = &check
		answers[i].Availability, answers[i].Status, answers[i].Bars, answers[i].Error = check.Availability, check.Status, check.Bars(), check.Error
	}
	return answers
}

func printWhois(w io.Writer, out output, answers []whoisAnswer) error {
	if out.json() {
		return term.PrintJSON(w, answers)
	}
	t := out.newTable(w, "DOMAIN", "WHOIS", "REGISTRAR SAYS")
	for _, answer := range answers {
		domain := answer.Domain
		if answer.Unicode != "" {
			domain += " (" + answer.Unicode + ")"
		}
		words := answer.Status
		if answer.Error != "" {
			words = answer.Error
		}
		t.row(domain, string(answer.Availability), words)
	}
	return t.end()
}
