package worker

import (
	"context"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/queue/tracing"
	"github.com/bulkreg/bulkreg/worker/upstream"
)

// What traces show. A delivery's span is in the trace of its order, from when it comes until its jobs have been dealt with. A batch has a
// span for whatever is done with it, which links to the deliveries that its jobs came with: one call may be for a hundred orders. Where
// all of them are of one trace it is part of that.
//
// No span has a domain, a reference, a person, or anybody's words: attributes are ids, counts and names of our own.

const tracerName = "github.com/bulkreg/bulkreg/worker"

// traced gives a line of the log the trace that it belongs to, if there is one.
func traced(ctx context.Context, line *zerolog.Event) *zerolog.Event {
	if id := tracing.ID(ctx); id != "" {
		return line.Str("trace", id)
	}
	return line
}

// traceDelivery begins the span of a delivery, whose task has these headers.
func (p *pipeline) traceDelivery(ctx context.Context, headers map[string]string, jobs int) (context.Context, trace.Span) {
	return p.options.tracer.Start(tracing.With(ctx, headers[tracing.Header]), "deliver "+string(p.kind), trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(p.attributes(attribute.Int("bulkreg.jobs", jobs))...))
}

// traceBatch begins the span of a batch of jobs that came with these deliveries.
func (p *pipeline) traceBatch(ctx context.Context, tickets []ticket) (context.Context, trace.Span) {
	var links []trace.Link
	seen, traces := map[*passage]bool{}, map[trace.TraceID]bool{}
	for _, t := range tickets {
		if from := t.chunk.from; from.IsValid() && !seen[t.chunk] {
			seen[t.chunk], traces[from.TraceID()] = true, true
			links = append(links, trace.Link{SpanContext: from})
		}
	}
	if len(traces) == 1 {
		ctx = trace.ContextWithSpanContext(ctx, links[0].SpanContext)
	}
	return p.options.tracer.Start(ctx, "batch "+string(p.kind), trace.WithLinks(links...),
		trace.WithAttributes(p.attributes(attribute.Int("bulkreg.jobs", len(tickets)))...))
}

// traceCall begins the span of a call to the upstream. What it returns ends it. The upstream is not told of it: it is a stranger.
func (p *pipeline) traceCall(ctx context.Context, b batch, op record.Op, call uuid.UUID) (context.Context, func(upstream.Answer, error)) {
	ctx, span := p.options.tracer.Start(ctx, "call "+string(op), trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(p.attributes(
		attribute.String("bulkreg.op", string(op)), attribute.Stringer("bulkreg.call", call), attribute.Stringer("bulkreg.claim", b.claim),
		attribute.Int("bulkreg.jobs", len(b.jobs)))...))
	return ctx, func(a upstream.Answer, err error) {
		defer span.End()
		if !span.IsRecording() {
			return
		}
		span.SetAttributes(attribute.Int("http.response.status_code", a.Status))
		if err != nil {
			span.SetAttributes(attribute.String("error.type", whyFailed(a.Status, err)))
			span.SetStatus(codes.Error, "")
		}
	}
}

// traceSettling begins the span of writing down what came of a batch, for as long as it takes.
func (p *pipeline) traceSettling(ctx context.Context, b batch) (context.Context, trace.Span) {
	return p.options.tracer.Start(ctx, "settle", trace.WithAttributes(attribute.Stringer("bulkreg.claim", b.claim)))
}

func (p *pipeline) attributes(more ...attribute.KeyValue) []attribute.KeyValue {
	return append(more, attribute.String("bulkreg.kind", string(p.kind)), attribute.String("bulkreg.account", p.account))
}
