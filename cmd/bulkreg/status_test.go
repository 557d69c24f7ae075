package main

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/bulkreg/bulkreg/queue/api/view"

	"github.com/bulkreg/bulkreg/store/fleet"
	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
)

// reports says that a worker is there for kinds of the account default.
func (d *desk) reports(name, trouble string, kinds ...record.Kind) {
	d.t.Helper()
	r := fleet.WorkerReport{Name: name, Trouble: trouble}
	for _, kind := range kinds {
		r.Pipelines = append(r.Pipelines, fleet.PipelineReport{Kind: kind, Account: "default", Slots: 2})
	}
	if _, err := d.st.Fleet.ReportWorker(d.t.Context(), r); err != nil {
		d.t.Fatal(err)
	}
}

// status runs the command, checks its exit status and its width, and returns it for people and for programs.
func (d *desk) status(want int) (string, statusJSON) {
	d.t.Helper()
	text := d.must(want, "status")
	for line := range strings.Lines(text.stdout) {
		if utf8.RuneCountInString(line) > 81 {
			d.t.Errorf("wider than 80 columns: %s", line)
		}
	}
	if strings.Contains(text.stderr, "a person") != (want == exitUnconfirmed) {
		d.t.Errorf("status %d, and it says %q", want, text.stderr)
	}
	return text.stdout, parsed[statusJSON](d.t, d.must(want, "status", "-o", "json").stdout)
}

func reasonsOf(s statusJSON) string {
	var reasons []string
	for _, n := range s.Needs {
		reasons = append(reasons, n.Reason)
	}
	return strings.Join(reasons, " ")
}

func TestStatusOfAnIdleDesk(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	text, got := d.status(exitDone)
	if text != "Nobody is needed.\n\nNothing is in progress.\n" || got.NeedsPerson || got.Needs == nil || got.InProgress == nil || got.Orders == nil || got.At.IsZero() {
		t.Errorf("got %q, %+v", text, got)
	}
}

// What is in progress needs nobody while a worker is there for it.
func TestStatusOfWork(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.must(exitDone, "enqueue", "whois", "a.nl", "b.nl", "--order", "checks")
	text, got := d.status(exitUnconfirmed)
	if reasonsOf(got) != "no_worker" || got.Needs[0].Jobs != 2 || got.Needs[0].Kind != record.Whois || got.Needs[0].Since == nil ||
		!strings.Contains(text, "s: 2 jobs of kind whois and account default wait, and no live\n  worker is there") {
		t.Errorf("without a worker: %s%+v", text, got)
	}
	d.reports("vm/1", "", record.Whois)
	text, got = d.status(exitDone)
	if len(got.Orders) != 1 || got.Orders[0].Reference != "checks" || got.Orders[0].Jobs != 2 || got.Orders[0].ToDeliver != 2 ||
		got.Orders[0].Ended != 0 || got.Orders[0].Since.IsZero() ||
		!strings.Contains(text, "NEWEST ORDERS  KIND   JOBS  ENDED  TO DELIVER  FOR") || !strings.Contains(text, "\nchecks         whois  2     0      2           ") {
		t.Errorf("orders in progress: %s%+v", text, got.Orders)
	}
	if got.NeedsPerson || len(got.InProgress) != 1 || got.InProgress[0].Queued != 2 || got.InProgress[0].Workers != 1 || got.InProgress[0].Since == nil ||
		!strings.Contains(text, "KIND   ACCOUNT  RUNNING  QUEUED  LATER  HELD  WORKERS  FOR") {
		t.Errorf("with a worker: %s%+v", text, got)
	}
	d.reports("vm/1", "Redis takes no writes", record.Whois)
	if _, got = d.status(exitUnconfirmed); reasonsOf(got) != "worker_in_trouble" || got.Needs[0].Worker != "vm/1" {
		t.Errorf("in trouble: %+v", got)
	}
	d.exec(`DELETE FROM workers`)
	d.exec(`DELETE FROM chunks`)
	d.exec(`UPDATE jobs SET state = 'retrying', wake_at = now() - interval '5 minutes'`)
	d.reports("vm/1", "", record.Whois)
	if text, got = d.status(exitUnconfirmed); reasonsOf(got) != "overdue" || got.InProgress[0].Due == nil || !strings.Contains(text, "5m ago") {
		t.Errorf("overdue: %s%+v", text, got)
	}
}

