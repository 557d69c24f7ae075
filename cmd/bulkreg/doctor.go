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
	Check  string `json:"check"` // what was looked at, in one word
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

func (d *doctor) say(about, check string, h health, do, format string, args ...any) {
	d.found = append(d.found, diagnosis{about, check, h, fmt.Sprintf(format, args...), do})
}

func (a *app) doctorCommand() *cobra.Command {
	var (
		domain string
		out    output
	)
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look at everything that bulkreg needs, and say what is wrong and what to do",
		Long: `doctor looks at

- the settings;
- Postgres: whether it is there and takes writes, has the schema and UTF8, keeps what it commits, also over a failover, is the one that
  workers know, is vacuumed, and has this machine's time;
- Redis: whether it is there and takes writes, is new enough, never evicts, keeps what it was given, and has this machine's time;
- the registrar, for each account: whether it gives a token, and answers a WHOIS check of one domain, field by field as its contract says.
  What is missing, of another type or read by nobody is named;
- GetToken: whether somebody answers there;
- the work: what ` + "`bulkreg status`" + ` says, kinds and accounts that no live worker is there for, and webhooks that are behind.

It says a line of each, with what to do. In JSON, "check" names what was looked at, and "health" is ok, warn, fail or skip.

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
			d.say("settings", "settings", ill, "correct it in the environment; `bulkreg config` lists every setting", "%s", problem)
		}
	case err != nil:
		d.say("settings", "settings", ill, "", "%v", err)
	default:
		d.say("settings", "settings", healthy, "", "all that are set can be used")
		for _, warning := range cfg.Warnings() {
			d.say("settings", "settings", odd, "", "%s", warning)
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
	t := out.newTable(d.stdout, "ABOUT", "CHECK", "IS", "WHAT", "DO")
	for _, f := range d.found {
		t.row(f.About, f.Check, string(f.Health), f.Words, f.Do)
	}
	return t.end()
}
