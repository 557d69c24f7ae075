package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/queue/api/view"

	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// doubtfulDesk has an order of four registrations: one registered, one rejected, one unconfirmed, one left.
func doubtfulDesk(t *testing.T) *desk {
	t.Helper()
	d := newDesk(t)
	d.environ = append(d.environ, "USER=ann")
	d.register("one", "a.nl", "b.nl", "c.nl", "d.nl")
	d.work(record.Register, fates{
		"a.nl": succeeds(record.Registered), "b.nl": fails(record.Rejected, "bad holder"), "c.nl": isUnconfirmed(),
	})
	return d
}

func (d *desk) register(reference string, domains ...string) {
	d.t.Helper()
	file := d.file(reference, strings.Join(domains, "\n")+"\n")
	d.must(exitDone, "enqueue", "register", file, "--holder", "H1", "--order", reference, "--yes")
}

func (d *desk) job(reference, domain string) record.Job {
	d.t.Helper()
	for j, err := range d.st.Orders.Jobs(d.t.Context(), d.order(reference).ID, orders.JobFilter{}) {
		if err != nil {
			d.t.Fatal(err)
		}
		if j.Domain == domain {
			return j
		}
	}
	d.t.Fatalf("order %s has no job for %s", reference, domain)
	return record.Job{}
}

// standings is how an order's jobs stand, in their order.
func (d *desk) standings(reference string) string {
	d.t.Helper()
	var all []string
	for _, domain := range d.domains(reference) {
		j := d.job(reference, domain)
		all = append(all, strings.TrimSpace(string(j.State)+" "+string(j.Outcome)))
	}
	return strings.Join(all, ", ")
}

func TestConfirmRegistered(t *testing.T) {
	t.Parallel()
	d := doubtfulDesk(t)
	r := d.must(exitDone, "confirm", "one", "--registered", "--reason", "on the invoice", "--yes")
	wantPlan := `The plan, for the record by ann:
1  register, failed rejected       stay as they are: they do not wait for a person
1  register, queued                stay as they are: they do not wait for a person
1  register, succeeded registered  stay as they are: they do not wait for a person
1  register, unconfirmed           end as registered
`
	if diff := cmp.Diff(wantPlan, r.stderr); diff != "" {
		t.Errorf("the plan (-want +got):\n%s", diff)
	}
	wantResult := `JOBS  RESULT      YOUR REASON     NOTE
1     registered  on the invoice  -
3     left alone  -               they do not wait for a person
`
	if diff := cmp.Diff(wantResult, r.stdout); diff != "" {
		t.Errorf("the result (-want +got):\n%s", diff)
	}
	if got := d.standings("one"); got != "succeeded registered, failed rejected, succeeded registered, queued" {
		t.Errorf("stands at %s", got)
	}
	if r := d.must(exitDone, "confirm", "one", "--registered", "--reason", "again"); !strings.HasSuffix(r.stderr, "There is nothing to change.\n") {
		t.Errorf("again: %s", r.stderr)
	}
}

func TestConfirmNotRegistered(t *testing.T) {
	t.Parallel()
	d := doubtfulDesk(t)
	id := d.job("one", "c.nl").ID.String()
	r := d.must(exitDone, "confirm", id, "--not-registered", "--reason", "ticket 4711", "--by", "bob", "--yes", "-o", "json")
	want := actJSON{
		Act: operator.ConfirmNotRegistered, By: "bob", Reason: "ticket 4711", Changed: 1,
		Skipped: map[operator.Skip]int{}, Claimed: []claimedJSON{},
	}
	if diff := cmp.Diff(want, parsed[actJSON](t, r.stdout)); diff != "" {
		t.Errorf("the result (-want +got):\n%s", diff)
	}
	if got := d.standings("one"); got != "succeeded registered, failed rejected, queued, queued" {
		t.Errorf("stands at %s", got)
	}
	shown := stable(d.must(exitDone, "job", id).stdout)
	wantShown := `
CALLED                OP        JOBS  STATUS  DURATION  ATTEMPT   WORKER  UPSTREAM SAID
<time>  register  3     200     120ms     disowned  host-1  -

DONE                  BY   ACT                     BEFORE                                 REASON
<time>  bob  confirm not registered  unconfirmed: no answer, and taken now  ticket 4711
`
	if !strings.HasSuffix(shown, wantShown) {
		t.Errorf("the job is shown as\n%s", shown)
	}
	detail := parsed[view.JobDetail](t, d.must(exitDone, "job", id, "-o", "json").stdout)
	if len(detail.Acts) != 1 || detail.Acts[0].By != "bob" || detail.Acts[0].At.IsZero() || detail.Acts[0].StateBefore != record.Unconfirmed {
		t.Errorf("acts %+v", detail.Acts)
	}
}

