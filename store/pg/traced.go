package pg

import (
	"regexp"
	"strings"

	"github.com/exaring/otelpgx"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
)

// newTracer has statements show in the traces that they are made in. A statement that belongs to none, as those of a worker's rounds, shows
// nowhere. Of statements only what they do to which table is told, and never their text or their values.
func newTracer(to trace.TracerProvider) *otelpgx.Tracer {
	return otelpgx.NewTracer(
		otelpgx.WithTracerProvider(to), otelpgx.WithMeterProvider(noop.NewMeterProvider()), otelpgx.WithSpanNameFunc(spanName),
		otelpgx.WithDisableSQLStatementInAttributes(), otelpgx.WithDisableConnectionDetailsInAttributes(),
	)
}

var (
	changesPattern = regexp.MustCompile(`(?i)\b(insert into|update|delete from)\s+([a-z_]+)`)
	readsPattern   = regexp.MustCompile(`(?i)\b(from)\s+([a-z_]+)`)
)

// spanName is what a statement does: the first change that it makes, or what it reads first.
func spanName(sql string) string {
	if m := changesPattern.FindStringSubmatch(sql); m != nil {
		return strings.ToLower(strings.Join(strings.Fields(m[1]), " ") + " " + m[2])
	}
	if m := readsPattern.FindStringSubmatch(sql); m != nil {
		return "read " + strings.ToLower(m[2])
	}
	first, _, _ := strings.Cut(strings.TrimSpace(sql), " ")
	if len(first) > 20 {
		first = "statement"
	}
	return strings.ToLower(first)
}
