package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/delivery"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store/seal"
)

const peopleFile = "email,originator,languageCode,firstname,lastname,privacyConsent\n" +
	"jan@example.nl,shop,nl,Jan,Jansen,true\nAN@example.be,shop,,,,false\njan@EXAMPLE.nl,shop,nl,Jan,Jansen,true\n"

// tokenDesk is a desk with a key.
func tokenDesk(t *testing.T) (d *desk, key string) {
	t.Helper()
	d, key = newDesk(t), seal.NewKey()
	d.environ = append(d.environ, "TOKEN_ENCRYPTION_KEY="+key, "PMG_ACCESS_TOKEN=x")
	return d, key
}

func TestEnqueueToken(t *testing.T) {
	t.Parallel()
	d, _ := tokenDesk(t)
	list := d.file("people.csv", peopleFile)
	r := d.must(exitDone, "enqueue", "token", list, "--order", "one")
	want := `Order     one
Given     new
Source    cli
Kind      token
Account   pmg
Jobs      2
States    queued 2
Outcomes  -
Calls     0
Created   <time>
Finished  not yet
`
	if diff := cmp.Diff(want, stable(r.stdout)); diff != "" {
		t.Error(diff)
	}
	subjects := []string{queue.Subject("jan@example.nl"), queue.Subject("an@example.be")}
	if want := "1 repeated person counted once, the first being line 4: " + subjects[0] + "\nThe plan: tokens for 2 people, 1 of whom agreed to the privacy terms.\n" +
		"order one accepted: 2 jobs\n"; r.stderr != want {
		t.Errorf("stderr %q, want %q", r.stderr, want)
	}
	if got := d.domains("one"); !slices.Equal(got, subjects) {
		t.Errorf("stored %q", got)
	}
	if r = d.must(exitDone, "enqueue", "token", list, "--order", "one"); !strings.Contains(r.stderr, "is there already, with the same content") {
		t.Errorf("the same again: %s", r.stderr)
	}
	other := d.file("other.csv", strings.Replace(peopleFile, ",nl,", ",fr,", 2))
	if r = d.must(exitUsage, "enqueue", "token", other, "--order", "one"); !strings.Contains(r.stderr, "exists with other content (2 token jobs") {
		t.Errorf("another language: %s", r.stderr)
	}
	if r = d.must(exitDone, "jobs", "one", "--subject", "an@example.be", "-o", "json"); !strings.Contains(r.stdout, `"privacy_consent":false`) || strings.Contains(r.stdout, subjects[0]) {
		t.Errorf("jobs: %s", r.stdout)
	}
	for _, name := range []string{"Jan@Example.nl", subjects[0]} {
		r = d.must(exitDone, "jobs", "--subject", name)
		if !strings.Contains(r.stdout, "cli/one") || !strings.Contains(r.stdout, "Person           "+subjects[0]) || strings.Contains(r.stdout, "Jansen") {
			t.Errorf("jobs of %s: %s", name, r.stdout)
		}
	}
	for _, args := range [][]string{{"jobs"}, {"jobs", "--subject", "jan"}, {"jobs", "one", "--subject", "a@b.nl", "--domain", "a.nl"}} {
		if r := d.run(args...); r.status != exitUsage {
			t.Errorf("%q: status %d", args, r.status)
		}
	}
}

