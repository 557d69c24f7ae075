package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/store"
)

// evidence is what is known of a job beyond its calls.
type evidence struct {
	readings []operator.RecordedReading
	acts     []operator.RecordedAct
}

func findEvidence(ctx context.Context, st *store.Store, job uuid.UUID) (evidence, error) {
	readings, err := st.Operator.Readings(ctx, job)
	if err != nil {
		return evidence{}, err
	}
	acts, err := st.Operator.Acts(ctx, job)
	return evidence{readings, acts}, err
}

// printEvidence prints what there is, each kind in a table of its own.
func (a *app) printEvidence(e evidence) error {
	if len(e.readings) > 0 {
		fmt.Fprintln(a.stdout)
		t := newTable(a.stdout, "READ", "WHOIS SAID", "STATUS")
		for _, r := range e.readings {
			t.row(timeCell(r.ReadAt), string(r.Availability), r.Status)
		}
		if err := t.end(); err != nil {
			return err
		}
	}
	if len(e.acts) == 0 {
		return nil
	}
	fmt.Fprintln(a.stdout)
	t := newTable(a.stdout, "DONE", "BY", "ACT", "BEFORE", "REASON")
	for _, act := range e.acts {
		before := strings.TrimSpace(string(act.StateBefore) + " " + string(act.OutcomeBefore))
		if act.ErrorBefore != "" {
			before += ": " + a.short(act.ErrorBefore)
		}
		t.row(timeCell(act.At), act.Operator, string(act.Act), before, act.Reason)
	}
	return t.end()
}

// evidenceJSON is evidence as programs read it. Its names are part of the interface.
type evidenceJSON struct {
	Readings []readingJSON     `json:"readings,omitempty"` // oldest first; left out when there are none
	Acts     []recordedActJSON `json:"acts,omitempty"`     // the same
}

type readingJSON struct {
	CallID       uuid.UUID      `json:"call_id"`
	ReadAt       time.Time      `json:"read_at"`
	Availability record.Outcome `json:"availability"`
	Status       string         `json:"status,omitempty"` // the upstream's word for it
}

type recordedActJSON struct {
	Act           operator.Act   `json:"act"`
	By            string         `json:"by"`
	Reason        string         `json:"reason"`
	At            time.Time      `json:"at"`
	StateBefore   record.State   `json:"state_before"`
	OutcomeBefore record.Outcome `json:"outcome_before"`
	ErrorBefore   string         `json:"error_before"`
}

func (e evidence) out() evidenceJSON {
	var out evidenceJSON
	for _, r := range e.readings {
		out.Readings = append(out.Readings, readingJSON{r.Call, r.ReadAt.UTC(), r.Availability, r.Status})
	}
	for _, a := range e.acts {
		out.Acts = append(out.Acts, recordedActJSON{
			a.Act, a.Operator, a.Reason, a.At.UTC(), a.StateBefore, a.OutcomeBefore, a.ErrorBefore,
		})
	}
	return out
}
