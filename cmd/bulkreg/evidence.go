package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/queue/api/view"
	"github.com/bulkreg/bulkreg/store"
)

// findEvidence reads what is known of a job beyond its calls.
func findEvidence(ctx context.Context, st *store.Store, job uuid.UUID) (view.Evidence, error) {
	readings, err := st.Operator.Readings(ctx, job)
	if err != nil {
		return view.Evidence{}, err
	}
	acts, err := st.Operator.Acts(ctx, job)
	return view.EvidenceOf(readings, acts), err
}

// printEvidence prints what there is, each kind in a table of its own.
func (a *app) printEvidence(e view.Evidence) error {
	if len(e.Readings) > 0 {
		fmt.Fprintln(a.stdout)
		t := newTable(a.stdout, "READ", "WHOIS SAID", "STATUS")
		for _, r := range e.Readings {
			t.row(timeCell(r.ReadAt), string(r.Availability), r.Status)
		}
		if err := t.end(); err != nil {
			return err
		}
	}
	if len(e.Acts) == 0 {
		return nil
	}
	fmt.Fprintln(a.stdout)
	t := newTable(a.stdout, "DONE", "BY", "ACT", "BEFORE", "REASON")
	for _, act := range e.Acts {
		before := strings.TrimSpace(string(act.StateBefore) + " " + string(act.OutcomeBefore))
		if act.ErrorBefore != "" {
			before += ": " + a.short(act.ErrorBefore)
		}
		t.row(timeCell(act.At), act.By, string(act.Act), before, act.Reason)
	}
	return t.end()
}
