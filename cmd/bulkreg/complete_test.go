package main

import (
	"strings"
	"testing"
	"time"
)

// completed is what a shell is offered behind some words.
func completed(t *testing.T, environ []string, words ...string) []string {
	t.Helper()
	var stdout, stderr strings.Builder
	a := &app{environ: environ, stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, tabTime: time.Minute} // the machine is busy
	root := a.rootCommand()
	root.SetArgs(append([]string{"__completeNoDesc"}, words...))
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("%q: %v, %s", words, err, &stderr)
	}
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	return lines[:len(lines)-1] // the last one is for the shell
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	d := pausedDesk(t) // brand-b and default; one, and checks of shop
	for line, want := range map[string]string{
		"order |":                    "checks one",
		"order o|":                   "one",
		"jobs shop/|":                "shop/checks",
		"order one |":                "",
		"cancel one |":               "checks",
		"pause |":                    "brand-b default checks one",
		"resume d|":                  "default",
		"enqueue whois --account b|": "brand-b",
		"jobs one --state f|":        "failed",
		"jobs one --state failed,q|": "failed,queued",
		"jobs one --outcome re|":     "registered rejected",
		"help enq|":                  "enqueue",
		"help enqueue w|":            "whois",
	} {
		var words []string
		typed, _ := strings.CutSuffix(line, "|")
		words = strings.Split(typed, " ")
		got := completed(t, d.environ, words...)
		var begun []string // the shell leaves out what does not begin as it was typed
		for _, offer := range got {
			if strings.HasPrefix(offer, words[len(words)-1]) {
				begun = append(begun, offer)
			}
		}
		if strings.Join(begun, " ") != want {
			t.Errorf("%s offers %q, want %s", line, got, want)
		}
	}
}

// Whoever presses Tab gets nothing where there is no database, and no error either.
func TestCompletionWithoutADatabase(t *testing.T) {
	t.Parallel()
	for _, environ := range [][]string{nil, {"DATABASE_URL=postgres://127.0.0.1:1/none"}, {"WHOIS_LINGER=x"}} {
		r := runCommand(t, environ, "__complete", "order", "")
		if r.status != exitDone || !strings.HasPrefix(r.stdout, ":") || strings.Contains(r.stderr, "bulkreg:") {
			t.Errorf("%q: status %d, %q, %q", environ, r.status, r.stdout, r.stderr)
		}
	}
}
