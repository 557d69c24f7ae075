package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/store/delivery"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/record"
)

// An order that waits for the next day says so, and until when.
func TestUsedUpDayIsTold(t *testing.T) {
	t.Parallel()
	d := setup(t)
	d.post("/v1/orders", `{"reference": "r", "kind": "register", "holder_id": "H-1", "jobs": ["a.nl", "b.nl"]}`).want(http.StatusAccepted)
	lot := delivery.Lot{Kind: record.Register, Lane: record.Plain, Account: "default"}
	taken, err := d.store.Delivery.TakeUndelivered(t.Context(), lot, 1, time.Hour)
	if err != nil || len(taken) != 1 {
		t.Fatal(taken, err)
	}
	claim := ledger.Claim{ID: uuid.New(), Kind: record.Register, Account: "default", Worker: "w", Lease: time.Hour}
	jobs, err := d.store.Ledger.Claim(t.Context(), claim, taken[0].Jobs)
	if err != nil || len(jobs) != 2 {
		t.Fatal(jobs, err)
	}
	call := ledger.NewCall{ID: uuid.New(), ClaimID: claim.ID, Op: record.OpRegister, Size: 2, Timeout: time.Minute, Lease: time.Hour}
	_, over, err := d.store.Ledger.Intend(t.Context(), ledger.Intent{Call: call, Jobs: []uuid.UUID{jobs[0].ID, jobs[1].ID}, DailyLimit: 1})
	if err != nil || len(over) != 1 {
		t.Fatal(over, err)
	}
	if laid, err := d.store.Holds.HoldForDay(t.Context(), "default", 1, "used up"); err != nil || !laid {
		t.Fatal(laid, err)
	}
	a := d.get("/v1/holds").want(http.StatusOK)
	if !strings.Contains(a.body, `"reason":"daily_limit"`) || !strings.Contains(a.body, `"next_probe_at":null`) || !strings.Contains(a.body, `T00:00:00Z"`) {
		t.Errorf("holds: %s", a.body)
	}
	if o := d.get("/v1/orders/r"); !strings.Contains(o.body, `(daily_limit) until `) || !strings.Contains(o.body, `"until":"`) {
		t.Errorf("it waits for %s", o.body)
	}
}
