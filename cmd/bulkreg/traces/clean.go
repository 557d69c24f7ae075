package traces

import (
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// allowed are the attributes that leave the process: ids, counts and words of our own. Whatever else a library adds, such as an address or
// an error's text, may say anything of anybody.
func allowed() []string {
	return []string{
		"bulkreg.account", "bulkreg.call", "bulkreg.claim", "bulkreg.jobs", "bulkreg.kind", "bulkreg.op",
		"http.request.method", "http.route", "http.response.status_code", "error.type",
		"db.system.name", "db.operation.name", "db.response.status_code", "pgx.sql_state", "pgx.operation.type", "pgx.rows_affected",
	}
}

// span is a span as it leaves the process.
type span struct{ sdk.ReadOnlySpan }

// Attributes implements sdk.ReadOnlySpan.
func (s span) Attributes() []attribute.KeyValue {
	names := allowed()
	return slices.DeleteFunc(slices.Clone(s.ReadOnlySpan.Attributes()), func(a attribute.KeyValue) bool { return !slices.Contains(names, string(a.Key)) })
}

// Events implements sdk.ReadOnlySpan. They are errors, with their texts.
func (s span) Events() []sdk.Event { return nil }

// Status implements sdk.ReadOnlySpan.
func (s span) Status() sdk.Status { return sdk.Status{Code: s.ReadOnlySpan.Status().Code} }

// Links implements sdk.ReadOnlySpan.
func (s span) Links() []sdk.Link {
	links := make([]sdk.Link, len(s.ReadOnlySpan.Links()))
	for i, l := range s.ReadOnlySpan.Links() {
		links[i] = sdk.Link{SpanContext: l.SpanContext.WithTraceState(trace.TraceState{})}
	}
	return links
}

// SpanContext implements sdk.ReadOnlySpan.
func (s span) SpanContext() trace.SpanContext {
	return s.ReadOnlySpan.SpanContext().WithTraceState(trace.TraceState{})
}

// shortened is what went wrong, on one short line: it may quote the collector.
func shortened(err error) string {
	const most = 200
	text := strings.ToValidUTF8(strings.Join(strings.Fields(err.Error()), " "), "")
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return text
}

// Parent implements sdk.ReadOnlySpan.
func (s span) Parent() trace.SpanContext {
	return s.ReadOnlySpan.Parent().WithTraceState(trace.TraceState{})
}
