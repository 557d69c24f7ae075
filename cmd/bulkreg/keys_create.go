package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/apikey"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/keys"
	"github.com/bulkreg/bulkreg/store/record"
)

// keyMaking is a key that is made.
type keyMaking struct {
	*app
	role   choice
	ends   expiry
	by     string
	limits keys.Limits
}

func (a *app) keysCreateCommand() *cobra.Command {
	m := &keyMaking{app: a}
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a key for a source, and show it once",
		Long: `create makes a key for the source NAME and prints it on standard output. Keep it at once: it is shown this one time, and the
database has only a digest of it.

  read      looks at orders, jobs, events and holds
  submit    also orders
  operate   also confirms, retries, cancels, pauses and resumes, and looks after webhooks`,
		Example: `  bulkreg keys create shop > shop.key
  bulkreg keys create shop --role operate --expires 90d
  bulkreg keys create shop --role read --expires 2030-01-31
  bulkreg keys create shop --registrations-per-day 500 --jobs-per-order 10000`,
		Args:              oneArg("the name of the source, such as shop"),
		ValidArgsFunction: m.complete(1, keySources),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := m.settleBy(cmd.Context(), cmd, &m.by); err != nil {
				return err
			}
			if err := record.CheckRecord(m.by, ""); err != nil {
				return usageError(err)
			}
			return m.create(cmd.Context(), args[0])
		},
	}
	addChoice(cmd, &m.role, "role", "", "what it may do: `ROLE` read, submit or operate", "submit", "read", "submit", "operate")
	m.addBy(cmd, &m.by)
	f := cmd.Flags()
	f.Var(&m.ends, "expires", "how long it is good: `TIME` such as 90d or 36h, or a date, on which it ends at 0:00 UTC (default: until it is revoked)")
	for _, l := range []struct {
		limit       *int
		name, usage string
	}{
		{&m.limits.RequestsPerMinute, "requests-per-minute", "how many requests it may make in a minute: `NUMBER` (default: HTTP_REQUESTS_PER_MINUTE of the server)"},
		{&m.limits.JobsPerDay, "jobs-per-day", "how many jobs it may order a day, in UTC: `NUMBER` (default: any)"},
		{&m.limits.RegistrationsPerDay, "registrations-per-day", "how many registrations it may order a day, in UTC: `NUMBER` (default: any)"},
		{&m.limits.JobsPerOrder, "jobs-per-order", "how many jobs one order of it may have: `NUMBER` (default: as many as any)"},
	} {
		f.Var((*keyLimit)(l.limit), l.name, l.usage)
	}
	return cmd
}

func (m *keyMaking) create(ctx context.Context, source string) error {
	if err := queue.CheckName(source, queue.MaxName); err != nil {
		return usagef("the source's name %w", err)
	}
	if source == cliSource { // such a key would see, and could confirm and cancel, whatever is ordered by hand
		return usagef("%s is the source of what is ordered with this program, and no order system's: give a name of its own, such as shop", cliSource)
	}
	key, err := apikey.New(rand.Reader)
	if err != nil {
		return err
	}
	return m.withStore(ctx, func(ctx context.Context, st *store.Store) error {
		err := st.Keys.Create(ctx, keys.NewKey{
			ID: key.ID(), Source: source, Role: m.role.value, Digest: key.Digest(), By: m.by, Life: time.Duration(m.ends.life), Until: m.ends.until,
			Limits: m.limits,
		})
		if errors.Is(err, keys.ErrPast) {
			return usagef("--expires %s: that is over already", m.ends.String())
		}
		if err != nil {
			return err
		}
		say(m.stderr, "key %s of source %s made, with the role %s; it is shown this once:\n", key.ID(), source, m.role.value)
		if _, err := fmt.Fprintln(m.stdout, key.Reveal()); err != nil {
			return fmt.Errorf("print key: %w; `bulkreg keys revoke %s` ends it", err, key.ID())
		}
		return nil
	})
}

// keyLimit is a flag for a limit of a key. 0 is refused: whoever means that nothing is allowed must not get a key that may do anything.
type keyLimit int

func (l *keyLimit) Type() string { return "number" }

func (l *keyLimit) String() string {
	if *l == 0 {
		return "" // there is none
	}
	return strconv.Itoa(int(*l))
}

// Set takes what a column of the database takes.
func (l *keyLimit) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > math.MaxInt32 {
		return errors.New("give a whole number from 1 on, such as 100; without the flag the key has no limit of its own")
	}
	*l = keyLimit(n)
	return nil
}

// expiry is a flag for how long something is good, or until which day.
type expiry struct {
	life  age
	until time.Time
}

func (e *expiry) Type() string { return "time" }

func (e *expiry) String() string {
	if !e.until.IsZero() {
		return e.until.Format(time.DateOnly)
	}
	return e.life.String()
}

// Set takes a date, or what age takes.
func (e *expiry) Set(text string) error {
	*e = expiry{}
	if until, err := time.Parse(time.DateOnly, text); err == nil {
		e.until = until
		return nil
	}
	if e.life.Set(text) != nil {
		return errors.New("want days or hours, such as 90d, 36h or 1d12h, from one hour to 36500d, or a date such as 2030-01-31")
	}
	return nil
}
