package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/bulkreg/bulkreg/"

// goPackage is what `go list` knows of a package of this module.
type goPackage struct {
	ImportPath string
	GoFiles    []string
	Imports    []string
}

func goPackages(t *testing.T) []goPackage {
	t.Helper()
	listing := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,GoFiles,Imports", module+"...")
	var complaints bytes.Buffer
	listing.Stderr = &complaints
	text, err := listing.Output()
	if err != nil {
		t.Fatalf("list packages: %v: %s", err, complaints.String())
	}
	var packages []goPackage
	for decoder := json.NewDecoder(bytes.NewReader(text)); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// within reports whether an import path is a package or below it.
func within(imported, parent string) bool {
	return imported == parent || strings.HasPrefix(imported, parent+"/")
}

// forbidden is what no package within a folder imports.
func forbidden() map[string][]string {
	const asynq, cobra, prometheus = "github.com/hibiken/asynq", "github.com/spf13/cobra", "github.com/prometheus"
	const otelSDK, otlp = "go.opentelemetry.io/otel/sdk", "go.opentelemetry.io/otel/exporters" // who traces is given a provider
	// rooms are the packages of the store by concern: what they share lies below them.
	rooms := []string{}
	for _, room := range []string{"audit", "delivery", "events", "fleet", "holders", "holds", "keys", "ledger", "operator", "orders", "tokens", "webhooks"} {
		rooms = append(rooms, module+"store/"+room)
	}
	return map[string][]string{
		"queue":        {module + "worker", module + "cmd", cobra, prometheus, otelSDK, otlp},
		"queue/job":    {module + "store"},
		"queue/api":    {module + "worker", module + "cmd", asynq, cobra},
		"queue/intake": {asynq},
		"store":        {module + "worker", module + "cmd", module + "queue", asynq, cobra, prometheus, otelSDK, otlp, "net/http"},
		"worker":       {module + "cmd", module + "queue/intake/input", cobra, prometheus, otelSDK, otlp},
		"store/record": {module + "store/pg", "github.com/jackc/pgx/v5"},
		"store/pg":     rooms,
		"migrations":   {module + "worker", module + "cmd", module + "queue", asynq, cobra},
	}
}

// arrows are the imports between the rooms of the store: what lies further up in this list imports what lies further down. A new
// arrow has to be drawn here, and in README.
func arrows() map[string][]string {
	return map[string][]string{
		"audit":    nil,
		"events":   nil,
		"fleet":    {"holds"},
		"operator": {"holds", "orders"},
		"orders":   {"delivery", "holders"},
		"tokens":   {"ledger"},
		"holders":  {"ledger"},
		"ledger":   {"delivery", "holds"},
		"delivery": {"holds"},
		"holds":    nil,
		"keys":     nil,
		"webhooks": nil,
	}
}

// wrongWays are the imports of packages that go another way than forward.
func wrongWays(packages []goPackage) []string {
	var wrong []string
	for _, p := range packages {
		name := strings.TrimPrefix(p.ImportPath, module)
		for _, imported := range p.Imports {
			if goesWrong(name, imported) {
				wrong = append(wrong, name+" imports "+imported)
			}
		}
	}
	return wrong
}

func goesWrong(name, imported string) bool {
	if name == "queue" && within(imported, module+"store") { // whoever produces needs no ledger
		return true
	}
	for folder, never := range forbidden() {
		if within(name, folder) && slices.ContainsFunc(never, func(n string) bool { return within(imported, n) }) {
			return true
		}
	}
	from, room := strings.CutPrefix(name, "store/")
	to, inner := strings.CutPrefix(imported, module+"store/")
	allowed, known := arrows()[from]
	_, other := arrows()[to]
	return room && inner && known && other && !slices.Contains(allowed, to)
}

// Imports go one way, as README draws them.
func TestImportsGoOneWay(t *testing.T) {
	t.Parallel()
	packages := goPackages(t)
	for _, wrong := range wrongWays(packages) {
		t.Error(wrong)
	}
	has := func(folder string) bool {
		return slices.ContainsFunc(packages, func(p goPackage) bool { return within(strings.TrimPrefix(p.ImportPath, module), folder) })
	}
	for folder := range forbidden() {
		if !has(folder) {
			t.Errorf("there is no package in %s", folder)
		}
	}
	for room := range arrows() {
		if !has("store/" + room) {
			t.Errorf("there is no room store/%s", room)
		}
	}
}

// folderOf is the folder of README's picture that a package lies in; "" for what is not in the picture.
func folderOf(name string) string {
	for _, folder := range []string{"cmd/bulkreg", "migrations", "queue/api", "queue/intake", "queue/job", "queue", "store", "worker"} {
		if within(name, folder) {
			return folder
		}
	}
	return ""
}

// README's picture is that of the imports, but for what only tests, trials and measurements use.
func TestReadmeDrawsTheImports(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	drawn := map[string]string{}
	for line := range strings.Lines(string(readme)) {
		if from, to, ok := strings.Cut(line, "─► "); ok && folderOf(strings.TrimSpace(from)) != "" {
			drawn[strings.TrimSpace(from)] = strings.TrimSpace(to)
		}
	}
	imports := map[string]map[string]bool{}
	for _, p := range goPackages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		if strings.Contains(name, "test") || slices.Contains([]string{"cmd/bulkreg/torture", "worker/sandbox/judge"}, name) {
			continue
		}
		for _, imported := range p.Imports {
			inner, ours := strings.CutPrefix(imported, module)
			from, to := folderOf(name), folderOf(inner)
			if !ours || from == to || from == "" {
				continue
			}
			if imports[from] == nil {
				imports[from] = map[string]bool{}
			}
			imports[from][to] = true
		}
	}
	are := map[string]string{}
	for from, to := range imports {
		are[from] = strings.Join(slices.Sorted(maps.Keys(to)), ", ")
	}
	if diff := cmp.Diff(are, drawn); diff != "" {
		t.Errorf("-imported +drawn\n%s", diff)
	}
}

