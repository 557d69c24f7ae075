package queue_test

import (
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// An order system imports these packages alone.
func TestNeitherStoreNorWorkerIsImported(t *testing.T) {
	t.Parallel()
	for _, folder := range []string{".", "job", "tracing", "intake/domainname", "intake/holder"} {
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		read := 0
		for _, entry := range entries {
			if !strings.HasSuffix(entry.Name(), ".go") || strings.HasSuffix(entry.Name(), "_test.go") {
				continue
			}
			read++
			file, err := parser.ParseFile(token.NewFileSet(), folder+"/"+entry.Name(), nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, imported := range file.Imports {
				path := strings.Trim(imported.Path.Value, `"`)
				ours, own := strings.CutPrefix(path, "github.com/bulkreg/bulkreg/")
				if own && ours != "queue" && ours != "queue/job" && ours != "queue/tracing" && ours != "queue/intake/domainname" && ours != "queue/intake/holder" {
					t.Errorf("%s/%s imports %s", folder, entry.Name(), ours)
				}
			}
		}
		if read == 0 {
			t.Errorf("no Go file in %s", folder)
		}
	}
}
