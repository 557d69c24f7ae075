// Package traces sends spans to a collector of OpenTelemetry's, over OTLP with HTTP and protobuf.
//
// Work never waits for it: spans are sent in the background, and those that a collector does not take in time are dropped. It lets
// nothing out but what [allowed] names, whoever made a span, and must never set anything for the whole process.
package traces

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const (
	// CloseTime is how long Close takes at most, whatever the collector does.
	CloseTime = 3 * time.Second
	// sendTime is how long one request to the collector may take.
	sendTime = 5 * time.Second
	// sendEvery is how old a span is at most when it is sent.
	sendEvery = 2 * time.Second
	// mostLinks is how many orders a batch may be for, and more.
	mostLinks = 1000
)

// Config is what a Sender is made of.
type Config struct {
	URL     string            // of the collector, with the path to its traces
	Headers map[string]string // that it asks for
	Ratio   float64           // of the traces that begin here: from 0 to 1. Others are sent if where they begin wants them to be
	Service string            // such as bulkreg-worker
	Version string
	Log     zerolog.Logger
	Every   time.Duration // default 2 s
}

// Sender sends spans.
type Sender struct {
	provider *sdk.TracerProvider
	exporter *otlptrace.Exporter
}

// Start makes a sender. It connects to nothing: a collector that is away is told of in the log, and tried again.
func Start(ctx context.Context, c Config) (*Sender, error) {
	if c.Every == 0 {
		c.Every = sendEvery
	}
	exporter, err := otlptrace.New(ctx, newClient(c))
	if err != nil {
		return nil, fmt.Errorf("make sender of traces: %w", err)
	}
	limits := sdk.NewSpanLimits()
	limits.LinkCountLimit = mostLinks
	return &Sender{exporter: exporter, provider: sdk.NewTracerProvider(
		sdk.WithBatcher(&careful{to: exporter, log: c.Log}, sdk.WithBatchTimeout(c.Every), sdk.WithExportTimeout(sendTime)),
		sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(c.Ratio))),
		sdk.WithRawSpanLimits(limits),
		sdk.WithResource(resource.NewSchemaless(attribute.String("service.name", c.Service), attribute.String("service.version", c.Version))),
	)}, nil
}

// Provider makes the tracers whose spans are sent; nil without a sender.
func (s *Sender) Provider() trace.TracerProvider {
	if s == nil {
		return nil
	}
	return s.provider
}

// Close sends what is left, within CloseTime. What the collector does not take by then is dropped.
func (s *Sender) Close() {
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), CloseTime)
	defer cancel()
	_ = s.provider.Shutdown(ctx) // it says no more than that the time was over
	_ = s.exporter.Shutdown(ctx) // a request under way ends
}

// careful lets out what is allowed, and keeps to itself that a collector fails: the log is told when it begins to, and when it goes on.
type careful struct {
	to     sdk.SpanExporter
	log    zerolog.Logger
	failed atomic.Bool
}

var _ sdk.SpanExporter = (*careful)(nil)

// ExportSpans implements sdk.SpanExporter. It never fails: a failure would be told on standard error, in a form of its own.
func (c *careful) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	clean := make([]sdk.ReadOnlySpan, len(spans))
	for i, s := range spans {
		clean[i] = span{s}
	}
	err := c.to.ExportSpans(ctx, clean)
	switch {
	case err != nil && !c.failed.Swap(true):
		c.log.Warn().Str("error", shortened(err)).Msg("traces cannot be sent: those that the collector does not take are dropped")
	case err == nil && c.failed.Swap(false):
		c.log.Info().Msg("traces can be sent again")
	}
	return nil
}

// Shutdown implements sdk.SpanExporter.
func (c *careful) Shutdown(ctx context.Context) error { return c.to.Shutdown(ctx) }
