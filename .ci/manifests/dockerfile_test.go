package manifests

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

const top = "../.."

// dockerfile parses deploy/Dockerfile, and fails for whatever BuildKit's parser and linter warn of. The rules that need the whole of
// BuildKit are left out: it takes a minute to build, and the tests below know what they would say of this file.
func dockerfile(t *testing.T) []instructions.Stage {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, "deploy/Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range parsed.Warnings {
		t.Errorf("Dockerfile: %s (%s)", w.Short, w.URL)
	}
	lint := linter.New(&linter.Config{Warn: func(rule, _, _, message string, at []parser.Range) {
		t.Errorf("Dockerfile:%d: %s: %s", at[0].Start.Line, rule, message)
	}})
	stages, _, err := instructions.Parse(parsed.AST, lint)
	if err != nil {
		t.Fatal(err)
	}
	return stages
}

func TestDockerfile(t *testing.T) {
	t.Parallel()
	stages := dockerfile(t)
	if len(stages) != 2 {
		t.Fatalf("there are %d stages, want one that builds and one that is shipped", len(stages))
	}
	for _, stage := range stages {
		variablesAreDeclared(t, stage)
	}
	got := map[string]string{}
	for _, command := range stages[1].Commands {
		switch c := command.(type) {
		case *instructions.UserCommand:
			got["user"] = c.User
		case *instructions.HealthCheckCommand:
			got["health"] = strings.Join(c.Health.Test, " ")
		case *instructions.EntrypointCommand:
			got["entrypoint"] = strings.Join(c.CmdLine, " ")
		case *instructions.RunCommand:
			t.Errorf("the image that is shipped has no shell to run %q", c.CmdLine)
		case *instructions.LabelCommand:
			for _, label := range c.Labels {
				got[label.Key] = label.Value
			}
		}
	}
	for key, want := range map[string]string{
		"user": "65532:65532", "health": "CMD /bulkreg healthcheck", "entrypoint": "/bulkreg",
		"org.opencontainers.image.version": "$VERSION", "org.opencontainers.image.revision": "$COMMIT", "org.opencontainers.image.created": "$DATE",
		"org.opencontainers.image.licenses": "Apache-2.0", "org.opencontainers.image.source": "https://github.com/bulkreg/bulkreg",
	} {
		if got := strings.Trim(got[key], `"`); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
}

// variablesAreDeclared fails for a variable that no ARG before it declares: it would be empty.
func variablesAreDeclared(t *testing.T, stage instructions.Stage) {
	t.Helper()
	variable := regexp.MustCompile(`\$\{?([A-Z_]+)`)
	var declared []string
	for _, command := range stage.Commands {
		if arg, ok := command.(*instructions.ArgCommand); ok {
			for _, a := range arg.Args {
				declared = append(declared, a.Key)
			}
			continue
		}
		for _, used := range variable.FindAllStringSubmatch(command.(interface{ String() string }).String(), -1) {
			if !slices.Contains(declared, used[1]) {
				t.Errorf("%s uses %s, which no ARG before it declares", command.Name(), used[1])
			}
		}
	}
}

// The program is built as the Dockerfile does it, twice, in folders that hold what COPY brings and nothing else.
func TestImagesProgram(t *testing.T) {
	t.Parallel()
	stage := dockerfile(t)[0]
	first, second := buildAsTheImage(t, stage), buildAsTheImage(t, stage)
	a, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(second)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Error("two builds of the same differ")
	}
	for _, place := range []string{filepath.Dir(first), filepath.Dir(second)} {
		if bytes.Contains(a, []byte(place)) {
			t.Errorf("it names %s, where it was built", place)
		}
	}
	program, err := elf.NewFile(bytes.NewReader(a))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range program.Progs {
		if part.Type == elf.PT_INTERP {
			t.Error("it is not static: it asks for a dynamic linker, which the image has not")
		}
	}
	said, err := exec.CommandContext(t.Context(), first, "version", "-o", "json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var version struct {
		Version, Commit string
		CommitTime      string `json:"commit_time"`
	}
	if err := json.Unmarshal(said, &version); err != nil {
		t.Fatal(err)
	}
	if version.Version != "v1.2.3" || version.Commit != "abc" || version.CommitTime != "2026-11-27T04:03:00Z" {
		t.Errorf("it says %s", said)
	}
}

// buildAsTheImage carries out the COPY lines of a stage and the RUN line that builds, and returns where the program is.
func buildAsTheImage(t *testing.T, stage instructions.Stage) string {
	t.Helper()
	dir := t.TempDir()
	built := filepath.Join(dir, "bulkreg")
	for _, command := range stage.Commands {
		switch c := command.(type) {
		case *instructions.CopyCommand:
			for _, source := range c.SourcePaths {
				copyUnlessIgnored(t, source, filepath.Join(dir, "src"))
			}
		case *instructions.RunCommand:
			line := strings.Join(c.CmdLine, " ")
			if !strings.Contains(line, "go build") {
				continue
			}
			run := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(line, "-o /bulkreg ", "-o "+built+" ", 1))
			run.Dir = filepath.Join(dir, "src")
			run.Env = append(os.Environ(), "GOFLAGS=", "TARGETOS=linux", "TARGETARCH=amd64", "VERSION=v1.2.3", "COMMIT=abc", "DATE=2026-11-27T04:03:00Z")
			if said, err := run.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, said)
			}
		}
	}
	return built
}

// copyUnlessIgnored copies a file or folder of the checkout, without what Dockerfile.dockerignore leaves out.
func copyUnlessIgnored(t *testing.T, source, to string) {
	t.Helper()
	list, err := os.Open(filepath.Join(top, "deploy/Dockerfile.dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	patterns, err := ignorefile.ReadAll(list)
	if err != nil {
		t.Fatal(err)
	}
	ignored, err := patternmatcher.New(patterns)
	if err != nil {
		t.Fatal(err)
	}
	err = fs.WalkDir(os.DirFS(top), filepath.Clean(source), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if out, err := ignored.MatchesOrParentMatches(path); err != nil || out {
			return err
		}
		text, err := os.ReadFile(filepath.Join(top, path))
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Join(to, filepath.Dir(path)), 0o755); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, path), text, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}
