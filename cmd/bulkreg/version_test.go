package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/migrations"
)

func TestVersion(t *testing.T) {
	t.Parallel()
	newest, err := migrations.Latest()
	if err != nil {
		t.Fatal(err)
	}
	text := runCommand(t, nil, "version")
	schemas := fmt.Sprintf("works on schema versions %d to %d,", migrations.Oldest, newest)
	if migrations.Oldest == newest {
		schemas = fmt.Sprintf("works on schema version %d,", newest)
	}
	if text.status != exitDone || !strings.HasPrefix(text.stdout, "bulkreg version devel\nbuilt with go") || !strings.Contains(text.stdout, schemas) {
		t.Errorf("status %d: %s%s", text.status, text.stdout, text.stderr)
	}
	if flag := runCommand(t, nil, "--version"); flag != text {
		t.Errorf("--version prints %+v, and version %+v", flag, text)
	}
	got := parsed[versionJSON](t, runCommand(t, nil, "version", "-o", "json").stdout)
	if got.Version != "devel" || !strings.HasPrefix(got.Go, "go") || got.SchemaOldest != migrations.Oldest || got.SchemaNewest != newest {
		t.Errorf("JSON: %+v", got)
	}
}

func TestHelpOfNothing(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"help nonsense":         "there is no command \"bulkreg nonsense\"",
		"help ordr":             "did you mean order",
		"help enqueue nonesuch": "there is no command \"bulkreg enqueue nonesuch\": `bulkreg enqueue --help`",
	} {
		if r := runCommand(t, nil, strings.Fields(line)...); r.status != exitUsage || !strings.Contains(r.stderr, want) || r.stdout != "" {
			t.Errorf("%s: status %d, %q, %q", line, r.status, r.stdout, r.stderr)
		}
	}
	for _, line := range []string{"help", "help order", "help enqueue whois"} {
		words := strings.Fields(line)
		help := runCommand(t, nil, words...)
		if same := runCommand(t, nil, append(words[1:], "--help")...); help != same || help.status != exitDone || help.stdout == "" {
			t.Errorf("%s: status %d, %q; --help: %q", line, help.status, help.stdout, same.stdout)
		}
	}
}

// A slip in a flag is answered with its neighbour.
func TestFlagsSuggestNeighbours(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"enqueue whois a.nl --oder x": "did you mean --order?\n",
		"jobs one --sate failed":      "did you mean --state?\n",
		"orders --need-person":        "did you mean --needs-person?\n",
		"retry one --nwo":             "did you mean --now?\n",
		"jobs one --xyzzy":            "lists what there is\n",
	} {
		if r := runCommand(t, nil, strings.Fields(line)...); r.status != exitUsage || !strings.HasSuffix(r.stderr, want) ||
			strings.Contains(r.stderr, "did you mean") != strings.Contains(want, "did you mean") {
			t.Errorf("%s: status %d, %q", line, r.status, r.stderr)
		}
	}
}
