package api_test

import (
	"net/http"
	"strings"
	"testing"
)

// An order that no day is long enough for is refused for good: whoever waited for the next day would wait for ever.
func TestOrdersBeyondAWholeDay(t *testing.T) {
	t.Parallel()
	d := setup(t).as("daily")
	a := d.post("/v1/orders", `{"reference": "r", "kind": "register", "holder_id": "H", "jobs": ["a.nl", "b.nl", "c.nl", "d.nl"]}`).want(http.StatusUnprocessableEntity)
	if p := a.problem("limit-reached"); !strings.Contains(p.Detail, "3 registrations a day, and the order has 4") || a.Header.Get("Retry-After") != "" {
		t.Errorf("%s, Retry-After %q", p.Detail, a.Header.Get("Retry-After"))
	}
}

// What was reserved for an order that Postgres refused is given back. Where nobody knows whether the order is there, it stays.
func TestReservationsOfOrdersThatFail(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		failure string
		status  int
		booked  int
	}{
		"refused":            {`RAISE EXCEPTION 'no' USING ERRCODE = '55P03'`, http.StatusServiceUnavailable, 0},
		"without an answer":  {`PERFORM pg_terminate_backend(pg_backend_pid())`, http.StatusServiceUnavailable, 3},
		"not what was meant": {`RAISE EXCEPTION 'no' USING ERRCODE = '23514'`, http.StatusInternalServerError, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := setup(t).as("daily")
			_, err := d.store.Pool.Exec(t.Context(), `CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN `+c.failure+`; RETURN NEW; END $$;
				CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail()`) // as it commits
			if err != nil {
				t.Fatal(err)
			}
			d.post("/v1/orders", anOrderOfChecks).want(c.status)
			var booked int
			if err := d.store.Pool.QueryRow(t.Context(), `SELECT jobs FROM api_key_days`).Scan(&booked); err != nil || booked != c.booked {
				t.Errorf("%d are booked, want %d, %v", booked, c.booked, err)
			}
		})
	}
}
