package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// typed is one command of a page, and what the page shows of it.
type typed struct {
	command string
	shown   []string
}

// fencedBlocks are the blocks of a page that begin with a fence and this word.
func fencedBlocks(page, word string) []string {
	var blocks []string
	inside, block := false, ""
	for line := range strings.Lines(page) {
		switch fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```"); {
		case isFence && inside:
			if block != "" {
				blocks = append(blocks, block)
			}
			inside, block = false, ""
		case isFence:
			if inside = true; fence != word {
				block = ""
			} else {
				block = "\x00"
			}
		case inside && block != "":
			block += line
		}
	}
	for i, b := range blocks {
		blocks[i] = strings.TrimPrefix(b, "\x00")
	}
	return blocks
}

// script is all that a page tells to type, in order.
func script(page string) []typed {
	var all []typed
	for _, block := range fencedBlocks(page, "console") {
		for line := range strings.Lines(block) {
			line = strings.TrimSuffix(line, "\n")
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				all = append(all, typed{command: command})
			} else if len(all) > 0 {
				last := &all[len(all)-1]
				last.shown = append(last.shown, line)
			}
		}
	}
	return all
}

// varying is what differs from one run to the next.
var varying = []struct {
	pattern *regexp.Regexp
	as      string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?Z`), "TIME"},
	{regexp.MustCompile(`"token":"[0-9a-f-]{36}"`), `"token":"TOKEN"`},
	{regexp.MustCompile(`\b\d+ms\b`), "DURATION"},
	{regexp.MustCompile(`[\w.-]+/\d+ +(-|domain was)`), "WORKER $1"},
	{regexp.MustCompile(`^(key )?[a-z2-7]{10}( +webshop| of source)`), "${1}KEY$2"},
	{regexp.MustCompile(` +`), " "},
}

// steady is an output without what differs from one run to the next: times, durations, and how often progress was shown.
func steady(lines []string) []string {
	progress := regexp.MustCompile(`^\S+: \d+/\d+, \d+ calls?, `)
	var kept []string
	for _, line := range lines {
		if progress.MatchString(line) {
			continue
		}
		for _, v := range varying {
			line = v.pattern.ReplaceAllString(line, v.as)
		}
		kept = append(kept, strings.TrimRight(line, " "))
	}
	return kept
}

// readmeFiles makes the files that the page shows, in a folder.
func readmeFiles(t *testing.T, page, dir string) {
	t.Helper()
	files := map[string]string{"list.txt": "example.nl\nwww.example.nl\n"}
	for _, block := range fencedBlocks(page, "") {
		switch {
		case strings.HasPrefix(block, "email,originator"):
			files["people.csv"] = block
		case strings.HasPrefix(block, "domain,holder_id,period"):
			files["domains.csv"] = block
		}
	}
	header := regexp.MustCompile("`typo.csv` is `(.*)`").FindStringSubmatch(page)
	if header != nil {
		files["typo.csv"] = header[1] + "\na.nl,demo-holder,12,\n"
	}
	for _, step := range script(page) {
		if name, ok := strings.CutPrefix(step.command, "cat "); ok {
			files[name] = strings.Join(step.shown, "\n") + "\n"
		}
	}
	if len(files) != 5 {
		t.Fatalf("the page shows %d files", len(files))
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// The page is typed from its beginning to its end, as a newcomer would, against what `bulkreg dev` runs.
func TestReadmeIsTrueAsTyped(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("jq"); err != nil {
		t.Fatalf("%v: .ci/deps jq installs it", err)
	}
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	page, dir := string(text), t.TempDir()
	readmeFiles(t, page, dir)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(dir, "bulkreg")); err != nil {
		t.Fatal(err)
	}
	dev := startCommand(t, []string{"LOG_LEVEL=error"}, "dev")
	dev.stderr.await(t, "Ctrl-C ends it", dev.ended)
	environ := slices.Concat(exported(t, dev.stdout.String()), []string{asProgram + "=" + t.Name(), "PATH=" + dir + ":" + os.Getenv("PATH"), "HOME=" + dir})
	steps := script(page)
	if len(steps) < 15 {
		t.Fatalf("the page has %d commands", len(steps))
	}
	for _, step := range steps {
		got := typeIn(t, dir, environ, step.command)
		if diff := cmp.Diff(steady(step.shown), steady(got)); diff != "" {
			t.Errorf("$ %s\n-shown +printed\n%s", step.command, diff)
		}
	}
}

// typeIn has a shell carry out a command line, and returns the lines that a terminal would show.
func typeIn(t *testing.T, dir string, environ []string, command string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", command) //nolint:gosec // the page is ours
	cmd.Dir, cmd.Env = dir, environ
	output, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("%s: %v: %s", command, err, output)
	}
	return strings.Split(strings.TrimSuffix(string(output), "\n"), "\n")
}

func TestScript(t *testing.T) {
	t.Parallel()
	page := "a\n```console\n$ one\nx\n\ny\n$ two\n```\n```\n$ no\n```\n```console\n$ three\nz\n```\n"
	want := []typed{{"one", []string{"x", "", "y"}}, {command: "two"}, {"three", []string{"z"}}}
	if diff := cmp.Diff(want, script(page), cmp.AllowUnexported(typed{})); diff != "" {
		t.Error(diff)
	}
}

// The walk through the HTTP API is typed, too.
func TestWalkThroughTheAPIIsTrueAsTyped(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"jq", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%v: .ci/deps %s installs it", err, tool)
		}
	}
	text, err := os.ReadFile("../../queue/api/README.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	dev := startCommand(t, []string{"LOG_LEVEL=error"}, "dev")
	dev.stderr.await(t, "Ctrl-C ends it", dev.ended)
	environ := slices.Concat(exported(t, dev.stdout.String()), []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir})
	steps := script(string(text))
	if len(steps) < 10 {
		t.Fatalf("the page has %d commands", len(steps))
	}
	for _, step := range steps {
		got := typeIn(t, dir, environ, step.command)
		if diff := cmp.Diff(step.shown, got); diff != "" {
			t.Errorf("$ %s\n-shown +printed\n%s", step.command, diff)
		}
	}
}
