package main

import (
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/queue/api/view"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkreg/bulkreg/worker/sandbox"
)

const registrations = `domain,holder_id,period,note
new.nl,H1,12,x
old.nl,H1,,
live.nl,H1,,
new.nl,H1,12,y
www.bad.nl,H1,,
`

// registrationDesk has old.nl registered and live.nl in progress.
func registrationDesk(t *testing.T) *desk {
	t.Helper()
	d := newDesk(t)
	for reference, domain := range map[string]string{"first": "old.nl", "second": "live.nl"} {
		d.must(exitDone, "enqueue", "register", d.file(reference, domain), "--holder", "H0", "--order", reference, "--yes")
	}
	d.work(record.Register, fates{"old.nl": succeeds(record.Registered)})
	return d
}

const registrationPlan = `line 6: domain "www.bad.nl" is a host under bad.nl: give bad.nl
1 repeated domain counted once, the first being line 5: new.nl
column "note" means nothing here and is left out
1 invalid line left out
The plan of order one, for account default:
new          1  to be registered, unless WHOIS calls them taken
registered   1  by an earlier order: they end as duplicates and cost nothing
in progress  1  in another order: they end as duplicates and cost nothing
invalid      1  lines left out
repeated     1  lines that count once
  old.nl is registered by order first
  live.nl is in progress in order second
What is bought:
domains under  nl 1
periods        1 year 1
holders        H1 1
name servers   none 1
`

func TestEnqueueRegister(t *testing.T) {
	t.Parallel()
	d := registrationDesk(t)
	file := d.file("list.csv", registrations)

	r := d.must(exitUsage, "enqueue", "register", file, "--order", "one", "--skip-invalid", "--ignore-columns", "note")
	if diff := cmp.Diff(sortedPlan(registrationPlan)+"bulkreg: there is no terminal to ask on: add --yes to go on, "+
		"or --dry-run to try; nothing was stored\n", sortedPlan(r.stderr)); diff != "" {
		t.Error(diff)
	}
	d.must(exitUsage, "enqueue", "register", file, "--order", "one", "--ignore-columns", "all", "--yes") // for its invalid line
	if r := d.must(exitError, "order", "one"); !strings.Contains(r.stderr, `no order "one"`) {
		t.Errorf("refused, and stored: %s", r.stderr)
	}

	r = d.must(exitDone, "enqueue", "register", file, "--order", "one", "--skip-invalid", "--ignore-columns", "note", "--yes", "-o", "json")
	if diff := cmp.Diff(sortedPlan(registrationPlan)+"order one accepted: 3 jobs\n"+
		"2 jobs ended at once as duplicates: another order has the domain\n", sortedPlan(r.stderr)); diff != "" {
		t.Error(diff)
	}
	order := parsed[orderJSON](t, r.stdout)
	repeat := false
	want := orderJSON{
		Order: view.Order{
			Reference: "one", Source: "cli", Kind: record.Register, Account: "default", Total: 3,
			Counts:   map[record.State]int{record.Queued: 1, record.Failed: 2},
			Outcomes: map[record.Outcome]int{record.Duplicate: 2}, CreatedAt: order.CreatedAt,
		},
		Repeat: &repeat,
	}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Error(diff)
	}

	// A repeat costs nothing, so nobody has to agree.
	r = d.must(exitDone, "enqueue", "register", file, "--order", "one", "--skip-invalid", "--ignore-columns", "note")
	if !strings.HasSuffix(r.stderr, "order one is there already, with the same content: nothing was changed\n") || strings.Contains(r.stderr, "plan") {
		t.Errorf("the same again: %s", r.stderr)
	}
	d.must(exitUsage, "enqueue", "register", d.file("other.csv", "domain,holder_id\nnew.nl,H2\n"), "--order", "one", "--yes")
}

// sortedPlan brings the domains that others have into one order: the database gives them in any.
func sortedPlan(text string) string {
	const old, live = "  old.nl is registered by order first\n", "  live.nl is in progress in order second\n"
	return strings.Replace(text, live+old, old+live, 1)
}

