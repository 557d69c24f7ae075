package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkreg/bulkreg/worker/sandbox"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
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
		t.Fatalf("README.md has no block from %q to %q", begin, end)
	}
	return found
}

func TestReadmeListsEverySetting(t *testing.T) {
	t.Parallel()
	block := between(t, readme(t), "<!-- config: what `bulkreg config -o markdown` prints; a test compares it -->", "<!-- end of config -->")
	r := runCommand(t, nil, "config", "-o", "markdown")
	if r.status != exitDone || r.stderr != "" {
		t.Fatalf("status %d: %s", r.status, r.stderr)
	}
	if diff := cmp.Diff(r.stdout, block); diff != "" {
		t.Errorf("README.md has other settings (+) than the program (-): put what `bulkreg config -o markdown` prints between the marks\n%s", diff)
	}
}

func TestReadmeListsEveryLabel(t *testing.T) {
	t.Parallel()
	var want strings.Builder
	for _, label := range sandbox.Labels() {
		want.WriteString("| `" + label.Name + "-*` | " + label.Whois + " | " + label.Register + " |\n")
	}
	block := between(t, readme(t), "| Label | WHOIS says | Registration |\n| --- | --- | --- |", "| any other | available until registered | registered |")
	if diff := cmp.Diff(want.String(), block); diff != "" {
		t.Errorf("README.md has other labels (+) than the sandbox (-)\n%s", diff)
	}
}

// The Go code and the payload in README.md are those of the example in package queue, which is run.
func TestReadmeShowsTheExampleOfAProducer(t *testing.T) {
	t.Parallel()
	example, err := os.ReadFile("../../queue/example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, language := range []string{"go", "json"} {
		block := strings.TrimSpace(between(t, readme(t), "```"+language, "```"))
		if block == "" || !strings.Contains(string(example), block) {
			t.Errorf("the %s in README.md is not in queue/example_test.go:\n%s", language, block)
		}
	}
}

// Every command line in README.md names a command and flags that there are.
func TestReadmeCommandLines(t *testing.T) {
	t.Parallel()
	lines := commandLines(readme(t))
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
