package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bulkreg/bulkreg/store/fleet"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/record"
)

func (b *bench) figures() fleet.Figures {
	b.t.Helper()
	f, err := b.store.Fleet.Figures(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return f
}

// keepBooks sums all notes up.
func (b *bench) keepBooks() {
	b.t.Helper()
	if _, err := b.store.Events.Bookkeeper().Round(b.t.Context(), 5000); err != nil {
		b.t.Fatal(err)
	}
}

func totals(f fleet.Figures) []string {
	var texts []string
	for _, t := range f.Totals {
		if t.N != 0 {
			texts = append(texts, fmt.Sprintf("%s %s %s%s %d", t.Kind, t.Account, t.State, t.Outcome, t.N))
		}
	}
	slices.Sort(texts)
	return texts
}

func TestFiguresOfNothing(t *testing.T) {
	t.Parallel()
	f := setup(t).figures()
	f.OldestTransaction = 0 // of whoever made the database, perhaps
	if diff := cmp.Diff(fleet.Figures{}, f, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

// What all orders have come to is kept, and stays right when everything is counted anew.
func TestTotalsOfJobs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(newOrder(record.Whois, "w"), names("w", 7)...)
	h := b.running(record.Register, names("r", 5)...)
	ids := h.ids()
	b.settle(h, ledger.Retry(ids[0], time.Hour, "busy"), ledger.Hold(ids[2], "no money"), ledger.Fail(ids[3], record.Rejected, "no"))
	want := []string{"register default failedrejected 1", "register default held 1", "register default retrying 1", "register default running 2"}
	for _, again := range []string{"", "SELECT recount_orders()"} {
		if again != "" {
			b.exec(again)
		}
		b.keepBooks()
		if diff := cmp.Diff(want, totals(b.figures())); diff != "" {
			t.Errorf("%s: %s", again, diff)
		}
	}
	if f := b.figures(); len(f.Queued) != 1 || f.Queued[0].N != 7 || f.Queued[0].Kind != record.Whois {
		t.Errorf("queued: %+v", f.Queued)
	}
}

// Doubt is as old as the call that left it, and a webhook is late since it was due.
func TestDoubtAndWebhooks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(record.Register, names("r", 2)...)
	b.exec(`INSERT INTO calls (id, claim_id, op, size, deadline) SELECT '00000000-0000-0000-0000-0000000000c1', id, 'register', 2, now() FROM claims`)
	b.exec(`INSERT INTO attempts (call_id, job_id, domain, state, opened_at)
		SELECT '00000000-0000-0000-0000-0000000000c1', id, domain, 'unknown', now() - interval '3 hours' FROM jobs WHERE id = $1`, h.ids()[0])
	b.exec(`UPDATE jobs SET state = 'unconfirmed' WHERE id = $1`, h.ids()[0])
	b.exec(`INSERT INTO webhook_endpoints (id, source, url, created_by, seen) VALUES ('abcdefghij', 's', 'https://a.example/', 'ann', 0)`)
	b.exec(`INSERT INTO webhook_deliveries (endpoint_id, line, due_at) VALUES ('abcdefghij', '1', now() - interval '2 hours'), ('abcdefghij', '2', now())`)
	b.keepBooks()
	f := b.figures()
	if len(f.Doubtful) != 1 || f.Doubtful[0].Account != "default" || f.Doubtful[0].Age.Round(time.Minute) != 3*time.Hour {
		t.Errorf("got %+v", f.Doubtful)
	}
	if f.Webhooks.Waiting != 2 || f.Webhooks.Overdue.Round(time.Minute) != 2*time.Hour || f.Webhooks.Disabled != 0 {
		t.Errorf("got %+v", f.Webhooks)
	}
}

// What could go and does not is told by its age, but for what a hold or a pause keeps.
func TestOldestDueJob(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(newOrder(record.Whois, "w"), names("w", 2)...)
	b.exec(`UPDATE orders SET created_at = now() - interval '10 minutes'`)
	h := b.running(record.Register, names("r", 1)...)
	b.settle(h, ledger.Retry(h.ids()[0], time.Hour, "busy"))
	due := func() map[record.Kind]time.Duration {
		ages := map[record.Kind]time.Duration{}
		for _, l := range b.figures().Due {
			ages[l.Kind] = l.Age.Round(time.Minute)
		}
		return ages
	}
	if diff := cmp.Diff(map[record.Kind]time.Duration{record.Whois: 10 * time.Minute, record.Register: 0}, due()); diff != "" {
		t.Error(diff)
	}
	b.exec(`UPDATE jobs SET wake_at = now() - interval '5 minutes' WHERE state = 'retrying'`)
	b.exec(`INSERT INTO order_holds (order_id, placed_by, words) SELECT id, 'ann', 'wait' FROM orders WHERE kind = 'whois'`)
	if diff := cmp.Diff(map[record.Kind]time.Duration{record.Register: 5 * time.Minute}, due()); diff != "" {
		t.Error(diff)
	}
	b.exec(`INSERT INTO holds (account, reason, scope, words, probe_every, next_probe_at, since)
		VALUES ('default', 'payment', 'register', 'no', interval '1 minute', now(), now() - interval '1 hour')`)
	if diff := cmp.Diff(map[record.Kind]time.Duration{}, due()); diff != "" {
		t.Error(diff)
	}
	f := b.figures()
	if len(f.Holds) != 1 || f.Holds[0].Age.Round(time.Minute) != time.Hour || f.Paused != 1 {
		t.Errorf("holds %+v, %d paused", f.Holds, f.Paused)
	}
}

// The oldest transaction of others is told, as one that stands still.
func TestOldestTransaction(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if age := b.figures().OldestTransaction; age > time.Minute {
		t.Errorf("at rest: %v", age)
	}
	tx, err := b.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	if _, err := tx.Exec(t.Context(), `SELECT FROM jobs`); err != nil {
		t.Fatal(err)
	}
	b.eventually(func() bool { return b.figures().OldestTransaction > 20*time.Millisecond })
}

// One worker of all reads figures: the one that reports for longest, and the next one when it stops or dies.
func TestEldestWorker(t *testing.T) {
	t.Parallel()
	b := setup(t)
	eldest := func() string {
		t.Helper()
		found := ""
		for _, name := range []string{"a", "b", "c"} {
			is, err := b.store.Fleet.Eldest(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			if is {
				found += name
			}
		}
		return found
	}
	if got := eldest(); got != "" {
		t.Errorf("without workers it is %q", got)
	}
	for _, name := range []string{"b", "a", "c"} {
		if _, err := b.store.Fleet.ReportWorker(t.Context(), fleet.WorkerReport{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	if got := eldest(); got != "b" {
		t.Errorf("it is %q", got)
	}
	b.exec(`UPDATE workers SET stopping = true WHERE name = 'b'`)
	if got := eldest(); got != "a" {
		t.Errorf("when b stops it is %q", got)
	}
	b.exec(`UPDATE workers SET seen_at = now() - interval '1 hour' WHERE name = 'a'`)
	if got := eldest(); got != "c" {
		t.Errorf("when a is gone it is %q", got)
	}
}
