package traces

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// What a collector answers is told in our words alone, and leads nowhere: it may quote what lets us in.
func TestAnswersOfCollectors(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect is followed") }))
	t.Cleanup(elsewhere.Close)
	partly, err := proto.Marshal(&collectorpb.ExportTraceServiceResponse{
		PartialSuccess: &collectorpb.ExportTracePartialSuccess{RejectedSpans: 3, ErrorMessage: "verysecretkey"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for want, answer := range map[string]http.HandlerFunc{
		"": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) },
		"answers with status 401": func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "who is "+r.Header.Get("X-Key"), http.StatusUnauthorized)
		},
		"answers with status 307": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		},
		"drops 3 of them": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(partly) }, // the sender says what came
		"cannot be sent":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		var log strings.Builder
		collector := httptest.NewServer(answer)
		sender, err := Start(t.Context(), Config{
			URL: collector.URL + "/v1/traces", Headers: map[string]string{"X-Key": "verysecretkey"}, Ratio: 1, Log: zerolog.New(&log),
		})
		if err != nil {
			t.Fatal(err)
		}
		_, span := sender.Provider().Tracer("t").Start(t.Context(), "one")
		span.End()
		sender.Close()
		collector.Close()
		if said := log.String(); !strings.Contains(said, want) || want == "" && said != "" || strings.Contains(said, "verysecretkey") {
			t.Errorf("of one that %q it says %s", want, said)
		}
	}
}