func TestRetry(t *testing.T) {
	t.Parallel()
	d := doubtfulDesk(t)
	r := d.must(exitDone, "retry", "one", "--outcome", "rejected", "--yes", "-o", "json")
	want := actJSON{Act: operator.Retry, By: "ann", Changed: 1, Skipped: map[operator.Skip]int{}, Claimed: []claimedJSON{}}
	if diff := cmp.Diff(want, parsed[actJSON](t, r.stdout)); diff != "" {
		t.Errorf("the result (-want +got):\n%s", diff)
	}
	if got := d.standings("one"); got != "succeeded registered, queued, unconfirmed, queued" {
		t.Errorf("stands at %s", got)
	}
	r = d.must(exitDone, "retry", "one", "--yes", "-o", "json")
	if got := parsed[actJSON](t, r.stdout); got.Changed != 0 || got.Skipped[operator.SkipUnfinished] != 2 ||
		got.Skipped[operator.SkipSucceeded] != 1 || got.Skipped[operator.SkipUnconfirmed] != 1 {
		t.Errorf("again: %+v", got)
	}
}

// A domain that another order has meanwhile stays with it, and the plan says whose it is.
func TestRetryOfADomainThatIsSpokenFor(t *testing.T) {
	t.Parallel()
	d := doubtfulDesk(t)
	d.register("two", "b.nl")
	r := d.must(exitDone, "retry", "one", "--yes")
	if !strings.Contains(r.stderr, "have a domain that another job has registered or is about to\n") ||
		!strings.Contains(r.stderr, "  b.nl is in progress in order two\nThere is nothing to change.\n") {
		t.Errorf("the plan is %s", r.stderr)
	}
	got := parsed[actJSON](t, d.must(exitDone, "retry", "one", "--yes", "-o", "json").stdout)
	if diff := cmp.Diff([]claimedJSON{{Domain: "b.nl", Reference: "two"}}, got.Claimed); diff != "" || got.Skipped[operator.SkipClaimed] != 1 {
		t.Errorf("%+v (-want +got):\n%s", got, diff)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	d := doubtfulDesk(t)
	id := d.job("one", "d.nl").ID.String()
	r := d.must(exitDone, "cancel", "one", id, "one", "--reason", "wrong list", "--yes")
	wantResult := `JOBS  RESULT      YOUR REASON  NOTE
1     canceled    wrong list   -
2     left alone  -            they have ended already
1     left alone  -            they may have been paid for: ` + "`bulkreg confirm` settles them" + `
`
	if diff := cmp.Diff(wantResult, r.stdout); diff != "" {
		t.Errorf("the result (-want +got):\n%s", diff)
	}
	if j := d.job("one", "d.nl"); j.State != record.Canceled || j.LastError != "canceled by ann: wrong list" {
		t.Errorf("the job is %+v", j)
	}
	d.must(exitDone, "retry", "one", "--outcome", "canceled", "--yes")
	if got := d.standings("one"); got != "succeeded registered, failed rejected, unconfirmed, queued" {
		t.Errorf("stands at %s", got)
	}
}

// What was refused as a whole is canceled when WHOIS has spoken, and the plan says so.
func TestCancelOfWhatWasSent(t *testing.T) {
	t.Parallel()
	d := doubtfulDesk(t)
	d.register("two", "x.nl")
	d.work(record.Register, fates{"x.nl": ends(record.AttemptRefused, func(job uuid.UUID) ledger.Transition {
		return ledger.RetryFree(job, 1<<40, "402 no funds")
	})})
	r := d.must(exitDone, "cancel", "two", "--yes")
	if !strings.Contains(r.stderr, "1 of them was sent before") || !strings.Contains(r.stdout, "1     being canceled") {
		t.Errorf("the plan is %s, the result %s", r.stderr, r.stdout)
	}
	id := d.job("two", "x.nl").ID.String()
	if r := d.must(exitDone, "job", id); !strings.Contains(r.stdout, "it is being canceled") {
		t.Errorf("the job is shown as %s", r.stdout)
	}
	if r := d.must(exitDone, "cancel", "two", "--yes"); !strings.Contains(r.stdout, "are being canceled already") {
		t.Errorf("canceled again: %s", r.stdout)
	}
}

func TestActsNeedToBeAskedFor(t *testing.T) {
	t.Parallel()
	d := doubtfulDesk(t)
	before := d.standings("one")
	nobody := d.environ[:len(d.environ)-1]
	for name, tc := range map[string]struct {
		environ []string
		status  int
		want    string
		args    []string
	}{
		"no terminal":      {d.environ, exitUsage, "add --yes to go on; nothing was changed", []string{"cancel", "one"}},
		"no target":        {d.environ, exitUsage, "give orders by their references, or jobs by their IDs", []string{"cancel", "--yes"}},
		"nobody":           {nobody, exitUsage, "--by NAME", []string{"cancel", "one", "--yes"}},
		"nobody, said so":  {d.environ, exitUsage, "--by NAME", []string{"cancel", "one", "--yes", "--by", ""}},
		"a bad name":       {d.environ, exitUsage, "means something else", []string{"cancel", "one", "--yes", "--by", "reply"}},
		"no verdict":       {d.environ, exitUsage, "either --registered or --not-registered", []string{"confirm", "one", "--reason", "x", "--yes"}},
		"both verdicts":    {d.environ, exitUsage, "either --registered or --not-registered", []string{"confirm", "one", "--registered", "--not-registered", "--reason", "x"}},
		"no reason":        {d.environ, exitUsage, "--reason TEXT", []string{"confirm", "one", "--registered", "--yes"}},
		"a strange result": {d.environ, exitUsage, "want one of taken, rejected", []string{"retry", "one", "--outcome", "registered", "--yes"}},
		"no such order":    {d.environ, exitError, `there is no order "two"`, []string{"cancel", "one", "two", "--yes"}},
		"another source":   {d.environ, exitError, `there is no order "one" of source "shop"`, []string{"cancel", "one", "--source", "shop", "--yes"}},
		"no such job": {d.environ, exitError, "there is neither a job 00000000-0000-0000-0000-000000000001 nor an order",
			[]string{"cancel", "one", "00000000-0000-0000-0000-000000000001", "--yes"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runCommand(t, tc.environ, tc.args...)
			last := r.stderr[strings.LastIndex(strings.TrimSuffix(r.stderr, "\n"), "bulkreg: ")+1:]
			if r.status != tc.status || !strings.Contains(last, tc.want) || r.stdout != "" {
				t.Errorf("status %d, %q", r.status, r.stderr)
			}
			if tc.status == exitError && strings.Count(r.stderr, "\n") != 1 {
				t.Errorf("more than a line: %q", r.stderr)
			}
			if got := d.standings("one"); got != before {
				t.Errorf("stands at %s", got)
			}
		})
	}
}

// Behind sudo it is the person who goes on record.
func TestWhoami(t *testing.T) {
	t.Parallel()
	for want, environ := range map[string][]string{
		"ann": {"USER=root", "SUDO_USER=ann"}, "bob": {"USER=bob", "LOGNAME=x"}, "joe": {"USER=root", "SUDO_USER=ann", "BULKREG_OPERATOR=joe"}, "eve": {"LOGNAME=eve", "SUDO_USER="}, "": nil,
	} {
		if got := (&app{environ: environ}).whoami(); got != want {
			t.Errorf("%q: %q, want %q", environ, got, want)
		}
	}
}

// An order system may use UUIDs for references.
func TestActsOnAReferenceThatLooksLikeAnID(t *testing.T) {
	t.Parallel()
	d := doubtfulDesk(t)
	reference := uuid.NewString()
	d.must(exitDone, "enqueue", "whois", "a.nl", "--order", reference, "--source", "shop")
	r := d.must(exitDone, "cancel", reference, "--source", "shop", "--yes", "-o", "json")
	if got := parsed[actJSON](t, r.stdout); got.Changed != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestOrderSaysWhatNeedsAPerson(t *testing.T) {
	t.Parallel()
	d := doubtfulDesk(t)
	want := `
1 job needs a person: sent without a definite answer, and WHOIS cannot settle it: ours, somebody else's or still to come?
Ask the registrar about the domains that ` + "`bulkreg jobs one --state unconfirmed`" + ` lists. Then type, for all or job by job,
  bulkreg confirm one --registered --reason TEXT
  bulkreg confirm one --not-registered --reason TEXT
`
	if r := d.must(exitDone, "order", "one"); !strings.HasSuffix(r.stdout, want) {
		t.Errorf("got %s", r.stdout)
	}
	got := parsed[orderJSON](t, d.must(exitDone, "order", "one", "-o", "json").stdout)
	if got.NeedsPerson == nil || got.NeedsPerson.Jobs != 1 || len(got.NeedsPerson.Commands) != 2 {
		t.Errorf("got %+v", got.NeedsPerson)
	}
	d.must(exitDone, "confirm", "one", "--registered", "--reason", "ours", "--yes")
	r := d.must(exitDone, "order", "one", "-o", "json")
	var all map[string]any
	if err := json.Unmarshal([]byte(r.stdout), &all); err != nil || all["needs_person"] != nil {
		t.Errorf("still needed: %v, %v", all["needs_person"], err)
	}
	if r := d.must(exitDone, "order", "one"); strings.Contains(r.stdout, "person") {
		t.Errorf("got %s", r.stdout)
	}
}

// The evidence about an unconfirmed job is shown with it.
func TestJobShowsReadings(t *testing.T) {
	t.Parallel()
	d := doubtfulDesk(t)
	j := d.job("one", "c.nl")
	_, calls, err := d.st.Orders.FindJob(t.Context(), j.ID)
	if err != nil {
		t.Fatal(err)
	}
	read := ledger.CheckResult{Call: ledger.CallResult{ID: calls[0].ID, Status: 200}, Readings: []ledger.Reading{
		{Job: j.ID, Availability: record.Taken, Status: "active"},
	}}
	if _, err := d.st.Ledger.SettleCheck(t.Context(), uuid.Nil, read); err != nil {
		t.Fatal(err)
	}
	r := d.must(exitDone, "job", j.ID.String())
	if want := "\nREAD                  WHOIS SAID  STATUS\n<time>  taken       active\n"; !strings.HasSuffix(stable(r.stdout), want) {
		t.Errorf("got %s", stable(r.stdout))
	}
	if want := fmt.Sprintf("`bulkreg confirm %s --registered|--not-registered --reason TEXT`", j.ID); !strings.Contains(r.stdout, want) {
		t.Errorf("it does not say what to type: %s", r.stdout)
	}
	got := parsed[view.JobDetail](t, d.must(exitDone, "job", j.ID.String(), "-o", "json").stdout)
	if len(got.Readings) != 1 || got.Readings[0].Availability != record.Taken || got.Readings[0].Status != "active" {
		t.Errorf("readings %+v", got.Readings)
	}
}
