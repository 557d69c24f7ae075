package rules

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

// panel is what we look at of a panel of Grafana's.
type panel struct {
	ID          int
	Type        string
	Title       string
	Description string
	GridPos     struct{ H, W, X, Y int }
	Targets     []struct{ Expr, LegendFormat string }
}

func panels(t *testing.T) []panel {
	t.Helper()
	text, err := os.ReadFile("../../deploy/grafana/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct{ Panels []panel }
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	return dashboard.Panels
}

// What panels ask is what Prometheus understands; each says what it shows, and stands in no other's place.
func TestDashboard(t *testing.T) {
	t.Parallel()
	variables := strings.NewReplacer("$__rate_interval", "5m", "$account", ".*")
	understand := parser.NewParser(parser.Options{})
	ids, asked := map[int]bool{}, 0
	taken := map[[2]int]string{}
	for _, p := range panels(t) {
		if ids[p.ID] || p.Title == "" || p.Type != "row" && (p.Description == "" || len(p.Targets) == 0) {
			t.Errorf("panel %d, %q: its id is not its own, or it says or asks nothing", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			asked++
			if _, err := understand.ParseExpr(variables.Replace(target.Expr)); err != nil {
				t.Errorf("%s: %s: %v", p.Title, target.Expr, err)
			}
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" {
					t.Fatalf("%q stands where %q does", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
	if asked < 30 {
		t.Errorf("the panels ask %d times", asked)
	}
}

// Spending and outcomes come first, then what needs a person.
func TestOrderOfTheDashboard(t *testing.T) {
	t.Parallel()
	var rows []string
	for _, p := range panels(t) {
		if p.Type == "row" {
			rows = append(rows, p.Title)
		}
	}
	if got := strings.Join(rows, ", "); got != "Spending and outcomes, What needs a person, Throughput, Fill, Latencies, Gate, Webhooks and the HTTP API, Database, Processes" {
		t.Errorf("the rows are %s", got)
	}
}
