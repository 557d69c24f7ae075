package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/config"
	"github.com/bulkreg/bulkreg/cmd/bulkreg/metrics"
	"github.com/bulkreg/bulkreg/queue/redistest"
	"github.com/bulkreg/bulkreg/store/pgtest"
	"github.com/bulkreg/bulkreg/store/seal"
	"github.com/bulkreg/bulkreg/worker/probes"
)

// Where a worker has the port and nobody has set it, the API goes on without metrics; an address that somebody has set must be free.
func TestMetricsWhereThePortIsTaken(t *testing.T) {
	t.Parallel()
	taken, err := probes.Open(t.Context(), "127.0.0.1:0", http.NotFoundHandler())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := taken.Close(); err != nil {
			t.Error(err)
		}
	}()
	cfg := config.Config{MetricsAddr: taken.Addr()}
	var log bytes.Buffer
	port, err := (&app{}).openMetrics(t.Context(), cfg, metrics.New("v1"), zerolog.New(&log))
	if err != nil || port.Addr() != "" || !strings.Contains(log.String(), "set METRICS_ADDR") {
		t.Errorf("by itself: %q, %v, %s", port.Addr(), err, log.String())
	}
	set := &app{environ: []string{"METRICS_ADDR=" + taken.Addr()}}
	if _, err := set.openMetrics(t.Context(), cfg, metrics.New("v1"), zerolog.Nop()); err == nil || !strings.Contains(err.Error(), "METRICS_ADDR: listen on "+taken.Addr()) {
		t.Errorf("where it is set: %v", err)
	}
	cfg.MetricsAddr = config.Off
	if port, err := set.openMetrics(t.Context(), cfg, metrics.New("v1"), zerolog.Nop()); err != nil || port.Addr() != "" || port.Close() != nil {
		t.Errorf("off: %v", err)
	}
}

// metered is a worker and an API that tell their metrics, on an order that has been carried out.
type metered struct {
	worker, api string // where they tell them
}

// The order is of somebody whose details must be told nowhere.
const (
	meteredDomain = "very-own-domain.nl"
	meteredOrder  = "order-of-jan-48151623"
	meteredHolder = "domain,firstname,lastname,email,phone,street,housenumber,postalcode,city,country\n" +
		meteredDomain + ",Jantje,Zonderling,jantje@zonderling.example,+31.612345678,Geheimstraat,42,1234AB,Verweggistan,NL\n"
)

func startMetered(t *testing.T) (metered, *running) {
	t.Helper()
	_, environ := startSandboxCommand(t)
	environ = append(environ, "DATABASE_URL="+pgtest.New(t, migrated), "REDIS_URL="+redistest.New(t), "TOKEN_ENCRYPTION_KEY="+seal.NewKey())
	w, worker := probed(t, environ)
	c := startCommand(t, append(slices.Clone(environ), "METRICS_ADDR=127.0.0.1:0", "HTTP_ADDR=127.0.0.1:0"), "api")
	m := metered{worker: worker, api: logged(t, c, "answering /metrics", "metrics_addr")}
	file := filepath.Join(t.TempDir(), "order.csv")
	if err := os.WriteFile(file, []byte(meteredHolder), 0o600); err != nil {
		t.Fatal(err)
	}
	r := runCommand(t, environ, "enqueue", "register", file, "--order", meteredOrder, "--yes", "--wait")
	if r.status != exitDone {
		t.Fatalf("status %d: %s%s", r.status, r.stdout, r.stderr)
	}
	return m, w
}

// logged is a field of a line of a command's log.
func logged(t *testing.T, c *running, message, field string) string {
	t.Helper()
	c.stderr.await(t, message, c.ended)
	for line := range strings.Lines(c.stderr.String()) {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) == nil && fields["message"] == message {
			value, _ := fields[field].(string)
			return value
		}
	}
	t.Fatalf("no line %q in %s", message, c.stderr.String())
	return ""
}

// scrape waits until the figures of the database are told as well, and returns what both tell.
func (m metered) scrape(t *testing.T) string {
	t.Helper()
	var worker string
	eventually(t, func() bool {
		_, worker = probe(t, m.worker, "/metrics")
		return strings.Contains(worker, "\nbulkreg_figures_timestamp_seconds ")
	}, func() string { return "no figures in " + worker })
	status, api := probe(t, m.api, "/metrics")
	if status != http.StatusOK {
		t.Fatalf("the API answers with %d: %s", status, api)
	}
	return worker + api
}

// family is a metric: its kind, its labels and the labels of its series.
type family struct {
	kind   string
	labels []string
	series []map[string]string
}

var (
	typePattern   = regexp.MustCompile(`(?m)^# TYPE (bulkreg_\w+) (\w+)$`)
	seriesPattern = regexp.MustCompile(`(?m)^(bulkreg_\w+)(?:\{(.*)\})? \S+$`)
	labelPattern  = regexp.MustCompile(`(\w+)="([^"]*)"`)
	partPattern   = regexp.MustCompile(`_(bucket|sum|count)$`)
)

