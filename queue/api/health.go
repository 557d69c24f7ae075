package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// health is what is told of this server to whoever asks.
type health struct {
	Status string `json:"status" enum:"ok"`
}

type healthOutput struct{ Body health }

// registerHealth adds what needs no key: it tells neither addresses nor errors.
func (a *API) registerHealth() {
	add(a, huma.Operation{
		OperationID: "healthz", Method: http.MethodGet, Path: "/healthz", Tags: []string{tagServer},
		Summary: "Whether the process lives", Description: "It asks nobody. Needs no key.",
	}, func(context.Context, *struct{}) (*healthOutput, error) { return &healthOutput{health{"ok"}}, nil })
	add(a, huma.Operation{
		OperationID: "readyz", Method: http.MethodGet, Path: "/readyz", Tags: []string{tagServer}, Errors: []int{http.StatusServiceUnavailable},
		Summary: "Whether orders can be accepted", Description: "200 while Postgres answers and takes writes, else 503. Needs no key.",
	}, func(ctx context.Context, _ *struct{}) (*healthOutput, error) {
		if err := a.options.Store.Writable(ctx); err != nil {
			p := kindUnavailable.problem("The database is away, or takes no writes.")
			p.retryAfter = unavailableFor
			return nil, p
		}
		return &healthOutput{health{"ok"}}, nil
	})
}
