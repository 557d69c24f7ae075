package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// errorsOf reads standard error, all of which has to be errors in JSON.
func errorsOf(t *testing.T, stderr string) []errorJSON {
	t.Helper()
	var all []errorJSON
	decoder := json.NewDecoder(strings.NewReader(stderr))
	decoder.DisallowUnknownFields()
	for decoder.More() {
		var one errorJSON
		if err := decoder.Decode(&one); err != nil {
			t.Fatalf("%v in %s", err, stderr)
		}
		if one.Kind == "" || one.Message == "" || one.Hint != "" && !strings.Contains(one.Message, one.Hint) {
			t.Errorf("it says too little: %+v", one)
		}
		all = append(all, one)
	}
	if n := strings.Count(stderr, "\n"); n != len(all) {
		t.Errorf("%d errors in %d lines: %s", len(all), n, stderr)
	}
	return all
}

func TestErrorsInJSON(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	bad := d.file("bad.csv", "domain,holder_id,period\nwww.a.nl,#N/A,12\nb.nl,H1,1\n")
	typo := d.file("typo.csv", "domain,holder_id,peroid\na.nl,H1,12\n")
	empty := d.file("empty.csv", "domain,holder_id\n")
	d.must(exitDone, "enqueue", "whois", "a.nl", "--order", "there")
	for name, tc := range map[string]struct {
		environ []string // nil: the desk's
		args    []string
		status  int
		want    []errorJSON // Message is a part
	}{
		"no reference": {nil, []string{"enqueue", "whois", "a.nl"}, exitUsage,
			[]errorJSON{{Kind: "usage", Message: "--order is missing: give", Hint: "give the order a reference of your own, which also makes it safe to repeat"}}},
		"a flag that there is not": {nil, []string{"orders", "--bogus"}, exitUsage, []errorJSON{{Kind: "usage", Message: "unknown flag: --bogus"}}},
		"no order": {nil, []string{"order", "nobody's"}, exitError, []errorJSON{{Kind: "not_found", Message: `there is no order "nobody's"`,
			Hint: "`bulkreg orders` lists what there is"}}},
		"another order": {nil, []string{"enqueue", "whois", "b.nl", "--order", "there"}, exitUsage, []errorJSON{{Kind: "conflict", Message: "exists with other content",
			Hint: "give the new order a reference of its own"}}},
		"no file": {nil, []string{"enqueue", "register", "missing.csv", "--order", "x"}, exitUsage,
			[]errorJSON{{Kind: "usage", Message: "open missing.csv", Where: &whereJSON{File: "missing.csv"}}}},
		"bad lines": {nil, []string{"enqueue", "register", bad, "--order", "x", "--yes"}, exitUsage, []errorJSON{
			{Kind: "input", Message: `line 2: domain "www.a.nl" is a host under a.nl`, Where: &whereJSON{bad, 2, "domain"}, Hint: "give a.nl"},
			{Kind: "input", Message: "line 2: holder_id is what a spreadsheet shows", Where: &whereJSON{bad, 2, "holder_id"}, Hint: "give the holder's id"},
			{Kind: "input", Message: `line 3: period "1" is no whole number of years`, Where: &whereJSON{bad, 3, "period"}, Hint: "it counts months, such as 12 or 24; --allow-period allows it"},
			{Kind: "input", Message: "2 of 2 lines cannot be used, and nothing was stored", Where: &whereJSON{File: bad}, Hint: "fix them, or leave them out with --skip-invalid; --rejects FILE writes them to a file"},
		}},
		"a bad file": {nil, []string{"enqueue", "register", typo, "--order", "x", "--yes"}, exitUsage, []errorJSON{{Kind: "input", Message: "typo.csv: line 1: the file has the column",
			Where: &whereJSON{File: typo, Line: 1}, Hint: "rename it, or leave it out with --ignore-columns peroid"}}},
		"an empty file": {nil, []string{"enqueue", "register", empty, "--order", "x", "--yes"}, exitUsage, []errorJSON{{Kind: "input", Message: "the order is empty", Where: &whereJSON{File: empty}}}},
		"a bad argument": {nil, []string{"enqueue", "whois", "b.nl", "www.a.nl", "--order", "x"}, exitUsage, []errorJSON{
			{Kind: "input", Message: "argument 2: domain", Where: &whereJSON{"arguments", 2, "domain"}, Hint: "give a.nl"},
			{Kind: "input", Message: "1 of 2 arguments cannot be used", Where: &whereJSON{File: "arguments"}, Hint: "fix them, or leave them out with --skip-invalid; --rejects FILE writes them to a file"},
		}},
		"nothing set": {[]string{}, []string{"orders"}, exitUsage, []errorJSON{{Kind: "settings", Message: "DATABASE_URL is not set", Where: &whereJSON{Field: "DATABASE_URL"},
			Hint: "give the address of your Postgres, such as postgres://bulkreg:PASSWORD@localhost:5432/bulkreg, or try `bulkreg dev`, which needs nothing"}}},
		"wrong settings": {[]string{"DATABASE_MAX_CONNS=x", "DATABASE_URL=mysql://h"}, []string{"orders"}, exitUsage, []errorJSON{
			{Kind: "settings", Message: "DATABASE_MAX_CONNS=", Where: &whereJSON{Field: "DATABASE_MAX_CONNS"}, Hint: "give a whole number of connections, from 4 to 1000, such as 20"},
			{Kind: "settings", Message: "DATABASE_URL is no Postgres address", Where: &whereJSON{Field: "DATABASE_URL"}, Hint: "write it as postgres://bulkreg:PASSWORD@localhost:5432/bulkreg"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			environ := tc.environ
			if environ == nil {
				environ = d.environ
			}
			for _, asked := range [][]string{{"-o", "json"}, {"--output=json"}} {
				if name == "a flag that there is not" && asked[0] == "-o" {
					asked = []string{"-ojson"}
				}
				r := runCommand(t, environ, append(tc.args, asked...)...)
				got := errorsOf(t, r.stderr)
				if r.status != tc.status || len(got) != len(tc.want) || r.stdout != "" {
					t.Fatalf("status %d: %s", r.status, r.stderr)
				}
				for i, want := range tc.want {
					if !strings.Contains(got[i].Message, want.Message) {
						t.Errorf("%q is not in %q", want.Message, got[i].Message)
					}
					want.Message = got[i].Message
					if name == "a flag that there is not" {
						want.Hint = got[i].Hint
					}
					if diff := cmp.Diff(want, got[i]); diff != "" {
						t.Error(diff)
					}
				}
			}
			if r := runCommand(t, environ, tc.args...); strings.Contains(r.stderr, `{"kind"`) || r.status != tc.status {
				t.Errorf("for people: status %d, %s", r.status, r.stderr)
			}
		})
	}
	// What is left out on purpose is no error.
	r := d.must(exitDone, "enqueue", "whois", "b.nl", "www.a.nl", "--order", "skipped", "--skip-invalid", "-o", "json", "--rejects", filepath.Join(d.folder, "left"))
	if strings.Contains(r.stderr, "{") || !strings.Contains(r.stderr, "argument 2: domain") {
		t.Errorf("got %s", r.stderr)
	}
}

func TestHintsInErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`"a: b" is no domain: give one`: "give one", "REDIS_URL_FILE: open x: no such file": "", "no advice here": "", `it has "x\": y" in it: leave it out: now`: "leave it out: now", "": "",
	} {
		if got := hintIn(text); got != want {
			t.Errorf("%s: %q", text, got)
		}
	}
}
