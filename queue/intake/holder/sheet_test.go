package holder

import "testing"

func TestWhatSpreadsheetsLeave(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"#N/A": "failed", "#REF!": "failed", "#VALUE!": "failed", "#NAME?": "failed", "#DIV/0!": "failed", "#NUM!": "failed", "#NULL!": "failed",
		"#SPILL!": "failed", "#GETTING_DATA": "failed", "#VERW!": "failed", "#WAARDE!": "failed", "#NAAM?": "failed", "#DEEL/0!": "failed", "#N/B": "failed",
		"#NV": "failed", "#BEZUG!": "failed", "#ÜBERLAUF!": "failed", "#ЗНАЧ!": "failed", "#Н/Д": "failed", "####": "failed", "Err:502": "failed",
		"=A2": "failed", `=VLOOKUP(A2;B:C;2)`: "failed",
		"1.23457E+11": "rounded", "1,23457E+11": "rounded", "1E+11": "rounded", "1.5e10": "rounded", "-1.2E-5": "rounded",
		"NULL": "nothing", "null": "nothing", "(null)": "nothing", "<null>": "nothing", `\N`: "nothing", "n/a": "nothing", "None": "nothing", "NaN": "nothing",
		"-": "nothing", "--": "nothing", "?": "nothing", "0": "nothing", "000": "nothing", "undefined": "nothing",
		"H-1": "", "12345": "", "12E45": "", "1E11": "", "#12": "", "#A1": "", "N": "", "NL": "", "Null-12": "", "abc=": "", "0x1": "",
	} {
		got := ""
		switch {
		case CellFailed(value):
			got = "failed"
		case CellRounded(value):
			got = "rounded"
		case CellEmptied(value):
			got = "nothing"
		}
		if got != want {
			t.Errorf("%s: %q, want %q", value, got, want)
		}
	}
}

func TestErrorsAreNoComments(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{
		"#N/A": true, "#REF!;H1": true, "#NAME?,H1,12": true, "#N/A\tH1": true, " #VERW! ": true,
		"# N/A": false, "#comment": false, "# line 3: domain": false, "####": false, "#": false, "#TODO, later": false, "a.nl,#N/A": false,
	} {
		if got := LineFailed(line); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}