// families are the metrics of ours in what was told.
func families(told string) map[string]*family {
	found := map[string]*family{}
	for _, match := range typePattern.FindAllStringSubmatch(told, -1) {
		found[match[1]] = &family{kind: match[2]}
	}
	for _, match := range seriesPattern.FindAllStringSubmatch(told, -1) {
		f := found[match[1]]
		if f == nil {
			f = found[partPattern.ReplaceAllString(match[1], "")]
		}
		labels := map[string]string{}
		for _, label := range labelPattern.FindAllStringSubmatch(match[2], -1) {
			if labels[label[1]] = label[2]; label[1] != "le" && !slices.Contains(f.labels, label[1]) {
				f.labels = append(f.labels, label[1])
			}
		}
		f.series = append(f.series, labels)
	}
	for _, f := range found {
		slices.Sort(f.labels)
	}
	return found
}

// explained are the metrics in the table of deploy/METRICS.md, as "kind, labels".
func explained(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "deploy", "METRICS.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, "|")
		if len(cells) < 6 || !strings.HasPrefix(cells[1], " `bulkreg_") {
			continue
		}
		labels := strings.Fields(strings.NewReplacer("`", "", ",", "").Replace(cells[3]))
		slices.Sort(labels)
		rows[strings.Trim(cells[1], " `")] = strings.TrimSpace(cells[2]) + ", " + strings.Join(labels, " ")
	}
	return rows
}

// matcherPattern is one that a rule or a panel has. Those with a variable of Grafana's match whatever somebody chooses.
var (
	askedPattern   = regexp.MustCompile(`(bulkreg_\w+)(?:\{([^}]*)\})?`)
	matcherPattern = regexp.MustCompile(`(\w+)(=~|!~|!=|=)\\?"([^"$\\]*)\\?"`)
)

// found reports whether a metric has a series that all of the matchers fit.
func (f *family) found(matchers [][]string) bool {
	return slices.ContainsFunc(f.series, func(labels map[string]string) bool {
		for _, m := range matchers {
			pattern := "^(?:" + m[3] + ")$"
			if m[2] == "=" || m[2] == "!=" {
				pattern = "^" + regexp.QuoteMeta(m[3]) + "$"
			}
			if regexp.MustCompile(pattern).MatchString(labels[m[1]]) == strings.HasPrefix(m[2], "!") {
				return false
			}
		}
		return true
	})
}

// unanswered are the metrics, with their matchers, that a text asks for and nothing answers.
func unanswered(text string, told map[string]*family) (asked int, lacking []string) {
	for _, match := range askedPattern.FindAllStringSubmatch(text, -1) {
		f := told[match[1]]
		if base := told[partPattern.ReplaceAllString(match[1], "")]; f == nil && base != nil && base.kind == "histogram" {
			f = base
		}
		asked++
		if f == nil || !f.found(matcherPattern.FindAllStringSubmatch(match[2], -1)) {
			lacking = append(lacking, match[0])
		}
	}
	return asked, lacking
}

func TestUnansweredQuestions(t *testing.T) {
	t.Parallel()
	told := families("# TYPE bulkreg_a gauge\nbulkreg_a{x=\"1\"} 5\n# TYPE bulkreg_h histogram\nbulkreg_h_count 5\n")
	asked, lacking := unanswered(`bulkreg_a bulkreg_b bulkreg_a{x="1"} bulkreg_a{x="2"} bulkreg_a{x=~"1|2"} bulkreg_a{x!="1"} bulkreg_a{x="$y"} bulkreg_h_count bulkreg_a_count`, told)
	if diff := cmp.Diff([]string{"bulkreg_b", `bulkreg_a{x="2"}`, `bulkreg_a{x!="1"}`, "bulkreg_a_count"}, lacking); asked != 9 || diff != "" {
		t.Errorf("asked %d: %s", asked, diff)
	}
}

// Every metric of the program is explained, every one that is explained is there, and whatever pages, rules and dashboards ask for
// finds a series from the start. Nothing that is told names an order, a domain or a person.
func TestMetrics(t *testing.T) {
	t.Parallel()
	m, w := startMetered(t)
	told := m.scrape(t)
	are := map[string]string{}
	for name, f := range families(told) {
		are[name] = f.kind + ", " + strings.Join(f.labels, " ")
	}
	if diff := cmp.Diff(explained(t), are); diff != "" {
		t.Errorf("metrics (-explained +told):\n%s", diff)
	}
	for _, secret := range []string{
		meteredDomain, "very-own", meteredOrder, "48151623", "Jantje", "Zonderling", "Geheimstraat", "1234AB", "Verweggistan", "612345678", cliSource + `"`,
	} {
		if strings.Contains(told, secret) {
			t.Errorf("it tells %q", secret)
		}
	}
	for _, want := range []string{
		`bulkreg_calls_total{account="default",op="register",status="200"} 1`,
		`bulkreg_attempts_total{account="default",state="registered"} 1`,
		`bulkreg_token_refreshes_total{account="default",result="ok"} 1`,
		`bulkreg_workers{account="default",kind="register"} 1`,
	} {
		if !strings.Contains(told, want+"\n") {
			t.Errorf("it does not tell %s", want)
		}
	}
	for _, page := range []string{"RUNBOOK.md", "METRICS.md", "prometheus/rules.yaml", "grafana/dashboard.json"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "deploy", filepath.FromSlash(page)))
		if err != nil {
			t.Fatal(err)
		}
		asked, lacking := unanswered(string(text), families(told))
		if len(lacking) > 0 {
			t.Errorf("deploy/%s asks for what is not there: %q", page, lacking)
		}
		t.Logf("deploy/%s names %d metrics", page, asked)
	}
	if r := w.stop(); r.status != exitDone {
		t.Errorf("status %d: %s", r.status, r.stderr)
	}
}
