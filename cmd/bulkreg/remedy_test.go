package main

import (
	"strings"
	"testing"
)

// Who calls the registrar by hand is told which setting may be wrong.
func TestDirectCallsNameTheSetting(t *testing.T) {
	t.Parallel()
	_, environ := startHolderSandbox(t)
	with := func(entries ...string) []string { return append(append([]string{}, environ...), entries...) }
	for name, tc := range map[string]struct {
		environ []string
		args    []string
		want    string
	}{
		"credentials": {with("REGISTRAR_CLIENT_SECRET=wrong"), []string{"whois", "a.nl"},
			"correct REGISTRAR_CLIENT_ID and REGISTRAR_CLIENT_SECRET\n"},
		"credentials of another account": {
			with("REGISTRAR_ACCOUNTS_1_NAME=b", "REGISTRAR_ACCOUNTS_1_CLIENT_ID=x", "REGISTRAR_ACCOUNTS_1_CLIENT_SECRET=wrong"),
			[]string{"holder", "get", "H", "--account", "b"},
			"correct REGISTRAR_ACCOUNTS_<n>_CLIENT_ID of account b and REGISTRAR_ACCOUNTS_<n>_CLIENT_SECRET of account b\n"},
		"path":            {with("REGISTRAR_PATH_CHECK_BULK=/nowhere"), []string{"whois", "a.nl", "b.nl"}, "are REGISTRAR_BASE_URL and REGISTRAR_PATH_CHECK_BULK right?\n"},
		"holder's path":   {with("REGISTRAR_PATH_HOLDER=/nowhere"), []string{"holder", "get", "H"}, "are REGISTRAR_BASE_URL and REGISTRAR_PATH_HOLDER right?\n"},
		"path of tokens":  {with("REGISTRAR_PATH_AUTHENTICATE=/nowhere"), []string{"whois", "a.nl"}, "are REGISTRAR_BASE_URL and REGISTRAR_PATH_AUTHENTICATE right?\n"},
		"nobody there":    {with("REGISTRAR_BASE_URL=http://127.0.0.1:1"), []string{"whois", "a.nl"}, "is REGISTRAR_BASE_URL right?\n"},
		"a batch refused": {environ, []string{"whois", "whoispoison-a.nl", "b.nl"}, "one of the domains may be the reason: ask for them one by one\n"},
		"one refused":     {environ, []string{"whois", "whoispoison-a.nl"}, "422"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runCommand(t, tc.environ, tc.args...)
			if r.status != exitError || !strings.Contains(r.stderr, tc.want) {
				t.Errorf("status %d, %s: want %q", r.status, r.stderr, tc.want)
			}
			if name == "one refused" && strings.Contains(r.stderr, "one by one") {
				t.Errorf("it was one: %s", r.stderr)
			}
		})
	}
}

// A dry run that could check nothing is no success.
func TestDryRunNamesTheSetting(t *testing.T) {
	t.Parallel()
	_, environ := startHolderSandbox(t)
	d := newDesk(t)
	for entry, want := range map[string]string{
		"REGISTRAR_CLIENT_SECRET=wrong":          "correct REGISTRAR_CLIENT_ID and REGISTRAR_CLIENT_SECRET\n",
		"REGISTRAR_PATH_CHECK_BULK=/nowhere":     "are REGISTRAR_BASE_URL and REGISTRAR_PATH_CHECK_BULK right?\n",
		"REGISTRAR_BASE_URL=http://127.0.0.1:1/": "is REGISTRAR_BASE_URL right?\n",
	} {
		r := runCommand(t, append(append(append([]string{}, d.environ...), environ...), entry),
			"enqueue", "register", d.file("one", "a.nl\n"), "--holder", "H1", "--order", "one", "--dry-run")
		if r.status != exitError || !strings.Contains(r.stderr, want) || !strings.Contains(r.stderr, "bulkreg: WHOIS gave no answer about 1 of 1 new domain") {
			t.Errorf("%s: status %d, %s", entry, r.status, r.stderr)
		}
	}
}
