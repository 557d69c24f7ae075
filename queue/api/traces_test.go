package api_test

import (
	"fmt"
	"net/http"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/bulkreg/bulkreg/queue/api"
)

// Whoever has no good key, or asks too often, fills no trace, whatever its traceparent wants: what is sent to a collector is bounded, and
// would be missing of others.
func TestStrangersFillNoTraces(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	d := setup(t, func(o *api.Options) {
		o.Traces = sdk.NewTracerProvider(sdk.WithSpanProcessor(spans), sdk.WithSampler(sdk.ParentBased(sdk.NeverSample())))
	})
	ask := func(path, key string) int {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
		if key != "" {
			request.Header.Set("Authorization", "Bearer "+key)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }() // it is not read
		return response.StatusCode
	}
	for _, path := range []string{"/v1/holds", "/docs", "/openapi.json", "/nowhere", "/healthz"} {
		for _, key := range []string{"", "made up", d.keys["expired"].Reveal()} {
			ask(path, key)
		}
	}
	if n := len(spans.Started()); n != 0 {
		t.Errorf("strangers made %d spans", n)
	}
	answers := map[int]int{}
	for range 4 {
		answers[ask("/v1/holds", d.keys["slow"].Reveal())]++
	}
	if got := fmt.Sprint(answers); got != "map[200:2 429:2]" {
		t.Fatalf("answers %s", got)
	}
	requests := 0
	for _, span := range spans.Ended() {
		if span.Name() == "GET /v1/holds" {
			requests++
		}
	}
	if requests != 2 {
		t.Errorf("%d spans of 2 requests that were let in", requests)
	}
}
