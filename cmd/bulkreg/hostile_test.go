package main

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// hostileText is what a registrar, a producer or a person may send to take over a terminal: C0, C1, commands, and what turns the
// direction of writing.
const hostileText = "x\x1b[31m\x1b]0;t\x07\u009b2J\u0085\u202e\u2066\x7f\r\nINJECTED\ty"

// actsOnTerminal finds the first character of an output that a terminal would act on.
func actsOnTerminal(text string) (rune, bool) {
	for _, r := range text {
		if !unicode.IsPrint(r) && r != '\n' && r != '\t' {
			return r, true
		}
	}
	return 0, false
}

// hostileDesk is a desk with every stored text hostile.
func hostileDesk(t *testing.T) (d *desk, job uuid.UUID, reference string) {
	t.Helper()
	d = newDesk(t)
	d.must(exitDone, "enqueue", "register", d.file("list", "a.nl\nb.nl\nc.nl\nd.nl\n"), "--order", "one", "--holder", "H", "--yes")
	d.must(exitDone, "enqueue", "whois", "a.nl", "b.nl", "--order", "checks")
	d.work(record.Whois, fates{"a.nl": succeeds(record.Taken), "b.nl": fails(record.Exhausted, "no")})
	d.work(record.Register, fates{"a.nl": isUnconfirmed(), "b.nl": fails(record.Rejected, "no")})
	job = d.job("one", "b.nl").ID
	d.must(exitDone, "retry", job.String(), "--by", "ann", "--reason", "why", "--yes")
	d.must(exitDone, "pause", "cli/one", "--by", "ann", "--reason", "later")
	d.placeHold(holds.Payment)
	d.reported(`"slots":2,"paused":["register"]`)
	// Most of this is refused at the doors; whoever writes to the database, or wrote with an older release, is not asked.
	for _, change := range []string{
		`UPDATE jobs SET last_error = $1, holder_id = $1`,
		`UPDATE jobs SET whois_status = $1 WHERE kind = 'whois'`,
		`UPDATE operator_acts SET operator = $1, reason = $1, error_before = $1`,
		`UPDATE holds SET words = $1`,
		`UPDATE order_holds SET words = $1, placed_by = $1`,
		`UPDATE calls SET error = $1`,
		`UPDATE workers SET trouble = $1`,
		`UPDATE orders SET reference = $1 || reference`,
	} {
		d.sql(func(conn *pgx.Conn) error {
			_, err := conn.Exec(t.Context(), change, hostileText)
			return err
		})
	}
	return d, job, hostileText + "one"
}

// Whatever is stored, nothing that is printed of it acts on a terminal, or breaks out of its line or cell.
func TestHostileWordsAreShownSafely(t *testing.T) {
	t.Parallel()
	d, job, reference := hostileDesk(t)
	for _, args := range [][]string{
		{"orders"}, {"orders", "--needs-person"}, {"order", reference}, {"jobs", reference}, {"jobs", hostileText + "checks"}, {"job", job.String()},
		{"domain", "a.nl"}, {"domain", "b.nl"}, {"holds"}, {"status"}, {"audit"}, {"watch", reference, "--timeout", "1ms"},
		{"watch", reference, "--fail-on-hold"}, {"order", "none" + hostileText}, {"pause", reference, "--by", "eve", "--reason", "x"},
		{"cancel", reference, "--by", "ann"}, {"confirm", reference, "--registered", "--reason", "x", "--by", "ann"},
		{"retry", job.String(), "--by", "ann"}, {"jobs", reference, "--limit", "1"}, {"purge", "--older-than", "1d", "--dry-run"},
		{"enqueue", "whois", "a" + hostileText + ".nl", "--order", "bad"}, {"nonsense" + hostileText}, {"orders", "--" + hostileText},
		{"resume", reference, "--by", "eve"}, {"resume", "default", "--by", "eve"},
	} {
		json := append(append([]string{}, args...), "-o", "json")
		for _, args := range [][]string{json, args} {
			r := d.run(args...)
			for _, text := range []string{r.stdout, r.stderr} {
				if char, found := actsOnTerminal(text); found {
					t.Errorf("%q prints %U: %q", args, char, text)
				}
				if strings.Contains(text, "\nINJECTED") || strings.HasPrefix(text, "INJECTED") {
					t.Errorf("%q lets a text break out of its line: %q", args, text)
				}
			}
		}
	}
}

// JSON gives programs the words as they are.
func TestHostileWordsAreWholeInJSON(t *testing.T) {
	t.Parallel()
	d, job, _ := hostileDesk(t)
	var out struct{ Error string }
	if err := json.Unmarshal([]byte(d.must(exitDone, "job", job.String(), "-o", "json").stdout), &out); err != nil || out.Error != hostileText {
		t.Errorf("%v: %q", err, out.Error)
	}
}

func TestListsAsTSV(t *testing.T) {
	t.Parallel()
	d, _, reference := hostileDesk(t)
	for name, tc := range map[string]struct {
		args  []string
		cells int
	}{
		"orders": {[]string{"orders"}, 7},
		"jobs":   {[]string{"jobs", reference}, 6},
		"checks": {[]string{"jobs", hostileText + "checks"}, 7},
		"holds":  {[]string{"holds"}, 9},
	} {
		lines := strings.Split(strings.TrimSuffix(d.must(exitDone, append(tc.args, "-o", "tsv")...).stdout, "\n"), "\n")
		for _, line := range lines {
			if got := strings.Count(line, "\t") + 1; got != tc.cells || strings.Contains(line, "  ") && !strings.Contains(line, "INJECTED") {
				t.Errorf("%s: %d cells, want %d: %q", name, got, tc.cells, line)
			}
		}
		if len(lines) < 3 {
			t.Errorf("%s: only %d lines", name, len(lines))
		}
	}
}

// What is pasted into a spreadsheet runs there as little as what is imported.
func TestTSVIsDisarmed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.must(exitDone, "enqueue", "whois", "a.nl", "b.nl", "--order", "one")
	d.work(record.Whois, fates{"a.nl": fails(record.Exhausted, `=HYPERLINK("http://evil.example";"x")`), "b.nl": fails(record.Exhausted, "busy\t+1;＠x")})
	got := d.must(exitDone, "jobs", "one", "-o", "tsv").stdout
	for _, cell := range []string{"\t'=HYPERLINK(", ";'＠x"} {
		if !strings.Contains(got, cell) {
			t.Errorf("%q is not in %q", cell, got)
		}
	}
	if table := d.must(exitDone, "jobs", "one").stdout; !strings.Contains(table, "  =HYPERLINK(") {
		t.Errorf("people are shown %q", table)
	}
}

// Long words are cut on a terminal alone.
func TestWordsAreWholeInPipes(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.must(exitDone, "enqueue", "whois", "a.nl", "--order", "one")
	long := strings.Repeat("word ", 30) + "end"
	d.work(record.Whois, fates{"a.nl": fails(record.Exhausted, long)})
	for _, args := range [][]string{{"jobs", "one"}, {"jobs", "one", "-o", "tsv"}, {"domain", "a.nl"}} {
		if r := d.must(exitDone, args...); !strings.Contains(r.stdout, long) {
			t.Errorf("%q cuts it: %s", args, r.stdout)
		}
	}
}
