package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A command is `bulkreg` with its name, and a flag begins with two hyphens. Postgres' own programs have flags, too.
var (
	commandPattern = regexp.MustCompile(`\bbulkreg (api|audit|bench|cancel|config|confirm|dev|doctor|domain|enqueue|export|healthcheck|holder (?:get|create|update|delete)|holds|job|jobs|keys|man|migrate|` +
		`order|orders|pause|purge|resume|retry|sandbox|status|version|watch|webhooks|whois|worker)\b`)
	flagPattern = regexp.MustCompile(`(^|[^-\w])--[a-z][a-z-]+`)
)

// namesCommands are the texts of a Go file that name a command or a flag.
func namesCommands(t *testing.T, path string, source any) []string {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, source, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	ast.Inspect(file, func(n ast.Node) bool {
		if text, ok := n.(*ast.BasicLit); ok && text.Kind == token.STRING && (commandPattern.MatchString(text.Value) || flagPattern.MatchString(text.Value)) {
			found = append(found, files.Position(text.Pos()).String()+": "+text.Value)
		}
		return true
	})
	return found
}

// Below cmd no text names a command or a flag: whoever comes by another door could not type it.
func TestLibrariesNameNoCommands(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, folder := range []string{"migrations", "queue", "store", "worker"} {
		err := filepath.WalkDir(filepath.Join("..", "..", folder), func(path string, _ fs.DirEntry, err error) error {
			// pgserver runs programs of Postgres, which have flags.
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "pgserver") {
				return err
			}
			seen++
			for _, text := range namesCommands(t, path, nil) {
				t.Error(text)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen < 100 {
		t.Errorf("only %d files were looked at", seen)
	}
	source := "package x\nvar a, b, c = \"type `bulkreg resume` now\", \"give --holder ID\", `a -- b, bulkreg holds --`"
	if found := namesCommands(t, "x.go", source); len(found) != 3 {
		t.Errorf("of three it finds %q", found)
	}
}
