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

// traceRequest begins the span of a request, in the caller's trace if it names one. What it returns ends the span. Nothing of the
// request but its method and the pattern of its path is in it, and of the caller nothing at all. Probes are no requests.
func (a *API) traceRequest(r *http.Request) (ctx context.Context, end func(noted *request, status int)) {
	if r.URL.Path == "/healthz" || r.URL.Path == "/readyz" {
		return r.Context(), func(*request, int) {}
	}
	ctx, span := a.tracer.Start(tracing.With(r.Context(), r.Header.Get(tracing.Header)), "request", trace.WithSpanKind(trace.SpanKindServer))
	return ctx, func(noted *request, status int) {
		defer span.End()
		if !span.IsRecording() {
			return
		}
		route := cmp.Or(noted.pattern, "none")
		span.SetName(route)
		span.SetAttributes(attribute.String("http.request.method", methodOf(r)), attribute.String("http.route", route),
			attribute.Int("http.response.status_code", status))
		if status == 0 || status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
	}
}
