package main

import (
	"context"
	"fmt"
	"io"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/queue/intake"
)

// plan is what a registration order would do.
type plan struct {
	intake.Plan
	bought     intake.Bought
	reference  string
	account    string
	invalid    int  // lines left out
	duplicates int  // lines that repeat a domain
	allowing   int  // lines that allow a word of a WHOIS status
	exists     bool // the same order is there already
}

func (r *registering) plan(ctx context.Context, in incoming) (plan, error) {
	p := plan{
		reference: r.order.Reference, account: r.order.Account,
		invalid: in.stats.Rejects, duplicates: in.stats.Duplicates, allowing: in.stats.Allowing, exists: in.found,
	}
	if in.found {
		p.Total = in.spool.Len()
		return p, nil
	}
	var err error
	p.Plan, p.bought, err = in.intake.PlanToBuy(ctx, in.spool)
	return p, err
}

// question is what a person is asked before the order is stored.
func (p plan) question() string {
	if p.New == 0 {
		return "No domain is new, so that nothing is registered and nothing is paid. Store the order all the same?"
	}
	return fmt.Sprintf("Register %s? It costs money and cannot be undone.", term.Counted(p.New, "domain", "domains"))
}

// print shows the plan to people.
func (p plan) print(w io.Writer) {
	if p.exists {
		say(w, "order %s is there already, with the same content: it would change nothing\n", p.reference)
		return
	}
	say(w, "The plan of order %s, for account %s:\n", p.reference, p.account)
	t := newTable(w)
	t.row("  new", term.Thousands(p.New), "to be registered, unless WHOIS calls them taken")
	t.row("  registered", term.Thousands(p.Registered), "by an earlier order: they end as duplicates and cost nothing")
	t.row("  in progress", term.Thousands(p.Live), "in another order: they end as duplicates and cost nothing")
	t.row("  invalid", term.Thousands(p.invalid), "lines left out")
	t.row("  repeated", term.Thousands(p.duplicates), "lines that count once")
	if p.allowing > 0 {
		t.row("  allowing", term.Thousands(p.allowing), "lines that allow a status such as premium: these cost what the registrar asks")
	}
	if err := t.end(); err != nil {
		return // stderr is gone, and with it whoever could be told
	}
	for _, c := range p.Claimed {
		how := "in progress in"
		if c.Registered {
			how = "registered by"
		}
		say(w, "  %s is %s order %s\n", c.Domain, how, c.Reference)
	}
	if more := p.Registered + p.Live - len(p.Claimed); more > 0 {
		say(w, "  ... and %s\n", term.Counted(more, "more", "more"))
	}
	if p.New > 0 {
		printBought(w, p.bought)
	}
}
