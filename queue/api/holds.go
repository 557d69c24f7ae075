package api

import (
	"context"
	"net/http"
	"time"

	"github.com/bulkreg/bulkreg/queue/api/view"
	"github.com/bulkreg/bulkreg/queue/apikey"
	"github.com/bulkreg/bulkreg/store/holds"
)

// hold is a reason for which an account, or one order, stands still.
type hold struct {
	Account     string       `json:"account"`
	Reference   string       `json:"reference,omitempty" doc:"Of the order that is paused by itself"`
	Reason      holds.Reason `json:"reason"`
	Scope       holds.Scope  `json:"scope" doc:"register: registrations alone; all: everything; order: one order alone"`
	Since       time.Time    `json:"since"`
	Words       string       `json:"words" doc:"Why, in the registrar's words or the operator's"`
	NextProbeAt *time.Time   `json:"next_probe_at" doc:"When one job is tried; null: none is"`
	EndsAt      *time.Time   `json:"ends_at" doc:"When it ends by itself, as a daily_limit does at midnight (UTC); null: no time ends it"`
}

type holdsOutput struct {
	Body struct {
		Holds []hold `json:"holds" doc:"Of accounts, and of the source's own orders"`
	}
}

func (a *API) registerHolds() {
	add(a, operation("list-holds", http.MethodGet, "/v1/holds", tagHolds, "What stands still, and why",
		"A hold stops an account's registrations or all of its work, until what was wrong is over. It concerns everybody who orders for that "+
			"account. Nothing is lost meanwhile, and no attempt is used up. A person lifts paused and restored, midnight (UTC) ends daily_limit, and "+
			"a job that is tried and goes well ends the others.", apikey.Read), a.listHolds)
}

func (a *API) listHolds(ctx context.Context, _ *struct{}) (*holdsOutput, error) {
	standing, err := a.options.Store.Holds.List(ctx)
	if err != nil {
		return nil, err
	}
	paused, err := a.options.Store.Holds.OrderHolds(ctx)
	if err != nil {
		return nil, err
	}
	var out holdsOutput
	out.Body.Holds = []hold{}
	for _, h := range standing {
		out.Body.Holds = append(out.Body.Holds, hold{
			Account: h.Account, Reason: h.Reason, Scope: h.Scope, Since: h.Since.UTC(), Words: withoutDomains(h.Words), NextProbeAt: view.Time(h.NextProbeAt), EndsAt: view.Time(h.EndsAt),
		})
	}
	source := callerOf(ctx).Source
	for _, h := range paused {
		if h.Source == source {
			out.Body.Holds = append(out.Body.Holds, hold{
				Account: h.Account, Reference: h.Reference, Reason: holds.Paused, Scope: "order", Since: h.Since.UTC(), Words: h.Words,
			})
		}
	}
	return &out, nil
}
