package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/queue/intake/spelling"
)

// What an argument is, for whoever left it out, and where to find one.
const (
	anOrder          = "the order's reference: `bulkreg orders` lists them"
	aJob             = "the job's ID: `bulkreg jobs REF` lists them"
	aHolder          = "the holder's id: `bulkreg holder get --email ADDRESS` tells it"
	someJobs         = "orders by their references, or jobs by their IDs: `bulkreg orders` and `bulkreg jobs REF` list them"
	anAccountOrOrder = "an account by its name, or an order by its reference: `bulkreg orders` lists these"
	aDomain          = "one or several domains, such as example.nl"
)

// noArgs refuses every argument. For a command of commands, an argument is one that there is not.
func noArgs(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case cmd.HasSubCommands():
		return unknownCommand(cmd, args[0])
	}
	return usagef("%s takes no arguments: %q", cmd.Name(), args[0])
}

func unknownCommand(cmd *cobra.Command, name string) error {
	const furthest = 2
	cmd.SuggestionsMinimumDistance = furthest
	guess := ""
	if meant := cmd.SuggestionsFor(name); len(meant) > 0 {
		guess = fmt.Sprintf("did you mean %s? ", strings.Join(meant, " or "))
	}
	return usagef("there is no command %q: %s`%s --help` lists them all", cmd.CommandPath()+" "+name, guess, cmd.CommandPath())
}

// oneArg wants a single argument, and says what it is.
func oneArg(what string) cobra.PositionalArgs { return someArgs(what, 1) }

// manyArgs wants one argument or more.
func manyArgs(what string) cobra.PositionalArgs { return someArgs(what, 0) }

// someArgs wants an argument, and not more than most of them; 0 is without limit.
func someArgs(what string, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return usageLines("give %s\nUsage: %s", what, cmd.UseLine())
		case most > 0 && len(args) > most:
			return tooMany(cmd, args[most])
		}
		return nil
	}
}

// oneAtMost allows an argument.
func oneAtMost(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return tooMany(cmd, args[1])
	}
	return nil
}

func tooMany(cmd *cobra.Command, first string) error {
	return usageLines("%s takes one argument: %q is one too many\nUsage: %s", cmd.Name(), first, cmd.UseLine())
}

// flagError says what is wrong with a flag, and where to look.
func flagError(cmd *cobra.Command, err error) error {
	var (
		value   *pflag.InvalidValueError
		unknown *pflag.NotExistError
	)
	switch {
	case errors.As(err, &value):
		return usagef("--%s %q: %w", value.GetFlag().Name, value.GetValue(), wantedOf(value))
	case errors.As(err, &unknown):
		return usageLines("%s: `%s --help` lists what there is%s", term.Clean(err.Error()), cmd.CommandPath(), flagGuess(cmd, unknown.GetSpecifiedName()))
	}
	return usageError(err)
}

// flagGuess names the flag that somebody may have meant.
func flagGuess(cmd *cobra.Command, name string) string {
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			known = append(known, f.Name)
		}
	})
	slices.Sort(known)
	if meant := spelling.Closest(name, known); meant != "" {
		return "\ndid you mean --" + meant + "?"
	}
	return ""
}

// helpCommand is cobra's own, but for a name that no command has: that is an error.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about any command",
		Long:  "help says what a command does, and what it takes: `bulkreg help enqueue whois` is `bulkreg enqueue whois --help`.",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
			about, _ := commandOf(cmd.Root(), args)
			var names []string
			for _, sub := range about.Commands() {
				if sub.IsAvailableCommand() && strings.HasPrefix(sub.Name(), begun) {
					names = append(names, cobra.CompletionWithDesc(sub.Name(), sub.Short))
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			about, err := commandOf(cmd.Root(), args)
			if err != nil {
				return err
			}
			about.InitDefaultHelpFlag()
			about.InitDefaultVersionFlag()
			return about.Help()
		},
	}
}

// commandOf finds the command that words name, one below the other; as far as it gets, beside an error.
func commandOf(root *cobra.Command, words []string) (*cobra.Command, error) {
	at := root
	for _, word := range words {
		next := slices.IndexFunc(at.Commands(), func(c *cobra.Command) bool { return c.Name() == word || c.HasAlias(word) })
		if next < 0 {
			return at, unknownCommand(at, word)
		}
		at = at.Commands()[next]
	}
	return at, nil
}

// wantedOf says what a flag takes. Flags of our own say it themselves.
func wantedOf(bad *pflag.InvalidValueError) error {
	switch kind := bad.GetFlag().Value.Type(); {
	case kind == "int":
		return errors.New("give a whole number, such as 100")
	case kind == "bool":
		return errors.New("give true or false, or the flag alone")
	case kind == "duration":
		return errors.New("give a number with its unit, such as 50ms or 2s")
	}
	return bad.Unwrap()
}
