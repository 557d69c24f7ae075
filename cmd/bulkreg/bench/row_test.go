package bench

import "testing"

func TestRows(t *testing.T) {
	t.Parallel()
	want := []struct {
		name    string
		domains int
		limit   float64
		about   string
	}{
		{"whois-0ms", 200_000, 0, "200,000 WHOIS checks, 0s a call"},
		{"whois-50ms", 64_000, 8000, "64,000 WHOIS checks, 50ms a call"},
		{"whois-200ms", 16_000, 2000, "16,000 WHOIS checks, 200ms a call"},
		{"register-50ms", 2000, 2000, "2,000 registrations, 50ms a call"},
		{"token-50ms", 1280, 160, "1,280 tokens, 50ms a call"},
		{"one-domain", 100_000, 8000, "10 orders of one domain, among 100,000 WHOIS checks, 50ms a call"},
		{"api-orders", 1, 0, "orders of one domain by 8 clients for 8s, and one of 100,000"},
	}
	rows := Rows(Options{Domains: 200_000, Seconds: 8})
	if len(rows) != len(want) {
		t.Fatalf("%d rows, want %d", len(rows), len(want))
	}
	for i, w := range want {
		r := rows[i]
		if r.Name != w.name || r.domains != w.domains || r.limit() != w.limit || r.About() != w.about {
			t.Errorf("%s: %d domains, limit %g, %q; want %+v", r.Name, r.domains, r.limit(), r.About(), w)
		}
	}
	for _, r := range Rows(Options{Domains: 1, Seconds: 0.0001}) {
		if batch, _ := r.calls(); r.latency > 0 && r.domains != batch {
			t.Errorf("%s: %d domains at the least, want a full call of %d", r.Name, r.domains, batch)
		}
	}
}
