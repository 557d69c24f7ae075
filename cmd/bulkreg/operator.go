package main

import (
	"context"

	"github.com/spf13/cobra"
)

// whoami is who types this, as far as the environment tells: the setting, or the system's user; behind sudo, the person and not
// root. A container tells nothing as a rule.
func (a *app) whoami() string {
	for _, name := range []string{"BULKREG_OPERATOR", "SUDO_USER", "USER", "LOGNAME"} {
		if user := a.variable(name); user != "" {
			return user
		}
	}
	return ""
}

// addBy is for a command that keeps on record who did it.
func (a *app) addBy(cmd *cobra.Command, by *string) {
	cmd.Flags().StringVar(by, "by", a.whoami(), "who does this, for the record: your `NAME`")
}

// nobody refuses an act that nobody has put a name to.
func nobody() error {
	return usagef("say who does this, for the record: --by NAME, or BULKREG_OPERATOR=NAME in the environment; " +
		"the system tells no user's name (SUDO_USER, USER, LOGNAME)")
}

// settleBy asks for a name where nothing tells it and somebody sits there.
func (a *app) settleBy(ctx context.Context, cmd *cobra.Command, by *string) error {
	switch {
	case *by != "":
		return nil
	case cmd.Flags().Changed("by"), !a.canAsk():
		return nobody()
	}
	name, err := a.answer(ctx, "Who does this, for the record? Your name:")
	if err != nil {
		return unchanged(ctx, err)
	}
	if *by = name; name == "" {
		return nobody()
	}
	return nil
}
