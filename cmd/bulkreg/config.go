package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/queue"
)

func (a *app) configCommand() *cobra.Command {
	var (
		check     bool
		user, out choice
		kinds     []string
	)
	cmd := &cobra.Command{
		Use:   "config",
		Short: "List every setting with its value here, or check those of this environment",
		Long: `List every setting: its environment variable, its value here, where that comes from, its default, its unit, and what it
is for. Secrets are hidden.

Settings marked * are also read from a file: REDIS_URL_FILE=/run/secrets/redis names the file that holds REDIS_URL.

--check says what is wrong with the settings, and what is missing, and lists nothing. --for worker, api or cli checks what that
needs alone; without it, everything. --kinds names those of a worker that was started with them.`,
		Example: `  bulkreg config
  bulkreg config --check
  bulkreg config --check --for cli
  bulkreg config --check --for worker --kinds token
  bulkreg config --check -o json
  bulkreg config -o markdown`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			switch {
			case check && out.value == "markdown":
				return usagef("--check is for people, or for programs with -o json: leave -o markdown out")
			case check:
				return a.checkConfig(out.value, user.value, kinds)
			case user.value != "":
				return usagef("--for goes with --check")
			case len(kinds) > 0:
				return usagef("--kinds goes with --check --for worker")
			case out.value == "json":
				return term.PrintJSON(a.stdout, config.EffectiveOf(a.environ))
			case out.value == "markdown":
				return a.listConfigInMarkdown()
			}
			return a.listConfig()
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "check the settings of this environment, and list nothing")
	addChoice(cmd, &user, "for", "", "check what this `WHAT` needs alone: worker, api or cli", "", "worker", "api", "cli")
	cmd.Flags().StringSliceVar(&kinds, "kinds", nil, "the `kinds` that the worker works on, where it is told")
	addChoice(cmd, &out, "output", "o", "print the list in this `FORMAT`: table, json or markdown", "table", "table", "json", "markdown")
	return cmd
}

func (a *app) listConfig() error {
	t := newTable(a.stdout, "VARIABLE", "VALUE", "FROM", "DEFAULT", "UNIT", "REASON")
	for _, f := range config.EffectiveOf(a.environ) {
		variable := f.Variable
		if f.File {
			variable += " *"
		}
		t.row(variable, a.short(f.Value), f.From, f.Default, f.Unit, f.Reason)
	}
	if err := t.end(); err != nil {
		return err
	}
	if _, err := a.loadConfig(); err != nil {
		say(a.stderr, "warning: %v\n", err)
	}
	_, err := fmt.Fprintln(a.stdout, "\n* also from the file that <VARIABLE>_FILE names")
	return err
}

// listConfigInMarkdown prints the list as config/README.md has it.
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

// checked is what a check found, as programs read it. Its names are part of the interface. The exit status is 2 when there is
// something wrong or missing.
type checked struct {
	Wrong    []string `json:"wrong"`    // one line for each
	Warnings []string `json:"warnings"` // allowed, and seldom meant
	Missing  []string `json:"missing"`  // one line for each thing that is needed
}

// settingsNeeded are what a user of settings reads, and what it cannot do without. A worker may work on certain kinds, nil for the usual ones.
func settingsNeeded(user string, kinds []queue.Kind) (config.Use, func(config.Config) error) {
	database := func(cfg config.Config) error {
		_, err := cfg.Database()
		return err
	}
	switch user {
	case "api":
		return config.UseStore | config.UseOrders | config.UseAPI, database
	case "cli":
		return config.UseStore | config.UseOrders | config.UseRegistrar, database
	}
	return config.UseAll, func(cfg config.Config) error {
		if kinds == nil {
			kinds = usualKinds(cfg)
		}
		return lacking(cfg, kinds)
	}
}

// checkConfig says what is wrong with the settings for a user of them, "" for a worker, which reads them all.
func (a *app) checkConfig(format, user string, names []string) error {
	var kinds []queue.Kind
	if len(names) > 0 {
		if user != "worker" {
			return usagef("--kinds goes with --check --for worker")
		}
		var err error
		if kinds, err = parseKinds(names); err != nil {
			return err
		}
	}
	found := a.check(user, kinds)
	if format == "json" {
		return errors.Join(term.PrintJSON(a.stdout, found), found.err())
	}
	for _, warning := range found.Warnings {
		say(a.stderr, "warning: %v\n", warning)
	}
	if err := found.err(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(a.stdout, "no setting is wrong")
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

func (a *app) check(user string, kinds []queue.Kind) checked {
	found := checked{Wrong: []string{}, Warnings: []string{}, Missing: []string{}}
	use, lacking := settingsNeeded(user, kinds)
	cfg, err := config.LoadFor(a.environ, use)
	var wrong *config.Error
	if errors.As(err, &wrong) {
		found.Wrong = wrong.Problems
		return found // what could not be read is not judged
	}
	if err := cfg.Certificate(); err != nil && (user == "" || user == "api") {
		found.Wrong = []string{err.Error()}
		return found
	}
	if use == config.UseAll {
		found.Warnings = append(found.Warnings, warningsOf(cfg)...)
	} else if warning := cfg.DatabaseWarning(); warning != "" {
		found.Warnings = append(found.Warnings, warning)
	}
	if err := lacking(cfg); err != nil {
		found.Missing = strings.Split(err.Error(), "\n")
	}
	return found
}

// err is nil where nothing is wrong or missing.
func (c checked) err() error {
	switch {
	case len(c.Wrong) > 0:
		return usageError(&config.Error{Problems: c.Wrong})
	case len(c.Missing) == 1:
		return usagef("a setting is missing: %s", c.Missing[0])
	case len(c.Missing) > 1:
		return usageLines("settings are missing:\n  %s", strings.Join(c.Missing, "\n  "))
	}
	return nil
}
