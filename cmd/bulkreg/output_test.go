package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/queue/api/export"
)

func TestTable(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	table := newTable(&out, "A", "B")
	table.row("x\ty", "line\nbreak\x1b[31m")
	table.row("", "ü")
	if err := table.end(); err != nil {
		t.Fatal(err)
	}
	if want := "A    B\nx y  line break [31m\n-    ü\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

// A long table is printed as it comes, and a reader that has gone is an error.
func TestTableStreams(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	table := newTable(&out, "A", "B")
	for range tablePage {
		table.row("x", "y")
	}
	if got := strings.Count(out.String(), "\n"); got != tablePage {
		t.Errorf("%d lines are out before the end", got)
	}
	broken := newTable(brokenPipe{}, "A")
	if err := broken.end(); !errors.Is(err, errGone) {
		t.Errorf("got %v", err)
	}
}

var errGone = errors.New("gone")

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errGone }

func TestJSONArray(t *testing.T) {
	t.Parallel()
	for want, n := range map[string]int{"[]\n": 0, "[\n\"a&b\"\n]\n": 1, "[\n\"a&b\",\n\"a&b\"\n]\n": 2} {
		var out bytes.Buffer
		array := newJSONArray(&out)
		for range n {
			if err := array.add("a&b"); err != nil {
				t.Fatal(err)
			}
		}
		if err := array.end(); err != nil || out.String() != want || !json.Valid(out.Bytes()) {
			t.Errorf("got %q, %v, want %q", out.String(), err, want)
		}
	}
	if err := newJSONArray(brokenPipe{}).end(); !errors.Is(err, errGone) {
		t.Errorf("got %v", err)
	}
}

func TestThousands(t *testing.T) {
	t.Parallel()
	for want, n := range map[string]int{"0": 0, "999": 999, "1,000": 1000, "-999": -999, "-1,234": -1234, "1,234,567": 1234567} {
		if got := term.Thousands(n); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestShellWord(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"order-1042": "order-1042", "": "''", "no 2": "'no 2'", "it's": `'it'\''s'`, "$(x)": "'$(x)'", "é": "'é'",
	} {
		if got := shellWord(text); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestHarmless(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "no": "no", "=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "\t=1": "\t'=1", "a=1": "a=1",
		"a;=1": "a;'=1", "a; +1;b": "a; '+1;b", "a\t@x": "a\t'@x", `a;"-1"`: `a;"'-1"`, "a\r\n=1": "a\r\n'=1", "a, -1": "a, -1", " =1": " '=1",
		"＝1": "'＝1", "＋1": "'＋1", "－1": "'－1", "＠x": "'＠x", "a;＝1": "a;'＝1", ";;=": ";;'=", "-": "'-", "a-1;b=2": "a-1;b=2",
	} {
		if got := export.Harmless(text); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