func TestEnqueueTokenRefuses(t *testing.T) {
	t.Parallel()
	d, _ := tokenDesk(t)
	list := d.file("people.csv", peopleFile)
	bad := d.file("bad.csv", "email,originator,privacyConsent\njan@example.nl,,\n")
	for want, args := range map[string][]string{
		"email": {bad}, "originator is missing": {bad}, "privacyConsent is missing": {bad},
		"--dry-run stores nothing":                    {list, "--dry-run", "--wait"},
		"cannot have orders of the kind token":        {list, "--account", "partner"},
		"nothing to read: give a file":                {},
		"--order is missing":                          {list, "--order", ""},
		"1 of 1 line cannot be used, and nothing was": {bad},
	} {
		r := d.run(append([]string{"enqueue", "token", "--order", "r"}, args...)...)
		if want == "email" {
			if strings.Contains(r.stderr, "jan@") {
				t.Errorf("it names somebody: %s", r.stderr)
			}
			continue
		}
		if r.status != exitUsage || !strings.Contains(r.stderr, want) {
			t.Errorf("%q: status %d, %s; want %s", args, r.status, r.stderr, want)
		}
	}
	if r := d.must(exitDone, "enqueue", "token", list, "--order", "r", "--dry-run", "-o", "json"); !strings.Contains(r.stdout, `"privacy_consent": 1`) {
		t.Errorf("dry run: %s", r.stdout)
	}
	if r := d.run("enqueue", "whois", "a.nl", "--order", "r", "--account", "pmg"); r.status != exitUsage {
		t.Errorf("WHOIS for the account of tokens: status %d, %s", r.status, r.stderr)
	}
	d.empty()
	d.environ = d.environ[:1]
	if r := d.must(exitUsage, "enqueue", "token", list, "--order", "r"); !strings.Contains(r.stderr, "openssl rand -base64 32") {
		t.Errorf("without a key: %s", r.stderr)
	}
	d.environ = append(d.environ, "TOKEN_ENCRYPTION_KEY="+seal.NewKey())
	if r := d.must(exitUsage, "enqueue", "token", list, "--order", "r"); !strings.Contains(r.stderr, "no worker asks for tokens yet") {
		t.Errorf("without a worker: %s", r.stderr)
	}
	d.empty()
	if err := d.st.Fleet.AnnounceAccount(t.Context(), queue.TokenAccount); err != nil {
		t.Fatal(err)
	}
	d.must(exitDone, "enqueue", "token", list, "--order", "r")
}

// issue plays a worker: it gives the first job of an order of tokens a token that is so old.
func (d *desk) issue(reference, key string, age time.Duration) uuid.UUID {
	d.t.Helper()
	keys, err := seal.ParseKeys(key)
	if err != nil {
		d.t.Fatal(err)
	}
	order := d.order(reference)
	deliveries, err := d.st.Delivery.TakeUndelivered(d.t.Context(), delivery.Lot{Kind: record.Token, Lane: record.Plain, Account: queue.TokenAccount}, 10, time.Hour)
	if err != nil {
		d.t.Fatal(err)
	}
	claim := ledger.Claim{ID: uuid.New(), Kind: record.Token, Account: queue.TokenAccount, Worker: "test", Lease: time.Hour}
	jobs, err := d.st.Ledger.Claim(d.t.Context(), claim, deliveries[0].Jobs[:1])
	if err != nil || len(jobs) != 1 {
		d.t.Fatalf("%d jobs, %v", len(jobs), err)
	}
	id := jobs[0].ID
	sealed, err := keys.SealToken(seal.Token{Token: "TOKEN-1", RedirectURL: "https://www.url.be?t=TOKEN-1", AccountURL: "https://napi.pmg.be/KEY-1"},
		seal.Job{Source: order.Source, Reference: order.Reference, ID: id})
	if err != nil {
		d.t.Fatal(err)
	}
	_, err = d.st.Ledger.SettleTokens(d.t.Context(), claim.ID, []ledger.TokenResult{{
		Call: ledger.CallResult{ID: uuid.New()}, Transition: ledger.Succeed(id, record.Issued), Sealed: sealed, Age: age, Life: record.TokenLife,
	}})
	if err != nil {
		d.t.Fatal(err)
	}
	return id
}