func TestEnqueueRegisterRefuses(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	file := d.file("list.csv", "domain,holder_id\na.nl,H1\n")
	for name, tc := range map[string]struct {
		stdin string
		args  []string
		want  string
	}{
		"nothing":           {"", []string{"--order", "x", "--yes"}, "nothing to read"},
		"two files":         {"", []string{file, file, "--order", "x", "--yes"}, "2 arguments where one file is wanted"},
		"domain":            {"", []string{"a.nl", "--order", "x", "--yes"}, `there is no file "a.nl": registrations are read from a file`},
		"folder":            {"", []string{d.folder, "--order", "x", "--yes"}, "is a folder"},
		"missing file":      {"", []string{"missing.csv", "--order", "x", "--yes"}, "open missing.csv: no such file"},
		"no holder":         {"", []string{d.file("names", "a.nl\n"), "--order", "x", "--yes"}, "or --holder ID for all domains"},
		"holder's address":  {"", []string{file, "--holder", "jan@example.nl", "--order", "x", "--yes"}, "is an e-mail address"},
		"wait for no order": {"", []string{file, "--order", "x", "--dry-run", "--wait"}, "nothing to --wait for"},
		"dry run alone":     {"", []string{file, "--order", "x", "--dry-run"}, "REGISTRAR_BASE_URL"},
		"slips": {"", []string{d.file("slips.csv", "domain,holder_id,peroid,nameserver\nb.nl,H1,24,ns1.x.nl ns2.x.nl\n"), "--order", "x", "--yes"},
			`the columns "peroid" (did you mean period?) and "nameserver" (did you mean nameservers?), which mean nothing here`},
		"slips, left out": {"", []string{d.file("slip.ndjson", `{"domain":"b.nl","holder_id":"H1","perod":24}`), "--order", "x", "--skip-invalid", "--yes"},
			`the field "perod" (did you mean period?), which means nothing here: rename it, or leave it out with --ignore-columns perod; nothing was stored`},
		"ignores what counts": {"", []string{file, "--order", "x", "--ignore-columns", "domain", "--yes"}, "this column counts"},
		"piped":               {"domain,holder_id\na.nl,H1\n", []string{"-", "--order", "x"}, "standard input is the order itself"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := d.runWith(tc.stdin, append([]string{"enqueue", "register"}, tc.args...)...)
			if r.status != exitUsage || !strings.Contains(r.stderr, tc.want) || r.stdout != "" {
				t.Errorf("status %d, %q, %q, want %q", r.status, r.stderr, r.stdout, tc.want)
			}
			if strings.Contains(r.stderr, "jan@") {
				t.Errorf("it shows an address: %s", r.stderr)
			}
			d.empty()
		})
	}
}

// The exit status tells how a followed order went.
func TestEnqueueRegisterWait(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		ends   fates
		status int
		stderr []string
	}{
		"all registered": {
			fates{"a.nl": succeeds(record.Registered), "b.nl": succeeds(record.Registered)}, exitDone,
			[]string{"one: 2/2, 1 call, registered 2\n"},
		},
		"one rejected": {
			fates{"a.nl": succeeds(record.Registered), "b.nl": fails(record.Rejected, "no")}, exitNotAll,
			[]string{"one: 2/2, 1 call, registered 1, rejected 1\n",
				`{"kind":"not_succeeded","message":"order one: 1 of 2 jobs did not succeed; ` + "`bulkreg jobs one --state failed` tells why\""},
		},
		"one unconfirmed": {
			fates{"a.nl": fails(record.Rejected, "no"), "b.nl": isUnconfirmed()}, exitUnconfirmed,
			[]string{"one: 2/2, 1 call, rejected 1, unconfirmed 1\n", "1 of 2 jobs may have been paid for", "`bulkreg jobs one --state unconfirmed`"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			file := d.file("list", "a.nl\nb.nl\n")
			c := startCommand(t, d.environ, "enqueue", "register", file, "--holder", "H1", "--order", "one", "--yes", "--wait", "-o", "json")
			c.stderr.await(t, "one: 0/2, 0 calls, queued 2\n", c.ended)
			d.work(record.Register, tc.ends)
			<-c.ended
			r := c.result()
			if r.status != tc.status {
				t.Errorf("status %d, want %d", r.status, tc.status)
			}
			for _, want := range tc.stderr {
				if !strings.Contains(r.stderr, want) {
					t.Errorf("%q is not in\n%s", want, r.stderr)
				}
			}
			if got := parsed[orderJSON](t, r.stdout); got.Total != 2 || got.Done != (tc.status != exitUnconfirmed) {
				t.Errorf("got %+v", got)
			}
			if watched := d.run("watch", "one", "-o", "json"); watched.status != tc.status || watched.stdout != strings.Replace(r.stdout, ",\n  \"repeat\": false", "", 1) {
				t.Errorf("watch ends with %d, %s", watched.status, watched.stdout)
			}
		})
	}
}

