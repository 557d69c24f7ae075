package tracing

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/propagation"
)

func TestTracesTravel(t *testing.T) {
	t.Parallel()
	const header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	ctx := With(t.Context(), header)
	if got := Of(ctx); got != header {
		t.Errorf("it comes out as %q", got)
	}
	if got := ID(ctx); got != "0af7651916cd43dd8448eb211c80319c" || IDOf(header) != got {
		t.Errorf("its id is %q", got)
	}
	for _, bad := range []string{
		"", "x", "00-00000000000000000000000000000000-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-jan@example.nl",
		"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	} {
		if ctx := With(t.Context(), bad); Of(ctx) != "" || ID(ctx) != "" || From(bad).IsValid() {
			t.Errorf("%q leads to %q", bad, Of(ctx))
		}
	}
}

// A caller may write anything into tracestate.
func TestNothingElseTravels(t *testing.T) {
	t.Parallel()
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{
		Header: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "who=jan",
	})
	if state := From(Of(ctx)).TraceState().String(); state != "" {
		t.Errorf("with it comes %q", state)
	}
}
