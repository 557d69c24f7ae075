package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/store"
)

// acting is what a person does to jobs: it is shown, asked for, carried out, and kept on record with their name.
type acting struct {
	*app
	request operator.Request
	source  string
	yes     bool
	out     output

	doing    string                                      // what the progress says
	becomes  string                                      // what the plan says of the jobs that change
	done     string                                      // and the result
	question func(plan operator.Report, n string) string // n counts the jobs
	note     func(plan operator.Report) (warning string) // what else to say with the plan; nil for nothing
}

// aboutTargets is said of every act.
const aboutTargets = `Name whole orders by their references, single jobs by their IDs, or both. The plan is shown first, and it is asked for
on a terminal; elsewhere it needs --yes. Who did it, when and why stays on record: ` + "`bulkreg job`" + ` shows it.`

// command makes the flags that all acts share, and runs them.
func (c *acting) command(cmd *cobra.Command) *cobra.Command {
	cmd.Args = manyArgs(someJobs)
	cmd.ValidArgsFunction = c.complete(0, orderNames)
	addWhose(cmd, &c.source)
	c.addBy(cmd, &c.request.Operator)
	f := cmd.Flags()
	f.StringVar(&c.request.Reason, "reason", "", "why, for the record: `TEXT`")
	f.BoolVar(&c.yes, "yes", false, "do not ask")
	c.out.add(cmd)
	return cmd
}

// run carries the act out on what the arguments name.
func (c *acting) run(cmd *cobra.Command, args []string) error {
	ctx := cmd.Context()
	if err := c.settleBy(ctx, cmd, &c.request.Operator); err != nil {
		return err
	}
	if err := c.request.Check(); err != nil {
		return usageError(err)
	}
	return c.withStore(ctx, func(ctx context.Context, st *store.Store) error {
		if err := c.resolve(ctx, st, args); err != nil {
			return err
		}
		plan, err := c.counted(ctx, "planning", st.Operator.Plan)
		if err != nil {
			return unchanged(ctx, err)
		}
		c.printPlan(plan)
		if plan.Changed() == 0 {
			fmt.Fprintln(c.stderr, "There is nothing to change.")
			return c.printResult(plan)
		}
		question := c.question(plan, term.Counted(plan.Changed(), "job", "jobs"))
		if err := c.consent(ctx, c.yes, question); err != nil {
			return err
		}
		report, err := c.counted(ctx, c.doing, st.Operator.CarryOut)
		if err != nil {
			return broken(ctx, report, err)
		}
		if len(report.Claimed) > len(plan.Claimed) {
			printClaimed(c.stderr, report)
		}
		return c.printResult(report)
	})
}

// counted does what may take long, and shows how far it is.
func (c *acting) counted(ctx context.Context, what string, do func(context.Context, operator.Request) (operator.Report, error)) (operator.Report, error) {
	shown := c.startCounting(what, c.request.Size())
	defer shown.end()
	request := c.request
	request.Looked = shown.show
	return do(ctx, request)
}

// resolve finds the jobs and orders that the arguments name. A job of an order that is named as well counts once. Order
// systems may use UUIDs for references: what is no job's ID may be one.
func (c *acting) resolve(ctx context.Context, st *store.Store, args []string) error {
	ids := map[string]uuid.UUID{}
	for _, arg := range args {
		if id, err := uuid.Parse(arg); err == nil {
			ids[arg] = id
		}
	}
	ordersOf, err := st.Operator.OrdersOf(ctx, slices.Collect(maps.Values(ids)))
	if err != nil {
		return unchanged(ctx, err)
	}
	orders := map[int64]record.Order{}
	var jobs []uuid.UUID
	for _, arg := range args {
		id, isID := ids[arg]
		if _, found := ordersOf[id]; isID && found {
			jobs = append(jobs, id)
			continue
		}
		o, err := findOrder(ctx, st, c.source, arg)
		var none *noOrderError
		switch {
		case isID && errors.As(err, &none):
			return fmt.Errorf("there is neither a job %s nor an order of that reference", arg)
		case err != nil:
			return unchanged(ctx, err)
		}
		if err := o.Kept(); err != nil {
			return unchanged(ctx, err)
		}
		orders[o.ID] = o
	}
	for _, id := range slices.Sorted(maps.Keys(orders)) {
		c.request.Orders = append(c.request.Orders, orders[id])
	}
	for _, id := range jobs {
		if _, named := orders[ordersOf[id]]; !named && !slices.Contains(c.request.Jobs, id) {
			c.request.Jobs = append(c.request.Jobs, id)
		}
	}
	return nil
}

// unchanged is an error before anything was changed.
func unchanged(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &exitErr{exitInterrupted, errors.New("interrupted: nothing was changed")}
	}
	return err
}

