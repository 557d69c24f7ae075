package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// keysIn adds the keys that a file gives to lines of the log.
func keysIn(t *testing.T, path string, keys map[string]bool) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	adds := []string{"Str", "Strs", "Stringer", "Int", "Int64", "Uint64", "Float64", "Bool", "Time", "Dur", "Bytes", "Any", "AnErr"}
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) != 2 { // a flag has a usage, too
			return true
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !slices.Contains(adds, method.Sel.Name) {
			return true
		}
		if of, plain := method.X.(*ast.Ident); plain && (of.Name == "attribute" || of.Name == "slog") {
			return true
		}
		if name, plain := call.Args[0].(*ast.BasicLit); plain && name.Kind == token.STRING {
			key, err := strconv.Unquote(name.Value)
			if err != nil {
				t.Fatal(err)
			}
			keys[key] = true
		}
		return true
	})
}

// Whoever reads the log by program finds each key in the runbook, and none there that no line has.
func TestReadmeListsEveryKeyOfTheLog(t *testing.T) {
	t.Parallel()
	keys := map[string]bool{"level": true, "time": true, "message": true, "error": true}
	for _, folder := range []string{"cmd", "migrations", "queue", "store", "worker"} {
		err := filepath.WalkDir(filepath.Join("..", "..", folder), func(path string, _ fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") && !strings.Contains(path, "/torture/") {
				keysIn(t, path, keys)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	_, section, found := strings.Cut(page(t, "../../deploy/RUNBOOK.md"), "\n## The log\n")
	if !found {
		t.Fatal("the runbook has no section on the log")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var listed []string
	for _, row := range regexp.MustCompile("(?m)^\\| ((?:`[a-z_]+`(?:, )?)+) \\|").FindAllStringSubmatch(section, -1) {
		for name := range strings.SplitSeq(row[1], ", ") {
			listed = append(listed, strings.Trim(name, "`"))
		}
	}
	slices.Sort(listed)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(keys)), listed); diff != "" {
		t.Errorf("keys of the log (-used +listed):\n%s", diff)
	}
}
