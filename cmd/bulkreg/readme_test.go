package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// pages are all that is to be read, from this folder.
func pages(t *testing.T) []string {
	t.Helper()
	found := []string{"../../deploy/RUNBOOK.md"}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "README.md" {
			found = append(found, path)
		}
		return err
	})
	if err != nil || len(found) < 8 {
		t.Fatalf("found %v, %v", found, err)
	}
	return found
}

func page(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// between cuts out what stands between two lines of a text.
func between(t *testing.T, text, begin, end string) string {
	t.Helper()
	_, rest, begun := strings.Cut(text, begin+"\n")
	found, _, ended := strings.Cut(rest, end+"\n")
	if !begun || !ended {
		t.Fatalf("the page has no block from %q to %q", begin, end)
	}
	return found
}

func TestReadmeListsEverySetting(t *testing.T) {
	t.Parallel()
	block := between(t, page(t, "config/README.md"), "<!-- config: what `bulkreg config -o markdown` prints; a test compares it -->", "<!-- end of config -->")
	r := runCommand(t, nil, "config", "-o", "markdown")
	if r.status != exitDone || r.stderr != "" {
		t.Fatalf("status %d: %s", r.status, r.stderr)
	}
	if diff := cmp.Diff(r.stdout, block); diff != "" {
		t.Errorf("config/README.md has other settings (+) than the program (-): put what `bulkreg config -o markdown` prints between the marks\n%s", diff)
	}
}

func TestReadmeListsEveryLabel(t *testing.T) {
	t.Parallel()
	var want strings.Builder
	for _, label := range sandbox.Labels() {
		want.WriteString("| `" + label.Name + "-*` | " + label.Whois + " | " + label.Register + " |\n")
	}
	block := between(t, page(t, "../../worker/sandbox/README.md"), "| Label | WHOIS says | Registration |\n| --- | --- | --- |", "| any other | available until registered | registered |")
	if diff := cmp.Diff(want.String(), block); diff != "" {
		t.Errorf("worker/sandbox/README.md has other labels (+) than the sandbox (-)\n%s", diff)
	}
}

// The Go code and the payload in queue/README.md are those of the example in package queue, which is run.
func TestReadmeShowsTheExampleOfAProducer(t *testing.T) {
	t.Parallel()
	example, err := os.ReadFile("../../queue/example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, language := range []string{"go", "json"} {
		block := strings.TrimSpace(between(t, page(t, "../../queue/README.md"), "```"+language, "```"))
		if block == "" || !strings.Contains(string(example), block) {
			t.Errorf("the %s in queue/README.md is not in queue/example_test.go:\n%s", language, block)
		}
	}
}

// Every command line in the pages names a command and flags that there are.
func TestReadmeCommandLines(t *testing.T) {
	t.Parallel()
	var lines []string
	for _, path := range pages(t) {
		lines = append(lines, commandLines(page(t, path))...)
	}
	if len(lines) < 10 {
		t.Fatalf("found only %d command lines: has their form changed?", len(lines))
	}
	for _, line := range lines {
		root := (&app{}).rootCommand()
		cmd, rest, err := root.Find(strings.Fields(line))
		if err == nil {
			err = cmd.ParseFlags(rest)
		}
		if err == nil && cmd == root {
			t.Errorf("bulkreg %s: no command is named", line)
		}
		if err != nil {
			t.Errorf("bulkreg %s: %v", line, err)
		}
	}
}

// A page that is linked to is there, and so is the heading.
func TestReadmeLinks(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)#:]*)(?:#([a-z0-9-]+))?\)`)
	heading := regexp.MustCompile(`(?m)^#+ (.+)$`)
	for _, path := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(page(t, path), -1) {
			target := path
			if m[1] != "" {
				target = filepath.Join(filepath.Dir(path), m[1])
			}
			text, err := os.ReadFile(target)
			if err != nil {
				t.Errorf("%s links to %s: %v", path, m[1], err)
				continue
			}
			found := m[2] == ""
			for _, h := range heading.FindAllStringSubmatch(string(text), -1) {
				found = found || anchor(h[1]) == m[2]
			}
			if !found {
				t.Errorf("%s links to %s, which has no heading %s", path, target, m[2])
			}
		}
	}
}

// anchor is what a heading is linked to by.
func anchor(heading string) string {
	kept := strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
	return kept
}

// Every test that the table of whom bulkreg trusts names is there, in the package that it names.
func TestRunbookNamesTestsThatAreThere(t *testing.T) {
	t.Parallel()
	_, table, found := strings.Cut(page(t, "../../deploy/RUNBOOK.md"), "## Whom it trusts")
	if !found {
		t.Fatal("the table is not where it was")
	}
	named := 0
	for _, m := range regexp.MustCompile("`([a-z/]+)`: ((?:Test\\w+(?:, )?)+)").FindAllStringSubmatch(table, -1) {
		files, err := filepath.Glob(filepath.Join("..", "..", m[1], "*_test.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no tests in %s, %v", m[1], err)
		}
		var code strings.Builder
		for _, file := range files {
			code.WriteString(page(t, file))
		}
		for _, name := range strings.Split(strings.TrimSuffix(m[2], ", "), ", ") {
			named++
			if !strings.Contains(code.String(), "func "+name+"(") {
				t.Errorf("the table names %s in %s, which is not there", name, m[1])
			}
		}
	}
	if named < 15 {
		t.Errorf("found only %d tests: has the form of the table changed?", named)
	}
}

// commandLines are the arguments of every `$ bulkreg` in a text, also behind a pipe, as far as a shell gives them to it.
func commandLines(text string) []string {
	var found []string
	for line := range strings.Lines(text) {
		line, typed := strings.CutPrefix(line, "$ ")
		if !typed {
			continue
		}
		for part := range strings.SplitSeq(line, "|") {
			arguments, ours := strings.CutPrefix(strings.TrimSpace(part), "bulkreg ")
			if !ours {
				continue
			}
			arguments, _, _ = strings.Cut(arguments, ">")
			found = append(found, strings.TrimSuffix(arguments, " 2"))
		}
	}
	return found
}
