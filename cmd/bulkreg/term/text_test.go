package term_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
)

func TestClean(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain, as it is":               "plain, as it is",
		"\x1b[31mred\u009b0m":           " [31mred 0m",
		"\x1b]0;title\x07a":             " ]0;title a",
		"a\x1b":                         "a ",
		"a\nb\tc\rd\x00e\x7ff\u0085g":   "a b c d e f g",
		"a\u202eb\u2066c\u200fd\u061ce": "a b c d e",
		"\u2028x\ufeff\U000e0041":       " x  ",
		"日本 é e\u0301 \U0001F469\u200d\U0001F4BB क\u094d\u200dष": "日本 é e\u0301 \U0001F469\u200d\U0001F4BB क\u094d\u200dष",
		"\xff\x9b31m": "\ufffd\ufffd31m",
	} {
		if got := term.Clean(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	if got := term.CleanLines("a\x1b[1m\nb\r\n"); got != "a [1m\nb \n" {
		t.Errorf("of lines it makes %q", got)
	}
}

func TestFitByColumns(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		text    string
		columns int
		want    string
	}{
		{"日本語", 6, "日本語"}, {"日本語", 5, "日本…"}, {"日本語", 4, "日…"}, {"日本語", 1, "…"}, {"日本語", 0, "日本語"},
		{"e\u0301e\u0301e\u0301", 3, "e\u0301e\u0301e\u0301"}, {"e\u0301e\u0301e\u0301", 2, "e\u0301…"},
		{"\U0001F469\u200d\U0001F4BBxyz", 4, "\U0001F469\u200d\U0001F4BBx…"},
	} {
		if got := term.Fit(tc.text, tc.columns); got != tc.want || tc.columns > 0 && term.Width(got) > tc.columns {
			t.Errorf("%q in %d columns is %q, want %q", tc.text, tc.columns, got, tc.want)
		}
	}
}

func TestLine(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := term.NewLine(&out)
	l.Draw("one")
	l.Draw("one")
	l.Above("note")
	l.Above("note")
	l.Draw("one")
	l.Clear()
	l.Clear()
	l.Draw("two")
	l.End()
	l.End()
	if want := "\rone\x1b[K\r\x1b[Knote\nnote\n\rone\x1b[K\r\x1b[K\rtwo\x1b[K\n"; out.String() != want {
		t.Errorf("it writes %q, want %q", out.String(), want)
	}
}

func TestEscapeJSON(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"plain", "a\u009b31m\u202e\x7f\U000e0041", "日本\u200d\n\x1b"} {
		written, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		safe := term.EscapeJSON(written)
		var read string
		if err := json.Unmarshal(safe, &read); err != nil || read != text {
			t.Errorf("%q becomes %s, which is %q: %v", text, safe, read, err)
		}
		if string(safe) != term.Clean(string(safe)) {
			t.Errorf("%q is not safe", safe)
		}
	}
}