func TestDryRun(t *testing.T) {
	t.Parallel()
	d := registrationDesk(t)
	upstream, err := startSandbox(t.Context(), "127.0.0.1:0", sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := upstream.close(); err != nil {
			t.Error(err)
		}
	})
	d.environ = append(append(d.environ, upstream.environ()...), "WHOIS_BATCH_SIZE=2")
	file := d.file("list", "free-1.nl\nold.nl\ntaken-1.nl\nfree-2.nl\nunknown-1.nl\nlive.nl\nwhoispoison-1.nl\nfree-2.nl\n")
	r := d.must(exitError, "enqueue", "register", file, "--holder", "H1", "--order", "one", "--dry-run", "-o", "json")
	want := rehearsal{
		Reference: "one", Account: "default", Total: 7, New: 5, Registered: 1, InProgress: 1, Duplicates: 1,
		Available: 2, Taken: 1, Unknown: 2,
	}
	if diff := cmp.Diff(want, parsed[rehearsal](t, r.stdout)); diff != "" {
		t.Error(diff)
	}
	for _, want := range []string{"The plan of order one", "WHOIS call for 1 domain: ", "422", "This was a dry run: nothing was stored.\n",
		`{"kind":"error","message":"WHOIS gave no answer about 2 of 5 new domains`} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("%q is not in\n%s", want, r.stderr)
		}
	}
	r = d.must(exitError, "enqueue", "register", file, "--holder", "H1", "--order", "one", "--dry-run")
	if diff := cmp.Diff(`DOMAIN            WHOIS      REGISTRAR SAYS
free-1.nl         available  free
taken-1.nl        taken      active
free-2.nl         available  free
unknown-1.nl      unknown    the registry did not answer
whoispoison-1.nl  unknown    check bulk: HTTP 422: a domain in the request failed validation

New        5
Available  2
Taken      1
Unknown    2
Holder  H1  not found: their domains cannot be registered
`, r.stdout); diff != "" {
		t.Error(diff)
	}
	if r := d.must(exitError, "order", "one"); !strings.Contains(r.stderr, "no order") {
		t.Errorf("it is stored: %s", r.stderr)
	}
	d.must(exitDone, "enqueue", "register", d.file("free", "free-3.nl\ntaken-3.nl\n"), "--holder", "H1", "--order", "one", "--dry-run")
	if book := upstream.Ledger(); len(book.PaidDomains()) > 0 {
		t.Errorf("it paid for %q", book.PaidDomains())
	}

	d.must(exitDone, "enqueue", "register", file, "--holder", "H1", "--order", "one", "--yes")
	r = d.must(exitDone, "enqueue", "register", file, "--holder", "H1", "--order", "one", "--dry-run", "-o", "json")
	if diff := cmp.Diff(rehearsal{Reference: "one", Account: "default", Exists: true, Total: 7, Duplicates: 1}, parsed[rehearsal](t, r.stdout)); diff != "" {
		t.Errorf("of an order that is there: %s", diff)
	}
}