func TestStatusOfWhatNeedsAPerson(t *testing.T) {
	t.Parallel()
	d := doubtfulDesk(t)
	d.reports("vm/1", "", record.Register, record.Whois)
	d.must(exitDone, "enqueue", "whois", "b.nl", "--order", "checks", "--source", "shop")
	d.must(exitDone, "pause", "checks", "--reason", "customer asks")
	for reason, scope := range map[holds.Reason]holds.Scope{holds.Payment: holds.ScopeRegister, holds.Outage: holds.ScopeAll} {
		_, err := d.st.Holds.Hold(t.Context(), holds.NewHold{Account: "default", Reason: reason, Scope: scope, Words: "no", Status: 402, ProbeEvery: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
	}
	text, got := d.status(exitUnconfirmed)
	if reasonsOf(got) != "unconfirmed hold order_paused" || len(got.Holds) != 2 {
		t.Errorf("needs %s", reasonsOf(got))
	}
	first := got.Needs[0]
	if first.Order != "one" || first.Source != "cli" || first.Jobs != 1 || !slices.Contains(first.Commands, "bulkreg confirm one --registered --reason TEXT") {
		t.Errorf("unconfirmed: %+v", first)
	}
	for _, want := range []string{
		"- unconfirmed: 1 job of order one may have been paid for: sent", "\n    bulkreg confirm one --registered --reason TEXT\n", "s: account default has a payment hold (402 no), ",
		"\n    bulkreg resume default\n", "s: order checks is paused by ann (customer asks)", "\n    bulkreg resume shop/checks\n",
		"s: account default has an outage hold",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it lacks %q:\n%s", want, text)
		}
	}
	for _, n := range got.Needs {
		for _, command := range n.Commands {
			words := strings.Fields(command)[1:]
			cmd, rest, err := (&app{}).rootCommand().Find(words)
			if err == nil {
				err = cmd.ParseFlags(rest)
			}
			if err != nil {
				t.Errorf("%s: %v", command, err)
			}
		}
	}
	if r := d.must(exitDone, "orders", "--needs-person"); !strings.Contains(r.stdout, "\none ") || !strings.Contains(r.stdout, "\nchecks ") {
		t.Errorf("orders: %s", r.stdout)
	}
	d.must(exitDone, "enqueue", "whois", "c.nl", "--order", "third")
	d.must(exitDone, "resume", "--yes")
	d.must(exitDone, "confirm", "one", "--registered", "--reason", "ours", "--yes")
	if r := d.must(exitDone, "orders", "--needs-person", "-o", "json"); r.stdout != "[]\n" {
		t.Errorf("nobody is needed, and it lists %s", r.stdout)
	}
	d.status(exitDone)
}

func TestDomain(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.environ = append(d.environ, "USER=ann")
	d.register("one", "münchen.de", "other.nl")
	d.work(record.Register, fates{"xn--mnchen-3ya.de": isUnconfirmed()})
	d.must(exitDone, "confirm", "one", "--registered", "--reason", "on invoice 7", "--yes")
	d.must(exitDone, "enqueue", "whois", "münchen.de", "--order", "1", "--source", "shop")
	d.must(exitDone, "enqueue", "whois", "else.nl", "--order", "2", "--source", "shop")
	for _, name := range []string{"münchen.de", "MÜNCHEN.de", "xn--mnchen-3ya.de", "XN--Mnchen-3ya.DE."} {
		got := parsed[domainJSON](t, d.must(exitDone, "domain", name, "-o", "json").stdout)
		if got.Domain != "xn--mnchen-3ya.de" || got.DomainUnicode != "münchen.de" || got.Total != 2 || len(got.Jobs) != 2 {
			t.Fatalf("%s: %+v", name, got)
		}
		paid, check := got.Jobs[0], got.Jobs[1]
		if paid.Reference != "one" || len(paid.Calls) != 1 || paid.Calls[0].Op != record.OpRegister || len(paid.Acts) != 1 || paid.Acts[0].By != "ann" ||
			paid.Outcome != record.Registered || check.Source != "shop" || check.Kind != record.Whois || check.State != record.Queued {
			t.Errorf("%s: %+v", name, got.Jobs)
		}
	}
	text := d.must(exitDone, "domain", "münchen.de").stdout
	for _, want := range []string{"cli/one", "shop/1", "registered", "confirm registered", "on invoice 7", "xn--mnchen-3ya.de (münchen.de)"} {
		if !strings.Contains(text, want) {
			t.Errorf("it lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "else.nl") || strings.Contains(text, "other.nl") {
		t.Errorf("it tells of others:\n%s", text)
	}
	r := d.must(exitDone, "domain", "nowhere.nl")
	if r.stdout != "" || r.stderr != "No order has named nowhere.nl.\n" {
		t.Errorf("of nothing: %q %q", r.stdout, r.stderr)
	}
	if got := parsed[domainJSON](t, d.must(exitDone, "domain", "nowhere.nl", "-o", "json").stdout); got.Jobs == nil || got.Total != 0 {
		t.Errorf("of nothing: %+v", got)
	}
	d.says(exitUsage, []string{"domain", "no domain"}, "has a space")
	d.says(exitUsage, []string{"domain"}, "give a domain")
}

// Jobs are narrowed and read in pages, each behind the cursor that the one before told.
func TestJobsInPages(t *testing.T) {
	t.Parallel()
	d := doubtfulDesk(t) // registered, rejected, unconfirmed, queued
	list := func(args ...string) (domains string, r result, cursor string) {
		t.Helper()
		r = d.must(exitDone, append([]string{"jobs", "one", "-o", "json"}, args...)...)
		for _, j := range parsed[[]listedJobJSON](t, r.stdout) {
			domains, cursor = strings.TrimSpace(domains+" "+j.Domain), j.Cursor
		}
		return domains, r, cursor
	}
	for args, want := range map[string]string{
		"--state failed,unconfirmed": "b.nl c.nl", "--state failed --state queued": "b.nl d.nl", "--outcome rejected": "b.nl",
		"--outcome taken": "", "--domain C.nl.": "c.nl", "--domain c.nl --state failed": "", "--after 2": "c.nl d.nl", "--after 4": "",
	} {
		if got, _, _ := list(strings.Fields(args)...); got != want {
			t.Errorf("%s lists %q, want %q", args, got, want)
		}
	}
	var all []string
	for after := "0"; ; {
		domains, r, cursor := list("--limit", "1", "--after", after)
		all = append(all, domains)
		told := "--after " + cursor + " lists the next"
		if more := domains != "d.nl"; strings.Contains(r.stderr, told) != more {
			t.Errorf("behind %s it says %q", after, r.stderr)
		}
		if after = cursor; domains == "d.nl" || len(all) > 4 {
			break
		}
	}
	if got := strings.Join(all, " "); got != "a.nl b.nl c.nl d.nl" {
		t.Errorf("page by page: %s", got)
	}
	for args, want := range map[string]string{
		"--after x": `--after "x" is no cursor`, "--after -1": "is no cursor", "--state failed,gone": "queued, running", "--outcome good": "registered",
		"--domain nl": "--domain",
	} {
		d.says(exitUsage, append([]string{"jobs", "one"}, strings.Fields(args)...), want)
	}
	if r := d.must(exitDone, "export", "one", "--state", "failed,queued"); strings.Count(r.stdout, "\n") != 3 {
		t.Errorf("export: %s", r.stdout)
	}
}

// The wait after an unanswered registration stays, and the plan says why.
func TestRetryNow(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.environ = append(d.environ, "USER=ann")
	d.register("one", "busy.nl", "lost.nl", "left.nl")
	waits := func(attempt record.AttemptState) func(uuid.UUID) ledger.PaidTransition {
		return ends(attempt, func(job uuid.UUID) ledger.Transition { return ledger.Retry(job, time.Hour, "no answer") })
	}
	d.work(record.Register, fates{"busy.nl": waits(record.AttemptNotSent), "lost.nl": waits(record.AttemptUnknown)})
	before := d.job("one", "lost.nl")
	r := d.says(exitDone, []string{"retry", "one", "--now", "--reason", "it is back", "--yes"},
		"register, retrying  go at once\n", "stay as they are: they were sent without a definite answer: WHOIS may lag",
		"stay as they are: they do not wait for a later attempt\n")
	if !strings.Contains(r.stdout, "1     due now     it is back") {
		t.Errorf("the result: %s", r.stdout)
	}
	after, busy := d.job("one", "lost.nl"), d.job("one", "busy.nl")
	if !after.WakeAt.Equal(before.WakeAt) || busy.WakeAt.After(time.Now().Add(time.Minute)) || busy.State != record.Retrying || busy.Attempts == 0 {
		t.Errorf("they wake at %s and %s", after.WakeAt, busy.WakeAt)
	}
	detail := parsed[view.JobDetail](t, d.must(exitDone, "job", busy.ID.String(), "-o", "json").stdout)
	if len(detail.Acts) != 1 || detail.Acts[0].By != "ann" || detail.Acts[0].Act != operator.RetryNow {
		t.Errorf("acts %+v", detail.Acts)
	}
	d.says(exitUsage, []string{"retry", "one", "--now", "--outcome", "taken", "--yes"}, "--now is about jobs that wait")
	d.says(exitUsage, []string{"retry", before.ID.String(), busy.ID.String(), "--now", "--by", ""}, "--by NAME")
}

// In a container nobody has a name: each way of giving one is said, and each works.
func TestWhoActsInAContainer(t *testing.T) {
	t.Parallel()
	d := newDesk(t) // whose environment names no user
	d.must(exitDone, "enqueue", "whois", "a.nl", "--order", "one")
	for _, args := range [][]string{{"cancel", "one", "--yes"}, {"retry", "one", "--yes"}, {"pause", "one"}, {"confirm", "one", "--registered", "--reason", "x", "--yes"}} {
		r := d.must(exitUsage, args...)
		for _, want := range []string{"--by NAME", "BULKREG_OPERATOR", "SUDO_USER", "USER"} {
			if !strings.Contains(r.stderr, want) {
				t.Errorf("%q: it does not name %s: %s", args, want, r.stderr)
			}
		}
	}
	d.environ = append(d.environ, "BULKREG_OPERATOR=eve")
	d.must(exitDone, "pause", "one")
	if h := d.holds(1)[0]; h.PlacedBy != "eve" {
		t.Errorf("paused by %s", h.PlacedBy)
	}
	d.must(exitDone, "resume", "one")
	if got := parsed[actJSON](t, d.must(exitDone, "cancel", "one", "--yes", "-o", "json").stdout); got.By != "eve" {
		t.Errorf("canceled by %s", got.By)
	}
	if got := parsed[actJSON](t, d.must(exitDone, "retry", "one", "--yes", "--by", "bob", "-o", "json").stdout); got.By != "bob" {
		t.Errorf("retried by %s", got.By)
	}
}

// A name that the setting gives goes before the system's.
func TestOperatorSetting(t *testing.T) {
	t.Parallel()
	a := &app{environ: []string{"USER=root", "SUDO_USER=ann", "BULKREG_OPERATOR=night shift"}}
	if got := a.whoami(); got != "night shift" {
		t.Errorf("it is %q", got)
	}
}
