package worker_test

import (
	"errors"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/tracing"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// A producer's own task goes on in the producer's trace, in a header that other producers need not know.
func TestProducersTasksKeepTheirTrace(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	made := tracetest.NewSpanRecorder()
	o := b.options()
	o.Traces = sdk.NewTracerProvider(sdk.WithSpanProcessor(made))
	b.work(o)
	const header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	producer, err := queue.NewProducer(b.redis)
	if err != nil {
		t.Fatal(err)
	}
	err = producer.Enqueue(tracing.With(t.Context(), header), queue.Whois, queue.Plain,
		queue.Chunk{Order: "traced", Source: "shop", Account: "default", Jobs: []queue.Job{{Domain: "a.nl"}}})
	if err := errors.Join(err, producer.Close()); err != nil {
		t.Fatal(err)
	}
	b.own(queue.Whois, "untraced", queue.Job{Domain: "b.nl"})
	names := map[string]bool{}
	b.eventually(func() bool {
		for _, s := range made.Ended() {
			if s.SpanContext().TraceID().String() == tracing.IDOf(header) {
				names[s.Name()] = true
			}
		}
		return names["adopt whois"] && names["deliver whois"]
	})
	if n := b.sql(`SELECT count(*) FROM orders WHERE trace LIKE '00-` + tracing.IDOf(header) + `-%-01'`); n != 1 {
		t.Errorf("%d orders are in the trace", n)
	}
	b.invariants()
}
