package torture

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/bulkreg/bulkreg/store/pgtest"
)

// The processes of all scenarios run one binary, which can only hang on the test program. TestMain makes room for it
// and cleans up; nothing else writes to it.
var bulkreg *program

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "bulkreg-torture-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1)
	}
	bulkreg = &program{dir: dir}
	pgtest.Main(m)
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1)
	}
}

// program is the real binary, with crash points. It is built when the first scenario asks for it.
type program struct {
	dir  string
	once sync.Once
	err  error
}

// path builds the binary if need be. Where these tests watch for data races, so does it.
func (p *program) path(ctx context.Context) (string, error) {
	path := filepath.Join(p.dir, "bulkreg")
	p.once.Do(func() {
		gotool, err := exec.LookPath("go") // `go test` puts the tool that runs it into PATH
		if err != nil {
			p.err = fmt.Errorf("find the Go tool: %w", err)
			return
		}
		arguments := []string{"build", "-buildvcs=false", "-tags", "crashpoints", "-o", path}
		if watchesRaces {
			arguments = append(arguments, "-race")
		}
		build := exec.CommandContext(ctx, gotool, append(arguments, "github.com/bulkreg/bulkreg/cmd/bulkreg")...)
		if said, err := build.CombinedOutput(); err != nil {
			p.err = fmt.Errorf("build bulkreg with crash points: %w\n%s", err, said)
		}
	})
	return path, p.err
}
