package api

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/queue/apikey"
	"github.com/danielgtaylor/huma/v2"
)

// The names of the groups of operations, in the order of the document.
const (
	tagOrders   = "Orders"
	tagJobs     = "Jobs and domains"
	tagEvents   = "Events"
	tagWebhooks = "Webhooks"
	tagHolds    = "Holds"
	tagServer   = "This server"
)

// config is how huma makes the document, and what it checks.
func (a *API) config() huma.Config {
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	registry.RegisterTypeAlias(typeOf[huma.ErrorModel](), typeOf[Problem]()) // see placed
	format := huma.Format{
		Marshal: func(w io.Writer, v any) error {
			encoder := json.NewEncoder(w)
			encoder.SetEscapeHTML(false)
			return encoder.Encode(v)
		},
		Unmarshal: decodeOnce,
	}
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "bulkreg", Version: a.options.Version,
				Description: "Orders of WHOIS checks, domain registrations and account tokens, carried out in bulk. " +
					"Every request may be repeated. A key sees the orders of its own source alone.",
			},
			Tags: []*huma.Tag{{Name: tagOrders}, {Name: tagJobs}, {Name: tagEvents}, {Name: tagWebhooks}, {Name: tagHolds}, {Name: tagServer}},
			Components: &huma.Components{
				Schemas:         registry,
				SecuritySchemes: map[string]*huma.SecurityScheme{"key": {Type: "http", Scheme: "bearer", Description: "A key of the source, as whoever runs this server makes them."}},
			},
		},
		Formats:                      map[string]huma.Format{"application/json": format, "json": format},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{a.placed},
	}
}

// placed says in a problem which request it is about. huma's own refusals become problems here: what makes them is a variable of
// huma's package, and would be another one's as well.
func (a *API) placed(ctx huma.Context, _ string, v any) (any, error) {
	if refusal, ok := v.(*huma.ErrorModel); ok {
		v = humaProblem(refusal)
	}
	if p, ok := v.(*Problem); ok {
		url := ctx.URL()
		p.Instance, p.RequestID = url.Path, requestOf(ctx.Context()).id
	}
	return v, nil
}

// roleKey is where an operation says which role it needs.
const roleKey = "x-bulkreg-role"

// operation describes an operation under /v1 that needs a role.
func operation(id, method, path, tag, summary, description string, needed apikey.Role) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: path, Tags: []string{tag}, Summary: summary,
		Description: description + "\n\nThe key needs the role **" + string(needed) + "**.",
		Security:    []map[string][]string{{"key": {}}}, Extensions: map[string]any{roleKey: string(needed)},
		Errors:       []int{http.StatusUnauthorized, http.StatusTooManyRequests, http.StatusServiceUnavailable},
		MaxBodyBytes: maxSmallBody,
	}
}

// add adds an operation whose answer is a value, and comes as soon as the database has it.
func add[I, O any](a *API, op huma.Operation, handler func(context.Context, *I) (*O, error)) {
	if op.Extensions[roleKey] == nil { // whoever asks without a key is of no source
		addWaiting(a, op, handler)
		return
	}
	addWaiting(a, op, func(ctx context.Context, in *I) (out *O, err error) {
		err = a.inTurn(ctx, func() error {
			out, err = handler(ctx, in)
			return err
		})
		return out, err
	})
}

// addWaiting adds an operation that may wait for something to happen, and takes its turns at the database by itself.
func addWaiting[I, O any](a *API, op huma.Operation, handler func(context.Context, *I) (*O, error)) {
	needed, _ := op.Extensions[roleKey].(string)
	_, body := typeOf[I]().FieldByName("Body")
	op.Errors = problemsOf(op, body)
	op.Responses = answersOf(a, op)
	op.BodyReadTimeout = a.options.BodyPatience // huma has one of its own
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		if op.Method != http.MethodGet {
			requestOf(ctx).bodyUntil(time.Time{}) // it was read; what is done now may take longer
		}
		if needed != "" {
			if p := allowed(ctx, apikey.Role(needed)); p != nil {
				return nil, p
			}
		}
		out, err := handler(ctx, in)
		if err != nil {
			return nil, a.told(ctx, err)
		}
		return out, nil
	})
}

// addPlain adds an operation that reads or writes for itself: what is large passes through in bounded memory. The document has it from
// op alone.
func (a *API) addPlain(op huma.Operation, handler func(http.ResponseWriter, *http.Request) error) {
	needed, _ := op.Extensions[roleKey].(string)
	op.Errors = problemsOf(op, op.RequestBody != nil)
	op.Responses = answersOf(a, op)
	a.huma.OpenAPI().AddOperation(&op)
	a.mux.HandleFunc(op.Method+" "+op.Path, func(w http.ResponseWriter, r *http.Request) {
		if p := allowed(r.Context(), apikey.Role(needed)); p != nil {
			a.refuse(w, r, p)
			return
		}
		if p := unknownQuery(op, r); p != nil {
			a.refuse(w, r, p)
			return
		}
		if err := handler(w, r); err != nil {
			a.refuse(w, r, a.told(r.Context(), err))
		}
	})
}

// problemsOf are the statuses of the problems that an operation may answer with: its own, and those that follow from what it is.
func problemsOf(op huma.Operation, body bool) []int {
	all := append([]int{http.StatusUnprocessableEntity, http.StatusInternalServerError}, op.Errors...) // parameters may be wrong, and so may we
	if strings.Contains(op.Path, "{") && op.OperationID != listsDomain {
		all = append(all, http.StatusNotFound)
	}
	if needed := op.Extensions[roleKey]; needed != nil && needed != string(apikey.Read) { // reading every key may
		all = append(all, http.StatusForbidden)
	}
	if body { // it may be wrong in all these ways
		all = append(all, http.StatusBadRequest, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// answersOf adds the problems of an operation to its answers.
func answersOf(a *API, op huma.Operation) map[string]*huma.Response {
	answers := op.Responses
	if answers == nil {
		answers = map[string]*huma.Response{}
	}
	problem := a.huma.OpenAPI().Components.Schemas.Schema(typeOf[Problem](), true, "Problem")
	for _, status := range op.Errors {
		answers[statusText(status)] = &huma.Response{
			Description: http.StatusText(status), Content: map[string]*huma.MediaType{problemType: {Schema: problem}}, Headers: headersOf(status),
		}
	}
	return answers
}

// headersOf are what a problem says in headers.
func headersOf(status int) map[string]*huma.Header {
	text := &huma.Schema{Type: huma.TypeString}
	switch status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return map[string]*huma.Header{"Retry-After": {Description: "Seconds after which the request may be repeated", Schema: text}}
	case http.StatusUnauthorized:
		return map[string]*huma.Header{"WWW-Authenticate": {Description: "What to authenticate with", Schema: text}}
	}
	return nil
}

// unknownQuery refuses parameters that the document does not have: a slip would be passed over without a word.
func unknownQuery(op huma.Operation, r *http.Request) *Problem {
	known := map[string]bool{}
	for _, p := range op.Parameters {
		if p.In == "query" {
			known[p.Name] = true
		}
	}
	p := kindInvalid.problem("There are parameters that are not known here.")
	for name := range r.URL.Query() {
		if !known[name] {
			p.add(Fault{Location: "query." + shown(name), Message: "is no parameter of this operation: /docs lists them"})
		}
	}
	if len(p.Errors) == 0 {
		return nil
	}
	return p
}
