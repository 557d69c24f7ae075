package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
)

func (a *app) configCommand() *cobra.Command {
	var (
		check bool
		out   choice
	)
	cmd := &cobra.Command{
		Use:   "config",
		Short: "List every setting, or check those of this environment",
		Long: `List every setting: its environment variable, its default, its unit, and what it is for.

Settings marked * are also read from a file: REDIS_URL_FILE=/run/secrets/redis names the file that holds REDIS_URL.`,
		Example: `  bulkreg config
  bulkreg config --check
  bulkreg config -o markdown`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			switch {
			case check:
				return a.checkConfig()
			case out.value == "json":
				return printJSON(a.stdout, config.Fields())
			case out.value == "markdown":
				return a.listConfigInMarkdown()
			}
			return a.listConfig()
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "check the settings of this environment, and list nothing")
	addChoice(cmd, &out, "output", "o", "print the list as `table`, json or markdown", "table", "table", "json", "markdown")
	return cmd
}

func (a *app) listConfig() error {
	t := newTable(a.stdout, "VARIABLE", "DEFAULT", "UNIT", "REASON")
	for _, f := range config.Fields() {
		variable := f.Variable
		if f.File {
			variable += " *"
		}
		t.row(variable, f.Default, f.Unit, f.Reason)
	}
	if err := t.end(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(a.stdout, "\n* also from the file that <VARIABLE>_FILE names")
	return err
}

// listConfigInMarkdown prints the list as README.md has it.
func (a *app) listConfigInMarkdown() error {
	var list strings.Builder
	list.WriteString("| Variable | Default | Unit | What it is for |\n| --- | --- | --- | --- |\n")
	for _, f := range config.Fields() {
		variable, byDefault := "`"+f.Variable+"`", "-"
		if f.File {
			variable += ` \*`
		}
		if f.Default != "" {
			byDefault = "`" + f.Default + "`"
		}
		fmt.Fprintf(&list, "| %s | %s | %s | %s |\n", variable, byDefault, f.Unit, f.Reason)
	}
	list.WriteString("\n\\* also from the file that `<VARIABLE>_FILE` names\n")
	_, err := fmt.Fprint(a.stdout, list.String())
	return err
}

// checkConfig says what a worker would say of the settings. Missing ones are no mistake: not every command needs them.
func (a *app) checkConfig() error {
	cfg, err := a.loadConfig()
	if err != nil {
		return err
	}
	for _, warning := range cfg.Warnings() {
		fmt.Fprintln(a.stderr, "warning:", warning)
	}
	if err := lacking(cfg); err != nil {
		fmt.Fprintf(a.stderr, "some commands need more:\n%v\n", err)
	}
	_, err = fmt.Fprintln(a.stdout, "no setting is wrong")
	return err
}
