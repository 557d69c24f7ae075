package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"strings"
	"testing"
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
	const asynq, cobra = "github.com/hibiken/asynq", "github.com/spf13/cobra"
	// rooms are the packages of the store by concern: what they share lies below them.
	rooms := []string{}
	for _, room := range []string{"audit", "delivery", "fleet", "holders", "holds", "ledger", "operator", "orders", "tokens"} {
		rooms = append(rooms, module+"store/"+room)
	}
	return map[string][]string{
		"queue":        {module + "worker", module + "cmd", cobra},
		"queue/job":    {module + "store"},
		"queue/intake": {asynq},
		"store":        {module + "worker", module + "cmd", module + "queue", asynq, cobra, "net/http"},
		"worker":       {module + "cmd", module + "queue/intake/input", cobra},
		"store/record": {module + "store/pg", "github.com/jackc/pgx/v5"},
		"store/pg":     rooms,
		"migrations":   {module + "worker", module + "cmd", module + "queue", asynq, cobra},
	}
}

// Imports go one way, as README draws them.
func TestImportsGoOneWay(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range goPackages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		if name == "queue" {
			for _, imported := range p.Imports {
				if within(imported, module+"store") {
					t.Errorf("%s imports %s: whoever produces needs no ledger", name, imported)
				}
			}
		}
		for folder, never := range forbidden() {
			if !within(name, folder) {
				continue
			}
			seen[folder] = true
			for _, imported := range p.Imports {
				for _, n := range never {
					if within(imported, n) {
						t.Errorf("%s imports %s", name, imported)
					}
				}
			}
		}
	}
	for folder := range forbidden() {
		if !seen[folder] {
			t.Errorf("there is no package in %s", folder)
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
		"cmd/bulkreg":      {73, "a file per command; dev and what draws on terminals have yet to move out"},
		"worker":           {42, "the pipelines of all kinds share claims, calls and settling"},
		"worker/registrar": {30, "one client, a file per thing that the registrar answers"},
		"worker/sandbox":   {25, "one simulated registrar, a file per fault"},
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
