package main

import (
	"fmt"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
)

// aboutUnconfirmed is why unconfirmed jobs need a person.
const aboutUnconfirmed = "sent without a definite answer, and WHOIS cannot settle it: ours, somebody else's or still to come?"

// needsPersonJSON says how many jobs of an order wait for a person. Its names are part of the interface.
type needsPersonJSON struct {
	Jobs     int      `json:"jobs"`
	Why      string   `json:"why"`
	Commands []string `json:"commands"` // what to type: either of them
}

// needsPersonOut is nil when no job waits for a person.
func needsPersonOut(s record.Summary) *needsPersonJSON {
	n := s.Counts[record.Unconfirmed]
	if n == 0 {
		return nil
	}
	return &needsPersonJSON{Jobs: n, Why: aboutUnconfirmed, Commands: []string{
		fmt.Sprintf("bulkreg confirm %s --registered --reason TEXT", named(s.Order)),
		fmt.Sprintf("bulkreg confirm %s --not-registered --reason TEXT", named(s.Order)),
	}}
}

// printNeedsPerson says below an order what a person has to do, if anything.
func (a *app) printNeedsPerson(s record.Summary) error {
	n := needsPersonOut(s)
	if n == nil {
		return nil
	}
	text := term.Sprintf(`
%s a person: %s
Ask the registrar about the domains that `+"`bulkreg jobs %s --state unconfirmed`"+` lists. Then type, for all or job by job,
  %s
  %s
`, term.Counted(n.Jobs, "job needs", "jobs need"), n.Why, named(s.Order), n.Commands[0], n.Commands[1])
	if _, err := fmt.Fprint(a.stdout, text); err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	return nil
}
