package view

import (
	"time"

	"github.com/bulkreg/bulkreg/store/record"
)

// Order is an order and how far it has come.
type Order struct {
	Reference  string                 `json:"reference"`
	Source     string                 `json:"source"`
	Kind       record.Kind            `json:"kind"`
	Account    string                 `json:"account"`
	Total      int                    `json:"total" doc:"Jobs in it"`
	Counts     map[record.State]int   `json:"counts" doc:"Jobs by state; states with none are left out"`
	Outcomes   map[record.Outcome]int `json:"outcomes" doc:"Final jobs by outcome"`
	Done       bool                   `json:"done" doc:"Every job is final"`
	Calls      int                    `json:"calls" doc:"Requests to the registrar that were made for it, those shared with other orders included"`
	CreatedAt  time.Time              `json:"created_at"`
	FinishedAt *time.Time             `json:"finished_at" doc:"When the last job ended; null while one has not"`
	PrunedAt   *time.Time             `json:"pruned_at,omitempty" doc:"Since when its jobs are not kept any more, because it ended long ago; left out where they are"`
}

// OrderOf is an order as it stands.
func OrderOf(s record.Summary) Order {
	var pruned time.Time
	if s.PrunedAt != nil {
		pruned = *s.PrunedAt
	}
	return Order{
		Reference: s.Reference, Source: s.Source, Kind: s.Kind, Account: s.Account, Total: s.Total,
		Counts: s.Counts, Outcomes: s.Outcomes, Done: s.Done(), Calls: s.Calls,
		CreatedAt: s.CreatedAt.UTC(), FinishedAt: Time(s.FinishedAt), PrunedAt: Time(pruned),
	}
}
