package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkreg/bulkreg/queue/intake/domainname"
	"github.com/bulkreg/bulkreg/worker/registrar"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

func TestWhois(t *testing.T) {
	t.Parallel()
	server, err := startSandbox(t.Context(), "127.0.0.1:0", sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.close(); err != nil {
			t.Error(err)
		}
	})
	for name, tc := range map[string]struct {
		args   []string
		status int
		want   []string // in stdout
		stderr string
	}{
		"one":          {[]string{"Example.NL."}, exitDone, []string{"example.nl", "available", "free"}, ""},
		"several":      {[]string{"taken-a.nl", "bücher.de", "taken-a.nl"}, exitDone, []string{"taken-a.nl", "active", "xn--bcher-kva.de (bücher.de)  available"}, ""},
		"one unknown":  {[]string{"unknown-a.nl", "a.nl"}, exitError, []string{"unknown-a.nl  unknown", "the registry did not answer", "a.nl          available"}, "no answer for 1 of 2 domains"},
		"call refused": {[]string{"whoispoison-a.nl"}, exitError, nil, "422"},
		"no account":   {[]string{"a.nl", "--account", "b"}, exitUsage, nil, `there is no account "b": one of default`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runCommand(t, server.environ(), append([]string{"whois"}, tc.args...)...)
			if r.status != tc.status || !strings.Contains(r.stderr, tc.stderr) || tc.stderr == "" && r.stderr != "" {
				t.Errorf("status %d, %q: want %d, %q", r.status, r.stderr, tc.status, tc.stderr)
			}
			for _, want := range tc.want {
				if !strings.Contains(r.stdout, want) {
					t.Errorf("%q is not in\n%s", want, r.stdout)
				}
			}
		})
	}
	t.Run("as JSON", func(t *testing.T) {
		t.Parallel()
		r := runCommand(t, server.environ(), "whois", "-o", "json", "taken-a.nl", "bücher.de")
		var got []map[string]string
		if err := json.Unmarshal([]byte(r.stdout), &got); err != nil {
			t.Fatalf("%v in %s", err, r.stdout)
		}
		want := []map[string]string{
			{"domain": "taken-a.nl", "availability": "taken", "status": "active"},
			{"domain": "xn--bcher-kva.de", "unicode": "bücher.de", "availability": "available", "status": "free"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("too many", func(t *testing.T) {
		t.Parallel()
		r := runCommand(t, append(server.environ(), "WHOIS_BATCH_SIZE=1"), "whois", "a.nl", "b.nl")
		if r.status != exitUsage || !strings.Contains(r.stderr, "bulkreg enqueue whois") {
			t.Errorf("status %d, %s", r.status, r.stderr)
		}
	})
}

// One domain is asked about with the call for one, several with one bulk call.
func TestWhoisIsOneCall(t *testing.T) {
	t.Parallel()
	for _, domains := range [][]string{{"a.nl"}, {"a.nl", "b.nl", "c.nl"}} {
		server, err := startSandbox(t.Context(), "127.0.0.1:0", sandbox.Options{})
		if err != nil {
			t.Fatal(err)
		}
		runCommand(t, server.environ(), append([]string{"whois"}, domains...)...)
		calls := slices.DeleteFunc(server.Ledger().Calls, func(c sandbox.Call) bool { return c.Op == sandbox.OpAuthenticate })
		route := "POST /whois"
		if len(domains) == 1 {
			route = "GET /whois/{domain}"
		}
		if len(calls) != 1 || calls[0].Route != route || len(calls[0].Items) != len(domains) {
			t.Errorf("%q: %+v", domains, calls)
		}
		if err := server.close(); err != nil {
			t.Error(err)
		}
	}
}

func TestMatchChecks(t *testing.T) {
	t.Parallel()
	names, err := parseDomains([]string{"a.nl", "bücher.de"}, 10)
	if err != nil {
		t.Fatal(err)
	}
	const left, contradicts = "the registrar's reply leaves this domain out", "the registrar's reply contradicts itself about this domain"
	idn := whoisAnswer{Domain: "xn--bcher-kva.de", Unicode: "bücher.de"}
	with := func(a whoisAnswer, v registrar.Availability, status, err string) whoisAnswer {
		a.Availability, a.Status, a.Error = v, status, err
		return a
	}
	a := whoisAnswer{Domain: "a.nl"}
	for name, tc := range map[string]struct {
		checks []registrar.Check
		want   []whoisAnswer
	}{
		"nothing said": {nil, []whoisAnswer{with(a, registrar.Unknown, "", left), with(idn, registrar.Unknown, "", left)}},
		"other order, case and form, and one not asked for": {
			[]registrar.Check{{Domain: "Bücher.de.", Availability: registrar.Taken, Status: "active"}, {Domain: "x.nl", Availability: registrar.Taken}, {Domain: "A.NL", Availability: registrar.Available}},
			[]whoisAnswer{with(a, registrar.Available, "", ""), with(idn, registrar.Taken, "active", "")}},
		"twice the same": {
			[]registrar.Check{{Domain: "a.nl", Availability: registrar.Taken}, {Domain: "a.nl", Availability: registrar.Taken}},
			[]whoisAnswer{with(a, registrar.Taken, "", ""), with(idn, registrar.Unknown, "", left)}},
		"contradiction": {
			[]registrar.Check{{Domain: "a.nl", Availability: registrar.Available}, {Domain: "a.nl", Availability: registrar.Taken}, {Domain: "a.nl", Availability: registrar.Taken}},
			[]whoisAnswer{with(a, registrar.Unknown, "", contradicts), with(idn, registrar.Unknown, "", left)}},
		"no domain": {
			[]registrar.Check{{Domain: "", Availability: registrar.Available}, {Domain: "\x00", Availability: registrar.Available}},
			[]whoisAnswer{with(a, registrar.Unknown, "", left), with(idn, registrar.Unknown, "", left)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, matchChecks(names, tc.checks)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseDomainsTellsAllThatIsWrong(t *testing.T) {
	t.Parallel()
	names, err := parseDomains([]string{"B.nl", "a.nl", "b.nl."}, 2)
	if err != nil || !slices.Equal(names, []domainname.Name{{ASCII: "b.nl", Unicode: "b.nl"}, {ASCII: "a.nl", Unicode: "a.nl"}}) {
		t.Errorf("got %v, %v", names, err)
	}
	_, err = parseDomains([]string{"one", "a.nl", "two..nl"}, 10)
	if err == nil || !strings.Contains(err.Error(), "one") || !strings.Contains(err.Error(), "two..nl") {
		t.Errorf("got %v", err)
	}
}
