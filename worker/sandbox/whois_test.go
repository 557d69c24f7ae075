package sandbox_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/worker/sandbox"
)

func TestWhoisLabels(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{Taken: []string{"theirs.nl"}})
	available, taken := true, false
	cases := []struct {
		domain string
		want   *bool // nil: an error instead
	}{
		{"plain.nl", &available},
		{"theirs.nl", &taken},
		{"taken.nl", &taken},
		{"taken-1.shop.nl", &taken},
		{"takenalike.nl", &available},
		{"www.taken-1.nl", &available},
		{"refused-1.nl", &available},
		{"poison-1.nl", &available},
		{"badreq-1.nl", &available},
		{"lag-1.nl", &available},
		{"flaky-1.nl", &available},
		{"unknown-1.nl", nil},
		{"under_score.nl", nil},
		{"nodot", nil},
	}
	names := make([]string, len(cases))
	for i, c := range cases {
		names[i] = c.domain
	}
	got := b.whois(names...)
	if got.status != http.StatusOK || len(got.results(t)) != len(cases) {
		t.Fatalf("%d %s", got.status, got.body)
	}
	for _, c := range cases {
		l := got.result(t, c.domain)
		switch {
		case c.want == nil && (l.Available != nil || l.Error == ""):
			t.Errorf("%s: want an error only, got %+v", c.domain, l)
		case c.want != nil && (l.Available == nil || *l.Available != *c.want || l.Error != "" || l.Status == ""):
			t.Errorf("%s: want available %v, got %+v", c.domain, *c.want, l)
		}
	}
	b.wantError(b.whois("plain.nl", "whoispoison-1.nl"), http.StatusUnprocessableEntity)
	b.wantError(b.must("GET", "/whois/whoispoison-1.nl", nil), http.StatusUnprocessableEntity)
}

func TestNoLabels(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{NoLabels: true})
	if l := b.whois("taken-1.nl").result(t, "taken-1.nl"); !*l.Available {
		t.Errorf("a label worked although labels are off: %+v", l)
	}
	if l := b.register("poison-1.nl").result(t, "poison-1.nl"); l.Status != "registered" {
		t.Errorf("a label worked although labels are off: %+v", l)
	}
}

func TestWhoisSingle(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	got := b.must("GET", "/whois/Plain.NL", nil)
	if body := got.json(t); got.status != http.StatusOK || body["domain"] != "plain.nl" || body["available"] != true {
		t.Errorf("%d %s", got.status, got.body)
	}
	item := b.Ledger().Received(sandbox.OpWhois)[0]
	if item.Domain != "plain.nl" || item.Raw != "Plain.NL" {
		t.Errorf("ledger has %+v", item)
	}
}

func TestWhoisLag(t *testing.T) {
	t.Parallel()
	c := newClock()
	b := setup(t, sandbox.Options{Clock: c.Now, LagTime: time.Minute})
	b.register("lag-1.nl", "plain.nl")
	if l := b.whois("lag-1.nl").result(t, "lag-1.nl"); !*l.Available {
		t.Error("WHOIS does not lag")
	}
	if l := b.whois("plain.nl").result(t, "plain.nl"); *l.Available {
		t.Error("WHOIS lags for a plain domain")
	}
	if l := b.register("lag-1.nl").result(t, "lag-1.nl"); l.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a lagging domain was registered again: %+v", l)
	}
	c.Advance(time.Minute)
	if l := b.whois("lag-1.nl").result(t, "lag-1.nl"); *l.Available {
		t.Error("WHOIS lags on after LagTime")
	}
}

func TestOrderOfResultsFollowsSeed(t *testing.T) {
	t.Parallel()
	asked := make([]string, 50)
	for i := range asked {
		asked[i] = fmt.Sprintf("d%02d.nl", i)
	}
	order := func(seed uint64) []string {
		var names []string
		for _, l := range setup(t, sandbox.Options{Seed: seed}).whois(asked...).results(t) {
			names = append(names, l.Domain)
		}
		return names
	}
	first := order(7)
	if slices.Equal(first, asked) || !slices.Equal(first, order(7)) || slices.Equal(first, order(8)) {
		t.Errorf("order is not the seed's: %v", first)
	}
}

func TestMaxBatch(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{MaxBatch: 2})
	b.wantError(b.whois("a.nl", "b.nl", "c.nl"), http.StatusUnprocessableEntity)
	b.wantError(b.register("a.nl", "b.nl", "c.nl"), http.StatusUnprocessableEntity)
	if r := b.register("a.nl", "b.nl"); r.status != http.StatusOK {
		t.Errorf("a full batch was refused: %d %s", r.status, r.body)
	}
	bad := setup(t, sandbox.Options{MaxBatch: 2, MaxBatchStatus: http.StatusBadRequest})
	bad.wantError(bad.whois("a.nl", "b.nl", "c.nl"), http.StatusBadRequest)
	l := b.Ledger()
	if l.BatchSizes[sandbox.OpRegister][3] != 1 || l.BatchSizes[sandbox.OpRegister][2] != 1 {
		t.Errorf("batch sizes %v", l.BatchSizes)
	}
}
