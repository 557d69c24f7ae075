// Package rules tests the alerts of deploy/prometheus with Prometheus' own rule engine. It is a module of its own, so that bulkreg does not
// depend on Prometheus.
package rules

import (
	"context"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
)

const (
	ruleFile = "../../deploy/prometheus/rules.yaml"
	runbook  = "../../deploy/RUNBOOK.md"
	step     = time.Minute
)

// loaded is an engine with the rules of bulkreg and a history, a sample of each series a minute.
func loaded(t *testing.T, history string) (*promqltest.LazyLoader, []*rules.Group) {
	t.Helper()
	loader, err := promqltest.NewLazyLoader("load 1m\n"+indented(history), promqltest.LazyLoaderOpts{EnableAtModifier: true, EnableNegativeOffset: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := loader.Close(); err != nil {
			t.Error(err)
		}
	})
	manager := rules.NewManager(&rules.ManagerOptions{
		QueryFunc: rules.EngineQueryFunc(loader.QueryEngine(), loader.Storage()), Appendable: loader.Storage(), Context: context.Background(),
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {}, Logger: promslog.NewNopLogger(),
	})
	byName, errs := manager.LoadGroups(step, labels.EmptyLabels(), "", nil, false, ruleFile)
	for _, err := range errs {
		t.Fatal(err)
	}
	var groups []*rules.Group
	for _, g := range byName {
		groups = append(groups, g)
	}
	return loader, groups
}

func indented(history string) string {
	var lines strings.Builder
	for line := range strings.Lines(history) {
		if line = strings.TrimSpace(line); line != "" {
			lines.WriteString("  " + line + "\n")
		}
	}
	return lines.String()
}

func alertsOf(groups []*rules.Group) []*rules.AlertingRule {
	var all []*rules.AlertingRule
	for _, g := range groups {
		all = append(all, g.AlertingRules()...)
	}
	return all
}

// firing are the alerts that fire at each minute, as "name account", from the first on.
func firing(t *testing.T, history string, minutes int) [][]string {
	t.Helper()
	loader, groups := loaded(t, history)
	for _, a := range alertsOf(groups) {
		a.SetRestored(true)
	}
	at := make([][]string, minutes+1)
	for n := range at {
		now := time.Unix(0, 0).UTC().Add(time.Duration(n) * step)
		loader.WithSamplesTill(now, func(err error) {
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range groups {
				g.Eval(loader.Context(), now)
			}
		})
		for _, a := range alertsOf(groups) {
			if err := a.LastError(); err != nil {
				t.Fatalf("%s: %v", a.Name(), err)
			}
			for _, active := range a.ActiveAlerts() {
				if active.State != rules.StateFiring {
					continue
				}
				at[n] = append(at[n], a.Name())
				if words := active.Annotations.Get("summary"); words == "" || strings.ContainsAny(words, "<{") {
					t.Errorf("%s says %q", a.Name(), words)
				}
			}
		}
	}
	return at
}

// Each alert fires over a history of what it is for, not before its time, and not over one that is nearly the same.
func TestAlerts(t *testing.T) {
	t.Parallel()
	tested := map[string]bool{}
	for name, c := range histories() {
		tested[name] = true
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := firing(t, without(healthy, c.ends)+c.fires, c.after)
			for n := range c.after {
				if slices.Contains(at[n], name) {
					t.Fatalf("it fires after %d minutes, before its time, which is %d", n, c.after)
				}
			}
			if want := append(slices.Clone(c.with), name); !sameSet(at[c.after], want) {
				t.Errorf("after %d minutes %q fire, want %q", c.after, at[c.after], want)
			}
			for n, alerts := range firing(t, without(healthy, c.ends)+c.quiet, c.after+30) {
				if slices.Contains(alerts, name) {
					t.Fatalf("it fires after %d minutes over what is well", n)
				}
			}
		})
	}
	_, groups := loaded(t, healthy)
	for _, a := range alertsOf(groups) {
		if !tested[a.Name()] {
			t.Errorf("%s has no history", a.Name())
		}
		delete(tested, a.Name())
	}
	for name := range tested {
		t.Errorf("there is no alert %s", name)
	}
}

// without is a history without a metric; "": all of it.
func without(history, metric string) string {
	var lines strings.Builder
	for line := range strings.Lines(history) {
		if metric == "" || !strings.HasPrefix(strings.TrimSpace(line), metric) {
			lines.WriteString(line)
		}
	}
	return lines.String()
}

func sameSet(a, b []string) bool {
	a, b = slices.Compact(slices.Sorted(slices.Values(a))), slices.Compact(slices.Sorted(slices.Values(b)))
	return slices.Equal(a, b)
}

// While all is well, nothing fires.
func TestNothingFiresWhileAllIsWell(t *testing.T) {
	t.Parallel()
	for n, alerts := range firing(t, healthy, 60) {
		if len(alerts) > 0 {
			t.Fatalf("after %d minutes %q", n, alerts)
		}
	}
}

// Each alert says how grave it is and leads to a section of the runbook.
func TestAlertsLeadToTheRunbook(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(runbook)
	if err != nil {
		t.Fatal(err)
	}
	_, groups := loaded(t, healthy)
	for _, a := range alertsOf(groups) {
		if severity := a.Labels().Get("severity"); severity != "critical" && severity != "warning" {
			t.Errorf("%s has the severity %q", a.Name(), severity)
		}
		link, err := url.Parse(a.Annotations().Get("runbook_url"))
		if err != nil || link.Fragment != strings.ToLower(a.Name()) || !strings.HasSuffix(link.Path, "/deploy/RUNBOOK.md") {
			t.Errorf("%s leads to %v, %v", a.Name(), link, err)
		}
		if !strings.Contains(string(page), "\n### "+a.Name()+"\n") {
			t.Errorf("the runbook has no section %s", a.Name())
		}
	}
	for line := range strings.Lines(string(page)) {
		name, is := strings.CutPrefix(strings.TrimSpace(line), "### Bulkreg")
		if is && !slices.ContainsFunc(alertsOf(groups), func(a *rules.AlertingRule) bool { return a.Name() == "Bulkreg"+name }) {
			t.Errorf("the runbook has a section %s, and there is no such alert", name)
		}
	}
}
