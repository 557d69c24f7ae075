package input

import (
	"os"
	"strings"
	"testing"
)

// cmd/bulkreg/README.md lists every column with all its names.
func TestReadmeListsEveryColumn(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../cmd/bulkreg/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "| Column | Also |\n| --- | --- |\n")
	table, _, ended := strings.Cut(rest, "\n\n")
	if !found || !ended {
		t.Fatal("cmd/bulkreg/README.md has no table of columns")
	}
	lines := strings.Split(table, "\n")
	cols := registerLayout().columns
	if len(lines) != len(cols) {
		t.Fatalf("cmd/bulkreg/README.md has %d columns, want %d", len(lines), len(cols))
	}
	for i, c := range cols {
		if want := "| `" + c.name + "` | `" + strings.Join(c.aliases, "`, `") + "` |"; lines[i] != want {
			t.Errorf("cmd/bulkreg/README.md has\n%s\nwant\n%s", lines[i], want)
		}
	}
}
