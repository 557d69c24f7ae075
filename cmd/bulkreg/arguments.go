package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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
			return usagef("give %s\nUsage: %s", what, cmd.UseLine())
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
	return usagef("%s takes one argument: %q is one too many\nUsage: %s", cmd.Name(), first, cmd.UseLine())
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
		return usagef("%w: `%s --help` lists what there is", err, cmd.CommandPath())
	}
	return usageError(err)
}

// wantedOf says what a flag takes. Flags of our own say it themselves.
func wantedOf(bad *pflag.InvalidValueError) error {
	var number *strconv.NumError
	switch kind := bad.GetFlag().Value.Type(); {
	case kind == "int" && errors.As(bad, &number):
		return errors.New("give a whole number, such as 100")
	case kind == "bool" && errors.As(bad, &number):
		return errors.New("give true or false, or the flag alone")
	case kind == "duration":
		return errors.New("give a number with its unit, such as 50ms or 2s")
	}
	return bad.Unwrap()
}
