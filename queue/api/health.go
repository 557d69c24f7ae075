package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bulkreg/bulkreg/store/pg"
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
		Summary:     "Whether orders can be accepted",
		Description: "200 while Postgres answers, takes writes and has a schema that this server works on, else 503. Needs no key.",
	}, func(ctx context.Context, _ *struct{}) (*healthOutput, error) {
		if why := a.notReady(ctx); why != "" {
			p := kindUnavailable.problem("%s", why)
			p.retryAfter = unavailableFor
			return nil, p
		}
		return &healthOutput{health{"ok"}}, nil
	})
}

// notReady is why orders cannot be accepted, "" where they can. Whoever asks gets an answer in time, whatever the database does.
func (a *API) notReady(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, a.options.ReadyPatience)
	defer cancel()
	if err := a.options.Store.Writable(ctx); err != nil {
		return "The database is away, or takes no writes."
	}
	// It may have been migrated, or put back to an earlier time, since this server began.
	var schema *pg.SchemaError
	switch err := a.options.Store.CheckSchema(ctx); {
	case errors.As(err, &schema):
		return upperFirst(schema.Error()) + "."
	case err != nil:
		return "The database does not tell which schema it has."
	}
	return ""
}
