package traces

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// Whatever a span is given, and by whom, only what is allowed leaves the process.
func TestOnlyWhatIsAllowedLeaves(t *testing.T) {
	t.Parallel()
	kept := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(&careful{to: kept, log: zerolog.Nop()}))
	state, err := trace.ParseTraceState("who=jan")
	if err != nil {
		t.Fatal(err)
	}
	from := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled, TraceState: state})
	_, made := provider.Tracer("t").Start(trace.ContextWithRemoteSpanContext(t.Context(), from), "batch", trace.WithLinks(trace.Link{
		SpanContext: from, Attributes: []attribute.KeyValue{attribute.String("x", "jan")},
	}), trace.WithAttributes(attribute.Int("bulkreg.jobs", 3), attribute.String("db.query.text", "jan"), attribute.String("user.name", "jan")))
	made.RecordError(errors.New("duplicate key: jan@example.nl"))
	made.SetStatus(codes.Error, "jan")
	made.AddEvent("jan")
	made.End()
	got := kept.GetSpans()
	if len(got) != 1 || len(got[0].Attributes) != 1 || got[0].Attributes[0].Value.AsInt64() != 3 || len(got[0].Links) != 1 || got[0].Status.Code != codes.Error {
		t.Fatalf("left: %+v", got)
	}
	if text := fmt.Sprintf("%+v %s %s", got[0], got[0].SpanContext.TraceState(), got[0].Links[0].SpanContext.TraceState()); strings.Contains(text, "jan") {
		t.Errorf("with it leaves %s", text)
	}
}

type failing struct{ err error }

func (f *failing) ExportSpans(context.Context, []sdk.ReadOnlySpan) error { return f.err }
func (f *failing) Shutdown(context.Context) error                        { return nil }

// A collector that fails is told of once.
func TestFailuresAreToldOnce(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	collector := &failing{errors.New("refused\nby " + strings.Repeat("é", 300))}
	c := &careful{to: collector, log: zerolog.New(&log)}
	for range 3 {
		if err := c.ExportSpans(t.Context(), nil); err != nil {
			t.Error(err)
		}
	}
	collector.err = nil
	for range 2 {
		if err := c.ExportSpans(t.Context(), nil); err != nil {
			t.Error(err)
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 2 || strings.Count(log.String(), "é") > 200 {
		t.Errorf("it says %s", log.String())
	}
}

func TestNoSender(t *testing.T) {
	t.Parallel()
	var none *Sender
	none.Close()
	if none.Provider() != nil {
		t.Error("there is a provider")
	}
}