func TestWrongWaysAreFound(t *testing.T) {
	t.Parallel()
	for imports, wrong := range map[string]bool{
		"queue > store/record":                                                 true,
		"queue/job > store/pg":                                                 true,
		"queue/intake > github.com/hibiken/asynq":                              true,
		"queue/intake > store/orders":                                          false,
		"store/holds > queue":                                                  true,
		"store/pg > store/ledger":                                              true,
		"store/pg > store/record":                                              false,
		"store/record > github.com/jackc/pgx/v5":                               true,
		"store/ledger > store/orders":                                          true,
		"store/orders > store/delivery":                                        false,
		"worker/gate > cmd/bulkreg/config":                                     true,
		"worker > store/ledger":                                                false,
		"worker/sandbox/judge > github.com/spf13/cobra":                        true,
		"store/pg > go.opentelemetry.io/otel/sdk/trace":                        true,
		"worker > go.opentelemetry.io/otel/trace":                              false,
		"migrations > queue":                                                   true,
		"worker > github.com/prometheus/client_golang/prometheus":              true,
		"cmd/bulkreg/metrics > github.com/prometheus/client_golang/prometheus": false,
	} {
		from, to, _ := strings.Cut(imports, " > ")
		if host, _, _ := strings.Cut(to, "/"); !strings.Contains(host, ".") {
			to = module + to
		}
		found := wrongWays([]goPackage{{ImportPath: module + from, Imports: []string{"fmt", to}}})
		if (len(found) > 0) != wrong {
			t.Errorf("%s: %q", imports, found)
		}
	}
}

// large says why a package has more files than a reader can hold in mind, and how many it may have at most.
func large() map[string]struct {
	most int
	why  string
} {
	return map[string]struct {
		most int
		why  string
	}{
		"cmd/bulkreg":      {88, "a file per command, and what the commands share: connections, plans, tables of results"},
		"queue/api":        {39, "a file per resource, behind one door: its keys, its problems and its document are shared"},
		"worker":           {50, "the pipelines of all kinds share claims, calls and settling"},
		"worker/registrar": {30, "one client, a file per thing that the registrar answers"},
		"worker/sandbox":   {25, "one simulated registrar, a file per fault"},
	}
}

// The process has no provider of traces of its own: who traces is given one, so that tests and parts of the program have theirs.
func TestNothingIsTracedForTheWholeProcess(t *testing.T) {
	t.Parallel()
	for _, p := range goPackages(t) {
		if slices.Contains(p.Imports, "go.opentelemetry.io/otel") {
			t.Errorf("%s imports what sets and gets providers for the whole process", p.ImportPath)
		}
	}
}

func TestPackagesAreSmall(t *testing.T) {
	t.Parallel()
	const usual = 20
	reasons := large()
	for _, p := range goPackages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		most := usual
		if reason, ok := reasons[path.Clean(name)]; ok {
			most = reason.most
			delete(reasons, name)
			if len(p.GoFiles) <= usual {
				t.Errorf("%s has %d files and needs no reason any more (%s)", name, len(p.GoFiles), reason.why)
			}
		}
		if len(p.GoFiles) > most {
			t.Errorf("%s has %d files, more than %d", name, len(p.GoFiles), most)
		}
	}
	for name := range reasons {
		t.Errorf("there is no package %s", name)
	}
}
