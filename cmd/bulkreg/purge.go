package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/store/operator"

	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/store"
)

// purging is the removal of holders' details.
type purging struct {
	*app
	olderThan   age
	dryRun, yes bool
	out         output
}

func (a *app) purgeCommand() *cobra.Command {
	p := &purging{app: a}
	cmd := &cobra.Command{
		Use:   "purge --older-than AGE",
		Short: "Remove holders' details, and what was said of them, from orders that ended long ago",
		Long: `purge removes names, addresses, e-mail addresses and telephone numbers that came with orders, from those orders whose last
job ended longer ago than AGE, in days or hours. A holder that another order still needs stays.

It also removes what the registrar said, wherever that is kept, from all orders that ended as long ago: reasons and errors may
quote people, and WHOIS whoever has a domain. What a check found out, available or taken, stays. The labels of these orders go, too,
and so does, from all jobs that ended as long ago, what stood in the place of a domain and is none: it may be anything, such as a
telephone number. What receivers of webhooks answered goes with their orders, and by its own age where it is about none.

What is kept tells nobody apart: jobs, calls, outcomes, and the registrar's ids of holders. An id that may be made of a name
or an address (it has four letters in a row, or signs such as @) is replaced by a digest whose key nobody keeps, and a job
that had it cannot be retried: order it anew. Jobs of tokens get new ids and subjects, as theirs are made of the address,
and their orders take no more jobs. When an order names the same holder again,
the registrar is asked for it; a repeat of the order itself is refused as another order. What operators wrote for the
record stays, and so do the names that producers gave to their orders: put no people there. Tasks that nobody could carry
out lie in Asynq's archive in Redis, which forgets them after 90 days, whatever a producer put into them. The plan is shown
first, and it is asked for on a terminal; elsewhere it needs --yes.`,
		Example: `  bulkreg purge --older-than 90d --dry-run
  bulkreg purge --older-than 90d --yes`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.run(cmd.Context()) },
	}
	cmd.Flags().Var(&p.olderThan, "older-than", "how long ago the last job must have ended: `AGE` such as 90d or 36h (required)")
	cmd.Flags().BoolVar(&p.dryRun, "dry-run", false, "show the plan and remove nothing")
	cmd.Flags().BoolVar(&p.yes, "yes", false, "do not ask")
	p.out.add(cmd)
	return cmd
}

func (p *purging) run(ctx context.Context) error {
	if p.olderThan == 0 {
		return usagef("--older-than is missing: say how long ago an order must have ended, such as 90d")
	}
	return p.withStore(ctx, func(ctx context.Context, st *store.Store) error {
		plan, err := st.Operator.PlanPurge(ctx, time.Duration(p.olderThan))
		if err != nil {
			return unchanged(ctx, err)
		}
		say(p.stderr, "The plan: %s that ended more than %s ago; the details of %s are removed, those of %s stay for other orders; "+
			"what the registrar said is removed from %s.\n",
			term.Counted(plan.Orders, "order", "orders"), p.olderThan.String(), term.Counted(plan.Holders, "holder", "holders"),
			term.Counted(plan.Kept, "holder", "holders"), term.Counted(plan.Words, "order", "orders"))
		if plan.People > 0 {
			say(p.stderr, "Of orders of tokens, %s are removed.\n", term.Counted(plan.People, "person", "people"))
		}
		if plan.Names > 0 {
			say(p.stderr, "What is no domain is removed from %s.\n", term.Counted(plan.Names, "job", "jobs"))
		}
		if plan.Answers > 0 {
			say(p.stderr, "Of what was said of none of these orders, by receivers of webhooks and in refusals that were lifted, %s removed.\n",
				term.Counted(plan.Answers, "answer is", "answers are"))
		}
		switch {
		case p.dryRun:
			fmt.Fprintln(p.stderr, "This was a dry run: nothing was removed.")
			return p.print(plan)
		case plan.Nothing():
			fmt.Fprintln(p.stderr, "There is nothing to remove.")
			return p.print(plan)
		}
		question := fmt.Sprintf("Remove the details of %s%s, and what the registrar said from %s? They cannot be brought back.",
			term.Counted(plan.Holders, "holder", "holders"), andPeople(plan), term.Counted(plan.Words, "order", "orders"))
		if err := p.consent(ctx, p.yes, question); err != nil {
			return err
		}
		done, err := st.Operator.PurgeHolders(ctx, time.Duration(p.olderThan))
		if err != nil {
			return err // in one transaction: the same command again is safe
		}
		return p.print(done)
	})
}

// andPeople is what a question says of people whom tokens were for.
func andPeople(plan operator.Purge) string {
	if plan.People == 0 {
		return ""
	}
	return " and " + term.Counted(plan.People, "person", "people")
}

func (p *purging) print(result operator.Purge) error {
	if p.out.json() {
		return term.PrintJSON(p.stdout, struct {
			DryRun  bool `json:"dry_run"`
			Orders  int  `json:"orders"`
			Holders int  `json:"holders"`
			Kept    int  `json:"kept"`
			Words   int  `json:"words"`
			People  int  `json:"people"`
			Names   int  `json:"names"`
			Answers int  `json:"answers"`
		}{p.dryRun, result.Orders, result.Holders, result.Kept, result.Words, result.People, result.Names, result.Answers})
	}
	t := newTable(p.stdout, "ORDERS", "HOLDERS", "KEPT", "WORDS", "PEOPLE", "NAMES", "ANSWERS")
	t.row(term.Thousands(result.Orders), term.Thousands(result.Holders), term.Thousands(result.Kept), term.Thousands(result.Words),
		term.Thousands(result.People), term.Thousands(result.Names), term.Thousands(result.Answers))
	return t.end()
}

// age is a flag for a time in days and hours.
type age time.Duration

const day = 24 * time.Hour

func (a *age) Type() string { return "age" }

func (a *age) String() string {
	d := time.Duration(*a)
	text := ""
	if days := d / day; days > 0 {
		text = fmt.Sprintf("%dd", days)
	}
	if hours := d % day / time.Hour; hours > 0 {
		text += fmt.Sprintf("%dh", hours)
	}
	return text
}

// maxAge is more than any order's age, and fits where it has to.
const maxAge = 36500 * day

// Set takes days, hours, or both: 90d, 36h, 1d12h.
func (a *age) Set(text string) error {
	const want = "want days or hours, such as 90d, 36h or 1d12h, from one hour to 36500d"
	parts := regexp.MustCompile(`^(?:([0-9]{1,6})d)?(?:([0-9]{1,6})h)?$`).FindStringSubmatch(text)
	if parts == nil {
		return errors.New(want)
	}
	var total time.Duration
	for i, unit := range []time.Duration{day, time.Hour} {
		if parts[i+1] == "" {
			continue
		}
		n, err := strconv.Atoi(parts[i+1])
		if err != nil {
			return errors.New(want)
		}
		total += time.Duration(n) * unit
	}
	if total < time.Hour || total > maxAge {
		return errors.New(want)
	}
	*a = age(total)
	return nil
}
