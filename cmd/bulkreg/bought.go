package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/queue/intake"
)

// printBought shows to people what the new domains of a plan are.
func printBought(w io.Writer, b intake.Bought) {
	fmt.Fprintln(w, "What is bought:")
	t := newTable(w)
	t.row("  domains under", frequent(b.TLDs, "other TLD", "other TLDs"))
	t.row("  periods", periods(b.Periods))
	t.row("  holders", holdersText(b))
	t.row("  name servers", nameservers(b))
	if err := t.end(); err != nil {
		return // as for the plan
	}
}

// frequent is "nl 3, com 2, and 9 with 4 others".
func frequent(c intake.Counts, other, others string) string {
	var parts []string
	for _, one := range c.Listed {
		parts = append(parts, one.Name+" "+term.Thousands(one.Domains))
	}
	if c.Rest > 0 {
		words := "others"
		if c.Others > 0 {
			words = term.Counted(c.Others, other, others)
		}
		parts = append(parts, term.Thousands(c.Rest)+" with "+words)
	}
	return strings.Join(parts, ", ")
}

func periods(of map[int]int) string {
	var parts []string
	for _, months := range slices.Sorted(maps.Keys(of)) {
		parts = append(parts, periodText(months)+" "+term.Thousands(of[months]))
	}
	return strings.Join(parts, ", ")
}

const monthsOfYear = 12

// periodText is a period in years, where they are whole years.
func periodText(months int) string {
	if months%monthsOfYear == 0 {
		return term.Counted(months/monthsOfYear, "year", "years")
	}
	return term.Counted(months, "month", "months")
}

func holdersText(b intake.Bought) string {
	var parts []string
	if ids := frequent(b.HolderIDs, "other holder", "other holders"); ids != "" {
		parts = append(parts, ids)
	}
	if b.FromDetails > 0 {
		parts = append(parts, fmt.Sprintf("%s with %s, found at the registrar or created", term.Thousands(b.FromDetails),
			term.Counted(b.NewHolders, "holder given by details", "holders given by details")))
	}
	return strings.Join(parts, ", ")
}

func nameservers(b intake.Bought) string {
	var parts []string
	if hosts := frequent(b.Nameservers, "other name server", "other name servers"); hosts != "" {
		parts = append(parts, hosts)
	}
	if b.Undelegated > 0 {
		parts = append(parts, "none "+term.Thousands(b.Undelegated))
	}
	return strings.Join(parts, ", ")
}