// broken is an error when something may have been changed.
func broken(ctx context.Context, report operator.Report, err error) error {
	so := fmt.Sprintf("%s changed before that, and perhaps some more; the same command again does the rest",
		term.Counted(report.Changed(), "job was", "jobs were"))
	if len(report.Paused) > 0 {
		so += "; until then what is left stays paused, and `bulkreg resume " + orderWord(report.Paused[0]) + "` lets it go on instead"
	}
	if ctx.Err() != nil {
		return &exitErr{exitInterrupted, errors.New("interrupted: " + so)}
	}
	return fmt.Errorf("%w; %s", err, so)
}

// why says of the jobs that an act leaves alone why it does.
func why(s operator.Skip) string {
	switch s {
	case operator.SkipEnded:
		return "have ended already"
	case operator.SkipRunning:
		return "are being called for right now"
	case operator.SkipCanceling:
		return "are being canceled already"
	case operator.SkipUnconfirmed:
		return "may have been paid for: `bulkreg confirm` settles them"
	case operator.SkipSucceeded:
		return "have succeeded"
	case operator.SkipUnfinished:
		return "have not ended yet"
	case operator.SkipUnusable:
		return "cannot be carried out as they are, or have lost their holder's id to a purge: order them anew, with what was wrong put right"
	case operator.SkipClaimed:
		return "have a domain that another job has registered or is about to"
	case operator.SkipNotUnconfirmed:
		return "do not wait for a person"
	case operator.SkipNotWaiting:
		return "do not wait for a later attempt"
	case operator.SkipUnanswered:
		return "were sent without a definite answer: WHOIS may lag, and a reading before its time proves nothing"
	default:
		return "changed at that very moment: the same command again looks at them anew"
	}
}

// printPlan shows people what would change and what would not.
func (c *acting) printPlan(plan operator.Report) {
	say(c.stderr, "The plan, for the record by %s:\n", c.request.Operator)
	t := newTable(c.stderr)
	for _, n := range plan.Counts {
		what := strings.TrimSpace(fmt.Sprintf("%s, %s %s", n.Kind, n.State, n.Outcome))
		fate := c.becomes
		if n.Skip != "" {
			fate = "stay as they are: they " + why(n.Skip)
		}
		t.row(term.Thousands(n.Jobs), what, fate)
	}
	if t.end() != nil {
		return // stderr is gone, and with it whoever could be told
	}
	printClaimed(c.stderr, plan)
	if c.note == nil {
		return
	}
	if warning := c.note(plan); warning != "" {
		say(c.stderr, "%s\n", term.Lines(warning))
	}
}

// printClaimed names the first domains that another job has, and who has them.
func printClaimed(w io.Writer, r operator.Report) {
	for _, c := range r.Claimed {
		how := "in progress in"
		if c.Registered {
			how = "registered by"
		}
		say(w, "  %s is %s order %s\n", c.Domain, how, c.Reference)
	}
	if more := r.Skipped()[operator.SkipClaimed] - len(r.Claimed); more > 0 && len(r.Claimed) > 0 {
		say(w, "  ... and %s more\n", term.Thousands(more))
	}
}

// actJSON is what an act came to, as programs read it. Its names are part of the interface.
type actJSON struct {
	Act     operator.Act          `json:"act"`
	By      string                `json:"by"`
	Reason  string                `json:"reason"`
	Changed int                   `json:"changed"`
	Later   int                   `json:"later,omitempty"` // of a cancel: changed jobs that end only after a check
	Skipped map[operator.Skip]int `json:"skipped"`         // jobs left as they are, by reason; reasons with none are left out
	Claimed []claimedJSON         `json:"claimed"`         // the first domains that another job has
}

type claimedJSON struct {
	Domain     string `json:"domain"`
	Reference  string `json:"reference"`
	Registered bool   `json:"registered"` // false: a live job wants it
}

func (c *acting) printResult(r operator.Report) error {
	later := 0
	if c.request.Act == operator.Cancel {
		later = r.Later()
	}
	if c.out.json() {
		claimed := make([]claimedJSON, len(r.Claimed))
		for i, claimant := range r.Claimed {
			claimed[i] = claimedJSON(claimant)
		}
		return term.PrintJSON(c.stdout, actJSON{
			Act: c.request.Act, By: c.request.Operator, Reason: c.request.Reason,
			Changed: r.Changed(), Later: later, Skipped: r.Skipped(), Claimed: claimed,
		})
	}
	t := newTable(c.stdout, "JOBS", "RESULT", "YOUR REASON", "NOTE")
	t.row(term.Thousands(r.Changed()-later), c.done, c.request.Reason, "")
	if later > 0 {
		t.row(term.Thousands(later), "being "+c.done, c.request.Reason, "WHOIS must show first that no call for them had an effect")
	}
	skipped := r.Skipped()
	for _, s := range slices.Sorted(maps.Keys(skipped)) {
		t.row(term.Thousands(skipped[s]), "left alone", "", "they "+why(s))
	}
	return t.end()
}
