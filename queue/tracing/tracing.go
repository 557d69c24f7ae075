// Package tracing carries a trace from where an order comes in to where its jobs are done: over HTTP, through Postgres and through
// Redis, in the form that W3C Trace Context gives it.
//
// Of what comes from outside only the ids are taken. What else may travel with them, tracestate and baggage, may say anything of
// anybody. It must never keep a provider of its own: whoever traces is given one.
package tracing

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Header is the name under which a trace travels, in HTTP and in a task of Asynq's.
const Header = "traceparent"

// Of is the value of Header that leads to the span in ctx; "" where there is none.
func Of(ctx context.Context) string {
	carried := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carried)
	return carried[Header]
}

// With has what is begun with ctx belong to the trace that a Header leads to. What is none changes nothing.
func With(ctx context.Context, header string) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{Header: header})
}

// From is where a Header leads to. It is not valid where the header is none.
func From(header string) trace.SpanContext {
	return trace.SpanContextFromContext(With(context.Background(), header))
}

// ID is the trace that ctx belongs to, for the log; "" where there is none.
func ID(ctx context.Context) string { return idOf(trace.SpanContextFromContext(ctx)) }

// IDOf is the trace that a Header leads to, for the log; "" where there is none.
func IDOf(header string) string { return idOf(From(header)) }

func idOf(of trace.SpanContext) string {
	if !of.HasTraceID() {
		return ""
	}
	return of.TraceID().String()
}
