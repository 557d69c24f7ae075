package input

import (
	"strings"
	"testing"
	"unicode"
)

// runs reports whether a spreadsheet would run a cell of a text, wherever it parts it, and whether it heeds quotes or not.
func runs(text string, separators string) bool {
	for cell := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(separators, r) }) {
		cell = strings.TrimLeftFunc(cell, func(r rune) bool { return unicode.IsSpace(r) || r == '"' || unicode.In(r, unicode.Cf, unicode.Cc) })
		for i, r := range cell {
			if i == 0 && isFormulaSign(r) && !isNumber(cell[len(string(r)):]) {
				return true
			}
		}
	}
	return false
}

// A file of rejects has the rows of others in it. It opens without running any of them, and reads as the first one did.
func TestRejectsRunNothing(t *testing.T) {
	t.Parallel()
	rows := []string{
		"=cmd|' /C calc'!A0", "+HYPERLINK(1)", "-2+cmd()", "@SUM(1)", "＝1+cmd()", "＋cmd()", "－cmd()", "＠cmd()", `"=a()"`, `" =a()"`, "x;=a()",
		"\t=a()", "x\t@a()", `"x` + "\n" + `=a()"`, `"=a()""b"`, "+31612345678", "-1", "'=a()", "''=a()", "x'=y", "`=a()",
		"\u200b=a()", "\u2060\u00ad@a()", "\u202e=a()", "\x01=a()", "﹦a()", "﹢a()", "﹣a()", "﹫a()", "−a()",
	}
	for _, comma := range []string{",", ";", "\t"} {
		for _, row := range rows {
			if strings.Contains(row, comma) && !strings.HasPrefix(row, `"`) {
				continue
			}
			opts := Options{Kind: "register", DefaultHolderID: "H0", IgnoreColumns: []string{AllColumns}}
			text := "=note" + comma + "domain\n" + row + comma + "www.a.nl\n" + row + comma + row + "\n"
			rejects, _ := rejectsOf(t, text, opts)
			if runs(rejects, cellSeparators) {
				t.Errorf("a cell of this would run: %q", rejects)
			}
			if mended := strings.ReplaceAll(rejects, "www.a.nl", "a.nl"); len(everything(t, newReader(t, mended, opts))) < 1 {
				t.Errorf("it cannot be read again: %q", mended)
			}
		}
	}
	// What is no CSV at all is left to be found by its look, and runs nothing either.
	for _, row := range []string{`x"=a(),b.nl`, `"=a()x",`, `=a()"`, "=a()"} {
		if rejects, _ := rejectsOf(t, "note,domain\n"+row+"\n", Options{Kind: "whois"}); runs(rejects, cellSeparators) || !strings.Contains(rejects, "a()") {
			t.Errorf("of %q: %q", row, rejects)
		}
	}
}

// What was put before a formula is no part of a value, whoever put it there.
func TestReaderTakesApostrophesAway(t *testing.T) {
	t.Parallel()
	for cell, want := range map[string]string{
		"'=H1": "=H1", "'+31": "+31", "'s-Hertogenbosch": "'s-Hertogenbosch", "d'Angelo": "d'Angelo", "'": "'", "a; '=1": "a; =1", "''=1": "'=1", "'＝1": "＝1", "it's -1": "it's -1",
	} {
		if got := rearm(cell); got != want {
			t.Errorf("%q is read as %q, want %q", cell, got, want)
		}
	}
}

func FuzzDisarm(f *testing.F) {
	for _, seed := range []string{"", "=1", "a;=1", "\t＝x", `"=x`, " @x", "'=x", "+31 6", "'+x", "a,''=x", "\uFEFF=x", "\u200b=x", "﹦x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got := Disarm(text, ";\t\r\n"); runs(got, ";\t\r\n") {
			t.Errorf("%q became %q", text, got)
		}
		if got := Guard(text); runs(got, cellSeparators) || rearm(got) != text {
			t.Errorf("%q became %q, which is read as %q", text, got, rearm(got))
		}
		row := disarmRow(text)
		if runs(row, cellSeparators) {
			t.Errorf("%q became the row %q", text, row)
		}
		if !strings.Contains(text, "'") && rearm(row) != text {
			t.Errorf("%q became the row %q, which is read as %q", text, row, rearm(row))
		}
	})
}
