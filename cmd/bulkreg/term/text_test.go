package term_test

import (
	"bytes"
	"testing"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
)

func TestClean(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain, as it is":                   "plain, as it is",
		"\x1b[31mred\x1b[0m\x1b[2J":         "red",
		"\u009b31mred":                      "red",
		"\x1b]0;title\x07a\x1b]8;;x\x1b\\b": "ab",
		"\x1bc reset":                       " reset",
		"cut off \x1b[31":                   "cut off 31",
		"a\x1b":                             "a ",
		"a\nb\tc\rd\x00e\x7ff\u0085g":       "a b c d e f g",
		"a\u202eb\u2066c\u200fd\u061ce":     "a b c d e",
		"\u2028x\ufeff\U000e0041":           " x  ",
		"日本 é e\u0301 \U0001F469\u200d\U0001F4BB क\u094d\u200dष": "日本 é e\u0301 \U0001F469\u200d\U0001F4BB क\u094d\u200dष",
		"\xff\x9b31m": "\ufffd\ufffd31m",
	} {
		if got := term.Clean(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	if got := term.CleanLines("a\x1b[1m\nb\r\n"); got != "a\nb \n" {
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
