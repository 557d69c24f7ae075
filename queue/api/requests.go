package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"runtime/debug"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/trace"
)

// request is what is noted of a request while it is carried out.
type request struct {
	id     string
	caller Caller
	// presented is the key of a caller that was let in. It must not be logged.
	presented string
	refused   RefusedKeyError // why its key was
	pattern   string          // of the path; "" for one that is not known
	control   *http.ResponseController
	hasBody   bool
	begun     time.Time
	span      trace.Span // nil: it is not traced
	trace     string     // its id; "" for none
}

// bodyUntil bounds how long the body may still take; a zero time is for one that was read. Whoever answers without having read it to
// its end waits for the rest: net/http reads on, up to a bound, before it sends the answer.
func (r *request) bodyUntil(at time.Time) {
	if r.control != nil && r.hasBody {
		_ = r.control.SetReadDeadline(at) // a connection that knows none has none
	}
}

type requestKey struct{}

func requestOf(ctx context.Context) *request {
	r, _ := ctx.Value(requestKey{}).(*request)
	if r == nil {
		return &request{}
	}
	return r
}

func noteCaller(ctx context.Context, c Caller) { requestOf(ctx).caller = c }

func noteRefused(ctx context.Context, err error) {
	if why := (*RefusedKeyError)(nil); errors.As(err, &why) {
		requestOf(ctx).refused = *why
	}
}

const (
	// writePatience is how long a reader may take for one piece of an answer, and keylessPatience one who has shown no key.
	writePatience   = 30 * time.Second
	keylessPatience = 10 * time.Second
)

// answer counts what is answered, for the log, and waits for a reader only as long as that one goes on reading.
type answer struct {
	http.ResponseWriter
	noted  *request
	status int
	bytes  int64
}

// bound bounds how long the next piece may take.
func (a *answer) bound() {
	patience := keylessPatience
	if a.noted.caller.KeyID != "" {
		patience = writePatience
	}
	_ = a.noted.control.SetWriteDeadline(time.Now().Add(patience)) // a connection that knows none has none
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.bound()
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	a.bound()
	n, err := a.ResponseWriter.Write(p)
	a.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// saneID is what a caller may call its request.
var saneID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// observed gives each request an id, catches panics, and logs what came of it: never a key, a query or a body, and of the path only
// the pattern that it matched.
func (a *API) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun := a.options.Clock()
		noted := &request{id: r.Header.Get("X-Request-Id"), control: http.NewResponseController(w), hasBody: r.ContentLength != 0, begun: begun}
		noted.bodyUntil(time.Now().Add(a.options.BodyPatience))
		if !saneID.MatchString(noted.id) {
			noted.id = uuid.NewString()
		}
		w.Header().Set("X-Request-Id", noted.id)
		secure(w.Header())
		out := &answer{ResponseWriter: w, noted: noted}
		r = r.WithContext(context.WithValue(r.Context(), requestKey{}, noted))
		defer func() {
			reason := recover()
			if reason != nil && reason != any(http.ErrAbortHandler) { // with this one a handler breaks an answer off
				a.log(r.Context()).Error().Str("panic", fmt.Sprintf("%T", reason)).Bytes("stack", debug.Stack()).Msg("a request caused a panic")
				if out.status == 0 {
					a.refuse(out, r, kindInternal.problem("Something went wrong here. Send the same request again, or ask whoever runs this server."))
					reason = nil
				}
			}
			took := a.options.Clock().Sub(begun)
			a.logRequest(r, out, took)
			noted.endTrace(methodOf(r), out.status)
			if a.options.Meter != nil {
				a.options.Meter.Requested(a.operationOf(noted.pattern), out.status, took)
			}
			if reason != nil {
				panic(http.ErrAbortHandler) // what was begun must not pass for whole
			}
		}()
		next.ServeHTTP(out, r)
	})
}

func (a *API) logRequest(r *http.Request, out *answer, took time.Duration) {
	pattern := cmp.Or(requestOf(r.Context()).pattern, "none")
	level := zerolog.InfoLevel
	if pattern == "GET /healthz" || pattern == "GET /readyz" {
		level = zerolog.DebugLevel
	}
	line := a.log(r.Context()).WithLevel(level)
	if refused := requestOf(r.Context()).refused; refused.Why != "" {
		line = line.Str("refused", refused.Why)
		if refused.KeyID != "" {
			line = line.Str("refused_key", refused.KeyID) // presented by whoever it was: it says nothing of a source
		}
	}
	line.Str("route", pattern).Str("method", methodOf(r)).Int("status", out.status).
		Int64("bytes", out.bytes).Dur("took_ms", took).Msg("request")
}

// methodOf is a method that is known: a caller's own word is not for the log.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "other"
}

// log writes about a request.
func (a *API) log(ctx context.Context) *zerolog.Logger {
	r := requestOf(ctx)
	with := a.options.Log.With().Str("request", r.id)
	if r.caller.KeyID != "" {
		with = with.Str("key", r.caller.KeyID).Str("source", r.caller.Source)
	}
	if r.trace != "" {
		with = with.Str("trace", r.trace)
	}
	log := with.Logger()
	return &log
}

// Meter is told of requests. It must not block.
type Meter interface {
	// Requested tells of a request for one of Operations, and of the status that it was answered with; 0: with none.
	Requested(operation string, status int, took time.Duration)
}

// operationOther is the operation of requests for pages, and for what is not there.
const operationOther = "other"

// nameOperations learns the ids of operations from the document.
func (a *API) nameOperations() {
	a.operations = map[string]string{}
	for path, item := range a.huma.OpenAPI().Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				a.operations[op.Method+" "+path] = op.OperationID
			}
		}
	}
}

// Operations are all that a Meter is told of.
func (a *API) Operations() []string {
	ids := slices.AppendSeq([]string{operationOther}, maps.Values(a.operations))
	slices.Sort(ids)
	return ids
}

// operationOf is the operation of a request that matched a pattern.
func (a *API) operationOf(pattern string) string {
	return cmp.Or(a.operations[pattern], operationOther)
}

// policy is what a browser may load for a page: nothing.
const policy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

// secure sets what keeps browsers from doing with an answer what it is not for.
func secure(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// told is what a caller is told of an error. What is ours to know is logged.
func (a *API) told(ctx context.Context, err error) *Problem {
	p, internal := problemOf(err)
	if internal && ctx.Err() == nil {
		a.log(ctx).Error().Err(err).Msg("a request could not be carried out")
	}
	return p
}

// refusedBodyTime is how long the body of a refused request is waited for.
const refusedBodyTime = 500 * time.Millisecond

// refuse answers with a problem.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, p *Problem) {
	noted := requestOf(r.Context())
	p.Instance, p.RequestID = r.URL.Path, noted.id
	noted.bodyUntil(time.Now().Add(refusedBodyTime))
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_ = json.NewEncoder(w).Encode(p) // who does not read it is gone
	}
}
