package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/delivery"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/pgtest"
)

// desk is where somebody gives orders: a database of its own, and no worker but the test itself.
type desk struct {
	t       *testing.T
	st      *store.Store
	environ []string
	folder  string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	url := pgtest.New(t, migrated)
	return &desk{t: t, st: openTestStore(t, url), environ: []string{"DATABASE_URL=" + url}, folder: t.TempDir()}
}

func (d *desk) run(args ...string) result {
	d.t.Helper()
	return runCommand(d.t, d.environ, args...)
}

func (d *desk) runWith(stdin string, args ...string) result {
	d.t.Helper()
	c := startCommandWith(d.t, stdin, d.environ, args...)
	<-c.ended
	return c.result()
}

// must runs a command that has to end with a status.
func (d *desk) must(status int, args ...string) result {
	d.t.Helper()
	r := d.run(args...)
	if r.status != status {
		d.t.Fatalf("bulkreg %q ended with status %d, want %d:\n%s%s", args, r.status, status, r.stdout, r.stderr)
	}
	return r
}

// file writes a file and returns its path.
func (d *desk) file(name, content string) string {
	d.t.Helper()
	path := filepath.Join(d.folder, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return path
}

func (d *desk) read(path string) string {
	d.t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		d.t.Fatal(err)
	}
	return string(content)
}

// empty checks that nothing was stored.
func (d *desk) empty() {
	d.t.Helper()
	orders, err := d.st.Orders.List(d.t.Context(), "", 10)
	if err != nil || len(orders) > 0 {
		d.t.Errorf("stored: %v, %v", orders, err)
	}
}

// domains are those of an order's jobs.
func (d *desk) domains(reference string) []string {
	d.t.Helper()
	var domains []string
	for j, err := range d.st.Orders.Jobs(d.t.Context(), d.order(reference).ID, orders.JobFilter{}) {
		if err != nil {
			d.t.Fatal(err)
		}
		domains = append(domains, j.Domain)
	}
	return domains
}

func (d *desk) order(reference string) record.Order {
	d.t.Helper()
	o, err := d.st.Orders.Find(d.t.Context(), cliSource, reference)
	if err != nil {
		d.t.Fatal(err)
	}
	return o
}

// fates says how jobs end, by domain. Those that it does not name stay as they are.
type fates map[string]func(job uuid.UUID) ledger.PaidTransition

func ends(attempt record.AttemptState, make func(uuid.UUID) ledger.Transition) func(uuid.UUID) ledger.PaidTransition {
	return func(job uuid.UUID) ledger.PaidTransition {
		return ledger.PaidTransition{Transition: make(job), Attempt: attempt}
	}
}

func succeeds(outcome record.Outcome) func(uuid.UUID) ledger.PaidTransition {
	return ends(record.AttemptRegistered, func(job uuid.UUID) ledger.Transition { return ledger.Succeed(job, outcome) })
}

func fails(outcome record.Outcome, text string) func(uuid.UUID) ledger.PaidTransition {
	return func(job uuid.UUID) ledger.PaidTransition {
		return ledger.PaidTransition{
			Transition: ledger.Fail(job, outcome, text), Attempt: record.AttemptFailed, StatusCode: 422, Message: text,
		}
	}
}

func isUnconfirmed() func(uuid.UUID) ledger.PaidTransition {
	return ends(record.AttemptUnknown, func(job uuid.UUID) ledger.Transition { return ledger.Unconfirm(job, "no answer, and taken now") })
}

// work does what a worker does, with one call for all that is fresh of a kind.
func (d *desk) work(kind record.Kind, ends fates) {
	d.t.Helper()
	ctx := d.t.Context()
	deliveries, err := d.st.Delivery.TakeUndelivered(ctx, delivery.Lot{Kind: kind, Lane: record.Plain, Account: "default"}, 10, time.Minute)
	if err != nil {
		d.t.Fatal(err)
	}
	var delivered []record.DeliveredJob
	for _, delivery := range deliveries {
		for _, j := range delivery.Jobs {
			if ends[j.Domain] != nil {
				delivered = append(delivered, j)
			}
		}
	}
	claim := ledger.Claim{ID: uuid.New(), Kind: kind, Account: "default", Worker: "host-1", Lease: time.Minute}
	claimed, err := d.st.Ledger.Claim(ctx, claim, delivered)
	if err != nil || len(claimed) != len(ends) {
		d.t.Fatalf("claimed %v of %v, %v", claimed, ends, err)
	}
	var (
		paid []ledger.PaidTransition
		free []ledger.Transition
		jobs []uuid.UUID
	)
	for _, j := range claimed {
		p := ends[j.Domain](j.ID)
		paid, free, jobs = append(paid, p), append(free, p.Transition), append(jobs, j.ID)
	}
	call := ledger.NewCall{
		ID: uuid.New(), ClaimID: claim.ID, Op: record.OpWhois, Size: len(claimed), Timeout: time.Second, Lease: time.Minute,
	}
	result := ledger.CallResult{ID: call.ID, Status: 200, Duration: 120 * time.Millisecond}
	var settled int
	if kind == record.Whois {
		if err := d.st.Ledger.StartCall(ctx, call); err != nil {
			d.t.Fatal(err)
		}
		settled, err = d.st.Ledger.Settle(ctx, claim.ID, result, free)
	} else {
		call.Op = record.OpRegister
		if sent, _, err := d.st.Ledger.Intend(ctx, ledger.Intent{Call: call, Jobs: jobs}); err != nil || len(sent) != len(jobs) {
			d.t.Fatalf("intend: %v, %v", sent, err)
		}
		settled, err = d.st.Ledger.SettlePaid(ctx, claim.ID, result, paid)
	}
	if err != nil || settled != len(claimed) {
		d.t.Fatalf("settled %d of %d, %v", settled, len(claimed), err)
	}
}

// parsed reads what a command printed as JSON.
func parsed[T any](t *testing.T, stdout string) T {
	t.Helper()
	var value T
	if err := json.Unmarshal([]byte(stdout), &value); err != nil {
		t.Fatalf("%v in %s", err, stdout)
	}
	return value
}

var (
	timeText = regexp.MustCompile(`\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}(\.\d+)?Z`)
	uuidText = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
)

// stable replaces what is different in every run.
func stable(text string) string {
	return uuidText.ReplaceAllString(timeText.ReplaceAllString(text, "<time>"), "<uuid>")
}
