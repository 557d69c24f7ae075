package store_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/store"
)

func TestFindJobTellsWhatWatchesOverIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.submit(newOrder(store.Register, "r"), "a.nl")
	id := get[uuid.UUID](b, `SELECT id FROM jobs`)
	if j := b.job(id); j.State != store.Queued || !j.WakeAt.IsZero() {
		t.Errorf("not delivered: %s, wakes at %v", j.State, j.WakeAt)
	}
	jobs := b.fresh(store.Register)
	b.wantWake(b.job(id).WakeAt, time.Hour) // its chunk's
	if err := b.store.Undeliver(t.Context(), jobs, 2*time.Hour); err != nil {
		t.Fatal(err)
	}
	b.wantWake(b.job(id).WakeAt, 2*time.Hour) // its own
	c := newClaim(store.Register)
	c.Lease = 3 * time.Hour
	h := b.claim(c, jobs)
	b.wantWake(b.job(id).WakeAt, 3*time.Hour) // its claim's
	b.settle(h, store.Unconfirm(id, "whose?"))
	if j := b.job(id); !j.WakeAt.IsZero() {
		t.Errorf("unconfirmed, and wakes at %v", j.WakeAt)
	}
	b.bring(h, "failed taken")
	if j := b.job(id); !j.WakeAt.IsZero() || j.FinishedAt.IsZero() {
		t.Errorf("failed at %v, and wakes at %v", j.FinishedAt, j.WakeAt)
	}
	if j, calls, err := b.store.FindJob(t.Context(), newID()); !errors.Is(err, store.ErrNotFound) || calls != nil || j.ID != uuid.Nil {
		t.Errorf("found %+v, %v", j, err)
	}
}

func TestFindJobListsItsCalls(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(store.Register, "a.nl", "b.nl", "c.nl")
	check := newCall(h.claim, store.OpCheck)
	check.Size = 3
	if err := b.store.StartCall(t.Context(), check); err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.Settle(t.Context(), h.claim, store.CallResult{ID: check.ID, Status: 200, Duration: time.Second},
		[]store.Transition{store.Retry(h.jobs[2].ID, -time.Second, "busy")}); err != nil {
		t.Fatal(err)
	}
	paid := b.intend(batch{h.claim, h.jobs[:2]})
	if _, err := b.store.SettlePaid(t.Context(), h.claim, store.CallResult{ID: paid, Status: 422, Error: "no"}, []store.PaidTransition{
		{Transition: store.Retry(h.jobs[0].ID, time.Hour, "no"), Attempt: store.AttemptRefused, StatusCode: 422, Message: "no such holder"},
		{Transition: store.Retry(h.jobs[1].ID, time.Hour, "no"), Attempt: store.AttemptRefused},
	}); err != nil {
		t.Fatal(err)
	}
	newer := b.again(store.Register, 1)
	second := newCall(newer.claim, store.OpCheck)
	if err := b.store.StartCall(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	type row struct {
		ID      uuid.UUID
		Op      store.Op
		Size    int
		Status  int
		Attempt store.AttemptState
		Message string
		Error   string
	}
	checked := row{ID: check.ID, Op: store.OpCheck, Size: 3, Status: 200}
	for i, want := range [][]row{
		{checked, {paid, store.OpRegister, 2, 422, store.AttemptRefused, "no such holder", "no"}},
		{checked, {paid, store.OpRegister, 2, 422, store.AttemptRefused, "", "no"}},
		{checked, {ID: second.ID, Op: store.OpCheck, Size: 1}},
	} {
		_, calls, err := b.store.FindJob(t.Context(), h.jobs[i].ID)
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
	h := b.running(store.Register, "failed.nl", "live.nl", "registered.nl")
	b.bring(batch{jobs: h.jobs[:1]}, "failed taken")
	b.bring(batch{jobs: h.jobs[2:]}, "succeeded registered")
	b.submit(newOrder(store.Whois, "asks only"), "whois.nl")
	got, err := b.store.Claimants(t.Context(), []string{"failed.nl", "registered.nl", "free.nl", "live.nl", "whois.nl", "live.nl"})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, func(x, y store.Claimant) int { return len(x.Domain) - len(y.Domain) })
	want := []store.Claimant{
		{Domain: "live.nl", Reference: "of failed.nl"},
		{Domain: "registered.nl", Reference: "of failed.nl", Registered: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("claimants (-want +got):\n%s", diff)
	}
	if none, err := b.store.Claimants(t.Context(), nil); err != nil || len(none) != 0 {
		t.Errorf("claimants of nothing: %v, %v", none, err)
	}
}

func TestStates(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, s := range store.States() {
		final := s == store.Succeeded || s == store.Failed || s == store.Canceled
		if s.Final() != final {
			t.Errorf("%s: final is %v", s, s.Final())
		}
	}
	// The database knows the same states.
	known := get[string](b, `SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'jobs_state'`)
	want := "CHECK ((state = ANY (ARRAY["
	for i, s := range store.States() {
		if i > 0 {
			want += ", "
		}
		want += fmt.Sprintf("'%s'::text", s)
	}
	if want += "])))"; known != want {
		t.Errorf("the database has %s, want %s", known, want)
	}
}
