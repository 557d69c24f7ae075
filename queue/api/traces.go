package api

import (
	"cmp"
	"context"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/bulkreg/bulkreg/queue/tracing"
)

const tracerName = "github.com/bulkreg/bulkreg/queue/api"

// traceRequest begins the span of a request that was let in, as if it had begun with it, in the caller's trace if it names one: whether such a
// trace is sent is the caller's to say, and so nobody else's may be. Nothing of the request but its method and the pattern of its path is in it,
// and of the caller nothing at all.
func (a *API) traceRequest(r *http.Request) context.Context {
	noted := requestOf(r.Context())
	ctx, span := a.tracer.Start(tracing.With(r.Context(), r.Header.Get(tracing.Header)), "request",
		trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(noted.begun))
	noted.span, noted.trace = span, tracing.ID(ctx)
	return ctx
}

// endTrace ends the span of a request, if it has one.
func (r *request) endTrace(method string, status int) {
	if r.span == nil {
		return
	}
	defer r.span.End()
	if !r.span.IsRecording() {
		return
	}
	route := cmp.Or(r.pattern, "none")
	r.span.SetName(route)
	r.span.SetAttributes(attribute.String("http.request.method", method), attribute.String("http.route", route),
		attribute.Int("http.response.status_code", status))
	if status == 0 || status >= http.StatusInternalServerError {
		r.span.SetStatus(codes.Error, "")
	}
}