func TestExportGivesOutTokensWhileTheyLive(t *testing.T) {
	t.Parallel()
	d, key := tokenDesk(t)
	list := d.file("people.csv", peopleFile)
	d.must(exitDone, "enqueue", "token", list, "--order", "one")
	id := d.issue("one", key, time.Minute)
	csv := d.must(exitDone, "export", "one").stdout
	if !strings.Contains(csv, "allow_status,privacy_consent,token,redirect_url,account_url,expires_at\n") ||
		!strings.Contains(csv, `,true,"TOKEN-1","https://www.url.be?t=TOKEN-1","https://napi.pmg.be/KEY-1",20`) || !strings.Contains(csv, `,false,"","","",`+"\n") {
		t.Errorf("csv: %s", csv)
	}
	line := parsed[map[string]any](t, strings.SplitN(d.must(exitDone, "export", "one", "--format", "ndjson").stdout, "\n", 2)[0])
	expires, err := time.Parse(time.RFC3339, line["expires_at"].(string))
	if left := time.Until(expires); err != nil || line["token"] != "TOKEN-1" || line["account_url"] != "https://napi.pmg.be/KEY-1" || left > 9*time.Minute || left < 5*time.Minute {
		t.Errorf("ndjson: %v, %v left, %v", line, left, err)
	}
	for _, args := range [][]string{{"jobs", "one", "-o", "json"}, {"job", id.String(), "-o", "json"}, {"order", "one"}, {"jobs", "--subject", "jan@example.nl", "-o", "json"}} {
		if r := d.must(exitDone, args...); strings.Contains(r.stdout+r.stderr, "TOKEN-1") || strings.Contains(r.stdout, "KEY-1") {
			t.Errorf("%q gives the token out: %s", args, r.stdout)
		}
	}
	with := d.environ
	d.environ = with[:1]
	if r := d.must(exitUsage, "export", "one"); !strings.Contains(r.stderr, "TOKEN_ENCRYPTION_KEY is not set") || strings.Contains(r.stdout, "TOKEN-1") {
		t.Errorf("without a key: %s", r.stderr)
	}
	d.environ = append(with[:1:1], "TOKEN_ENCRYPTION_KEY="+seal.NewKey())
	if r := d.must(exitUsage, "export", "one"); !strings.Contains(r.stderr, "was sealed with key") || strings.Contains(r.stdout, "TOKEN-1") {
		t.Errorf("with another key: %s", r.stderr)
	}
	d.environ = append(with[:1:1], "TOKEN_ENCRYPTION_KEY="+seal.NewKey()+","+key)
	if r := d.must(exitDone, "export", "one"); !strings.Contains(r.stdout, "TOKEN-1") {
		t.Errorf("with both: %s", r.stdout)
	}
	d.environ = with
	d.exec(`UPDATE tokens SET sent_at = sent_at - interval '10 minutes', expires_at = expires_at - interval '10 minutes'`)
	if r := d.must(exitDone, "export", "one"); strings.Contains(r.stdout, "TOKEN-1") || !strings.Contains(r.stdout, "token,succeeded,expired,1") {
		t.Errorf("expired: %s", r.stdout) // the command itself has erased it
	}
	r := d.must(exitDone, "retry", "one", "--by", "ann", "--yes")
	if !strings.Contains(r.stdout, "queued again") {
		t.Errorf("retry: %s%s", r.stdout, r.stderr)
	}
	d.must(exitDone, "cancel", "one", "--by", "ann", "--yes")
}

func TestDevIssuesTokens(t *testing.T) {
	t.Parallel()
	dev := startCommand(t, []string{"LOG_LEVEL=error"}, "dev")
	dev.stderr.await(t, "Ctrl-C ends it", dev.ended)
	environ := exported(t, dev.stdout.String())
	r := startCommandWith(t, `{"email":"jan@example.nl","originator":"shop","privacyConsent":true}`, environ, "enqueue", "token", "-", "--order", "one", "--wait")
	<-r.ended
	if got := r.result(); got.status != exitDone || !strings.Contains(got.stdout, "issued 1") {
		t.Errorf("status %d: %s%s", got.status, got.stdout, got.stderr)
	}
	if got := runCommand(t, environ, "export", "one", "--format", "ndjson"); !strings.Contains(got.stdout, `"redirect_url":"https://www.url.be?t=`) {
		t.Errorf("export: %s%s", got.stdout, got.stderr)
	}
	if got := runCommand(t, environ, "audit"); got.status != exitDone {
		t.Errorf("audit: %s%s", got.stdout, got.stderr)
	}
	if r := dev.stop(); r.status != exitDone {
		t.Errorf("dev: status %d", r.status)
	}
}
