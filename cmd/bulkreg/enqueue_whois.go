package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/queue"
)

func (a *app) enqueueWhoisCommand() *cobra.Command {
	e := &enqueuing{app: a}
	e.order.Kind = queue.Whois
	cmd := &cobra.Command{
		Use:   "whois [FILE|-] [DOMAIN...] --order REF",
		Short: "Order WHOIS checks: one domain a line, or as arguments",
		Long: `whois orders a WHOIS check of every domain in a file, on standard input, or among the arguments. An argument
that is - or names a file is the file; anything else is a domain. The file has one domain a line; CSV with a
column domain and NDJSON are read as well.

` + aboutLines,
		Example: `  bulkreg enqueue whois domains.txt --order order-1042 --wait
  bulkreg enqueue whois example.nl example.be --order order-1043 -o json
  grep '\.nl$' all.txt | bulkreg enqueue whois - --order order-1044 --skip-invalid --rejects bad.txt`,
		RunE: func(cmd *cobra.Command, args []string) error { return e.whois(cmd.Context(), args) },
	}
	e.flags(cmd)
	return cmd
}

func (e *enqueuing) whois(ctx context.Context, args []string) error {
	path, domains, err := sortArgumentsUnder(e.extraSuffixes(), args)
	if err != nil {
		return err
	}
	if err := e.check(); err != nil {
		return err
	}
	options := e.inputOptions("")
	open := func() (*orderInput, error) { return e.openInput(ctx, path, options) }
	if path == "" {
		open = func() (*orderInput, error) { return inputOfArguments(domains, options) }
	}
	return e.take(ctx, open, func(context.Context, incoming) (bool, error) { return true, nil })
}
