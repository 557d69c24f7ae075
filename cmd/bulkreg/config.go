package main

import (
	"errors"
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
  bulkreg config --check -o json
  bulkreg config -o markdown`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			switch {
			case check && out.value == "markdown":
				return usagef("--check is for people, or for programs with -o json: leave -o markdown out")
			case check:
				return a.checkConfig(out.value)
			case out.value == "json":
				return printJSON(a.stdout, config.Fields())
			case out.value == "markdown":
				return a.listConfigInMarkdown()
			}
			return a.listConfig()
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "check the settings of this environment, and list nothing")
	addChoice(cmd, &out, "output", "o", "print the list in this `FORMAT`: table, json or markdown", "table", "table", "json", "markdown")
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

// checked is what a check found, as programs read it. Its names are part of the interface.
type checked struct {
	Wrong    []string `json:"wrong"`    // one line for each; the exit status is 2 when there is one
	Warnings []string `json:"warnings"` // allowed, and seldom meant
	Missing  []string `json:"missing"`  // what some commands need more
}

// checkConfig says what a worker would say of the settings. Missing ones are no mistake: not every command needs them.
func (a *app) checkConfig(format string) error {
	cfg, err := a.loadConfig()
	if format == "json" {
		return errors.Join(printJSON(a.stdout, checkedOf(cfg, err)), err)
	}
	if err != nil {
		return err
	}
	for _, warning := range warningsOf(cfg) {
		fmt.Fprintln(a.stderr, "warning:", warning)
	}
	verdict := "no setting is wrong"
	if err := lacking(cfg); err != nil {
		fmt.Fprintf(a.stderr, "some commands need more:\n%v\n", err)
		verdict = "none of those set is wrong"
	}
	_, err = fmt.Fprintln(a.stdout, verdict)
	return err
}

// warningsOf are all warnings that the settings alone give rise to. A worker says of its connections what they are.
func warningsOf(cfg config.Config) []string {
	warnings := cfg.Warnings()
	if warning := cfg.DatabaseWarning(); warning != "" {
		warnings = append(warnings, warning)
	}
	return warnings
}

func checkedOf(cfg config.Config, err error) checked {
	found := checked{Wrong: []string{}, Warnings: []string{}, Missing: []string{}}
	var wrong *config.Error
	if errors.As(err, &wrong) {
		found.Wrong = wrong.Problems
		return found // what could not be read is not judged
	}
	found.Warnings = append(found.Warnings, warningsOf(cfg)...)
	if err := lacking(cfg); err != nil {
		found.Missing = strings.Split(err.Error(), "\n")
	}
	return found
}
