package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// toldApart are the places where kinds are told apart, by file, and how often. Whoever adds a kind looks at each of them; a kind's
// own file in each layer needs no mention.
func toldApart() map[string]int {
	return map[string]int{
		// One value, or one switch, of a layer: these must know every kind.
		"queue/kind.go": 3, "queue/job/form.go": 3, "queue/intake/input/layout.go": 3, "queue/intake/intake.go": 3, "worker/kinds.go": 3,
		// What only registrations have, or only tokens.
		"store/holds/hold.go": 1, "store/orders/submit.go": 2, "store/orders/submitfew.go": 1, "store/pruning/pruning.go": 1, "worker/decision.go": 1,
		"cmd/bulkreg/enqueue.go":      2,
		"cmd/bulkreg/enqueue_read.go": 1, "cmd/bulkreg/job.go": 2,
		"queue/api/export/export.go": 1, "queue/api/export/failed.go": 4, "queue/api/export/tokens.go": 1, "queue/api/fields.go": 1,
		"queue/api/receive.go": 2, "queue/api/submit.go": 1,
		"cmd/bulkreg/jobs.go": 3, "cmd/bulkreg/retry.go": 1,
		// These order WHOIS checks and registrations alone.
		"cmd/bulkreg/bench/row.go": 7, "cmd/bulkreg/demo.go": 1,
	}
}

// isKind reports whether an expression names a kind.
func isKind(e ast.Expr) bool {
	name := ""
	switch x := e.(type) {
	case *ast.Ident:
		name = x.Name
	case *ast.SelectorExpr:
		if from, ok := x.X.(*ast.Ident); ok && (from.Name == "record" || from.Name == "queue") {
			name = x.Sel.Name
		}
	}
	return name == "Whois" || name == "Register" || name == "Token"
}

// tells counts where a file compares something with a kind, or has a case for one.
func tells(file *ast.File) int {
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		switch x := node.(type) {
		case *ast.BinaryExpr:
			if (x.Op == token.EQL || x.Op == token.NEQ) && (isKind(x.X) || isKind(x.Y)) {
				n++
			}
		case *ast.CaseClause:
			for _, e := range x.List {
				if isKind(e) {
					n++
				}
			}
		}
		return true
	})
	return n
}

// A new kind must be thought of wherever kinds are told apart, and such places should become no more.
func TestKindsAreToldApartInFewPlaces(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	found := map[string]int{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		if n := tells(file); n > 0 {
			name, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			found[filepath.ToSlash(name)] = n
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(toldApart(), found); diff != "" {
		t.Errorf("places where kinds are told apart (-listed +found):\n%s", diff)
	}
}
