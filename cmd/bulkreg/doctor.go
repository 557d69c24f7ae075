package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/queue/intake/domainname"
)

// doctorTime bounds one examination, so that what hangs shows as such.
const doctorTime = 15 * time.Second

// health is what an examination says.
type health string

const (
	healthy health = "ok"
	odd     health = "warn" // it works, and seldom so on purpose
	ill     health = "fail"
	unknown health = "skip" // it could not be looked at
)

// diagnosis is one line of a doctor, as programs read it. Its names are part of the interface.
type diagnosis struct {
	About  string `json:"about"` // settings, postgres, redis, registrar, gettoken or work
	Health health `json:"health"`
	Words  string `json:"words"`
	Do     string `json:"do,omitempty"` // what to do about it
}

// doctor looks at everything that bulkreg needs. Nothing that it does costs money.
type doctor struct {
	*app
	domain domainname.Name // that the registrar is asked about
	found  []diagnosis
}

func (d *doctor) say(about string, h health, do, format string, args ...any) {
	d.found = append(d.found, diagnosis{about, h, fmt.Sprintf(format, args...), do})
}

func (a *app) doctorCommand() *cobra.Command {
	var (
		domain string
		out    output
	)
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look at everything that bulkreg needs, and say what is wrong and what to do",
		Long: `doctor looks at the settings; at Postgres (whether it is there, takes writes, keeps what it commits, has the schema and a clock that
agrees with this machine's, and is vacuumed); at Redis (whether it is there, new enough, takes writes and never evicts); at the
registrar, for each account (whether it gives a token and answers a WHOIS check of one domain as its contract says); at GetToken
(whether somebody answers there); and at the work (what ` + "`bulkreg status`" + ` says). It says a line of each, with what to do.

Nothing that it does costs money: it makes one WHOIS check an account, and asks GetToken for nothing. It exits with 0 where all is well, and with
1 where something fails; what is only odd fails nothing.`,
		Example: `  bulkreg doctor
  bulkreg doctor --domain example.be
  bulkreg doctor -o json | jq '.[] | select(.health == "fail")'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			name, err := a.extraSuffixes().Parse(domain)
			if err != nil {
				return usagef("--domain: %w", err)
			}
			d := &doctor{app: a, domain: name}
			if err := d.examine(cmd.Context()); err != nil {
				return err
			}
			return d.report(out)
		},
	}
	cmd.Flags().StringVar(&domain, "domain", "example.nl", "the `DOMAIN` that the registrar is asked about")
	out.addList(cmd)
	return cmd
}

// examine looks at one thing after the other. What is wrong with one keeps it from no other.
func (d *doctor) examine(ctx context.Context) error {
	d.settings()
	for _, look := range []func(context.Context){d.postgres, d.redis, d.registrar, d.gettoken} {
		looking, cancel := context.WithTimeout(ctx, doctorTime)
		look(looking)
		cancel()
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// settings are read as a worker reads them. The examinations go on with what there is.
func (d *doctor) settings() {
	cfg, err := config.LoadFor(d.environ, config.UseAll)
	var wrong *config.Error
	switch {
	case errors.As(err, &wrong):
		for _, problem := range wrong.Problems {
			d.say("settings", ill, "correct it in the environment; `bulkreg config` lists every setting", "%s", problem)
		}
	case err != nil:
		d.say("settings", ill, "", "%v", err)
	default:
		d.say("settings", healthy, "", "all that are set can be used")
		for _, warning := range cfg.Warnings() {
			d.say("settings", odd, "", "%s", warning)
		}
	}
}

func (d *doctor) report(out output) error {
	failed := 0
	for _, f := range d.found {
		if f.Health == ill {
			failed++
		}
	}
	if err := d.print(out); err != nil {
		return err
	}
	if failed > 0 {
		return &exitErr{exitError, fmt.Errorf("%s", term.Counted(failed, "thing is wrong", "things are wrong"))}
	}
	return nil
}

func (d *doctor) print(out output) error {
	if out.json() {
		array := newJSONArray(d.stdout)
		for _, f := range d.found {
			if err := array.add(f); err != nil {
				return err
			}
		}
		return array.end()
	}
	t := out.newTable(d.stdout, "ABOUT", "IS", "WHAT", "DO")
	for _, f := range d.found {
		t.row(f.About, string(f.Health), f.Words, f.Do)
	}
	return t.end()
}
