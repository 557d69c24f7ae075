package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCollector(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		endpoint, headers string
		want              Collector
		warns             string
	}{
		{"", "", Collector{}, ""},
		{"http://localhost:4318", "", Collector{"http://localhost:4318/v1/traces", map[string]string{}}, ""},
		{"https://otel.example/base/", "authorization=Bearer%20abc, x-team = shop", Collector{"https://otel.example/base/v1/traces",
			map[string]string{"authorization": "Bearer abc", "x-team": "shop"}}, ""},
		{"http://otel.example.com", "a=b", Collector{"http://otel.example.com/v1/traces", map[string]string{"a": "b"}}, "can be read on the way"},
		{"http://collector.monitoring.svc:4318", "a=b", Collector{"http://collector.monitoring.svc:4318/v1/traces", map[string]string{"a": "b"}}, ""},
		{"collector:4317", "", Collector{}, "no traces are sent"},
		{"https://u:hunter2@otel.example", "", Collector{}, "holds a user or password"},
		{"https://otel.example", "hunter2", Collector{URL: "https://otel.example/v1/traces"}, "NAME=VALUE"},
	} {
		c, err := Load([]string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + tc.endpoint, "OTEL_EXPORTER_OTLP_HEADERS=" + tc.headers})
		if err != nil {
			t.Errorf("%q stops everything: %v", tc.endpoint, err)
		}
		got, _ := c.Collector()
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%q: -want +got\n%s", tc.endpoint, diff)
		}
		warning := c.TracesWarning()
		if (warning == "") != (tc.warns == "") || !strings.Contains(warning, tc.warns) || strings.Contains(warning, "hunter2") {
			t.Errorf("%q warns %q, want %q", tc.endpoint, warning, tc.warns)
		}
	}
	c := Config{TracesHeaders: "authorization=Bearer%20abc"}
	if got := c.traceSecrets(); len(got) != 2 || string(got[1]) != "abc" {
		t.Errorf("its secrets are %d", len(got))
	}
}
