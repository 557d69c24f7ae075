package store_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

func TestFindJobTellsWhatWatchesOverIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(newOrder(record.Register, "r"), "a.nl")
	id := get[uuid.UUID](b, `SELECT id FROM jobs`)
	if j := b.job(id); j.State != record.Queued || !j.WakeAt.IsZero() {
		t.Errorf("not delivered: %s, wakes at %v", j.State, j.WakeAt)
	}
	jobs := b.fresh(record.Register)
	b.wantWake(b.job(id).WakeAt, time.Hour) // its chunk's
	if err := b.store.Delivery.Undeliver(t.Context(), jobs, 2*time.Hour); err != nil {
		t.Fatal(err)
	}
	b.wantWake(b.job(id).WakeAt, 2*time.Hour) // its own
	c := newClaim(record.Register)
	c.Lease = 3 * time.Hour
	h := b.claim(c, jobs)
	b.wantWake(b.job(id).WakeAt, 3*time.Hour) // its claim's
	b.settle(h, ledger.Unconfirm(id, "whose?"))
	if j := b.job(id); !j.WakeAt.IsZero() {
		t.Errorf("unconfirmed, and wakes at %v", j.WakeAt)
	}
	b.bring(h, "failed taken")
	if j := b.job(id); !j.WakeAt.IsZero() || j.FinishedAt.IsZero() {
		t.Errorf("failed at %v, and wakes at %v", j.FinishedAt, j.WakeAt)
	}
	if j, calls, err := b.store.Orders.FindJob(t.Context(), newID()); !errors.Is(err, pg.ErrNotFound) || calls != nil || j.ID != uuid.Nil {
		t.Errorf("found %+v, %v", j, err)
	}
}

func TestFindJobListsItsCalls(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(record.Register, "a.nl", "b.nl", "c.nl")
	check := newCall(h.claim, record.OpCheck)
	check.Size = 3
	if err := b.store.Ledger.StartCall(t.Context(), check); err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.Ledger.Settle(t.Context(), h.claim, ledger.CallResult{ID: check.ID, Status: 200, Duration: time.Second},
		[]ledger.Transition{ledger.Retry(h.jobs[2].ID, -time.Second, "busy")}); err != nil {
		t.Fatal(err)
	}
	paid := b.intend(batch{h.claim, h.jobs[:2]})
	if _, err := b.store.Ledger.SettlePaid(t.Context(), h.claim, ledger.CallResult{ID: paid, Status: 422, Error: "no"}, []ledger.PaidTransition{
		{Transition: ledger.Retry(h.jobs[0].ID, time.Hour, "no"), Attempt: record.AttemptRefused, StatusCode: 422, Message: "no such holder"},
		{Transition: ledger.Retry(h.jobs[1].ID, time.Hour, "no"), Attempt: record.AttemptRefused},
	}); err != nil {
		t.Fatal(err)
	}
	newer := b.again(record.Register, 1)
	second := newCall(newer.claim, record.OpCheck)
	if err := b.store.Ledger.StartCall(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	type row struct {
		ID      uuid.UUID
		Op      record.Op
		Size    int
		Status  int
		Attempt record.AttemptState
		Message string
		Error   string
	}
	checked := row{ID: check.ID, Op: record.OpCheck, Size: 3, Status: 200}
	for i, want := range [][]row{
		{checked, {paid, record.OpRegister, 2, 422, record.AttemptRefused, "no such holder", "no"}},
		{checked, {paid, record.OpRegister, 2, 422, record.AttemptRefused, "", "no"}},
		{checked, {ID: second.ID, Op: record.OpCheck, Size: 1}},
	} {
		_, calls, err := b.store.Orders.FindJob(t.Context(), h.jobs[i].ID)
		if err != nil {
			t.Fatal(err)
		}
		var got []row
		for _, c := range calls {
			got = append(got, row{c.ID, c.Op, c.Size, c.Status, c.Attempt, c.Message, c.Error})
			if c.Worker != "host/1" || c.StartedAt.IsZero() || c.FinishedAt.IsZero() == (c.Status != 0) {
				t.Errorf("call is %+v", c)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("calls of %s (-want +got):\n%s", h.jobs[i].Domain, diff)
		}
	}
}

func TestClaimants(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(record.Register, "failed.nl", "live.nl", "registered.nl")
	b.bring(batch{jobs: h.jobs[:1]}, "failed taken")
	b.bring(batch{jobs: h.jobs[2:]}, "succeeded registered")
	b.submit(newOrder(record.Whois, "asks only"), "whois.nl")
	got, err := b.store.Orders.Claimants(t.Context(), []string{"failed.nl", "registered.nl", "free.nl", "live.nl", "whois.nl", "live.nl"})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, func(x, y orders.Claimant) int { return len(x.Domain) - len(y.Domain) })
	want := []orders.Claimant{
		{Domain: "live.nl", Reference: "of failed.nl"},
		{Domain: "registered.nl", Reference: "of failed.nl", Registered: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("claimants (-want +got):\n%s", diff)
	}
	if none, err := b.store.Orders.Claimants(t.Context(), nil); err != nil || len(none) != 0 {
		t.Errorf("claimants of nothing: %v, %v", none, err)
	}
}

func TestStates(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, s := range record.States() {
		final := s == record.Succeeded || s == record.Failed || s == record.Canceled
		if s.Final() != final {
			t.Errorf("%s: final is %v", s, s.Final())
		}
	}
	// The database knows the same states.
	known := get[string](b, `SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'jobs_state'`)
	want := "CHECK ((state = ANY (ARRAY["
	for i, s := range record.States() {
		if i > 0 {
			want += ", "
		}
		want += fmt.Sprintf("'%s'::text", s)
	}
	if want += "])))"; known != want {
		t.Errorf("the database has %s, want %s", known, want)
	}
}
