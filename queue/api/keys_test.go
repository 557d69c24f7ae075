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

// The log says why a key was refused, and which. Whoever presents it is told the same of all of them.
func TestRefusedKeysAreToldApartInTheLogAlone(t *testing.T) {
	t.Parallel()
	d := setup(t)
	if _, err := d.store.Keys.Revoke(t.Context(), []string{d.keys["submit"].ID()}, "ann"); err != nil {
		t.Fatal(err)
	}
	stolen := summed(d.keys["operator"].ID(), strings.Repeat("a", 52)) // the id is no secret
	answers := map[string]bool{}
	for why, presented := range map[string]string{
		`"refused":"unknown","refused_key":"aaaaaaaaaa"`:                             unknownKey(),
		`"refused":"expired","refused_key":"` + d.keys["expired"].ID() + `"`:         d.keys["expired"].Reveal(),
		`"refused":"revoked","refused_key":"` + d.keys["submit"].ID() + `"`:          d.keys["submit"].Reveal(),
		`"refused":"another secret","refused_key":"` + d.keys["operator"].ID() + `"`: stolen,
		`"refused":"not of the form of a key, or mistyped","route"`:                  "secret",
	} {
		a := d.as("").do(http.MethodGet, "/v1/orders", "", "Authorization", "Bearer "+presented).want(http.StatusUnauthorized)
		answers[a.problem("unauthorized").Detail] = true
		d.eventually(func() bool { return strings.Contains(d.logs.String(), why) }) // a line comes after its answer
		if presented != "secret" && strings.Contains(d.logs.String(), presented) {
			t.Errorf("the log has a key: %s", d.logs.String())
		}
	}
	if len(answers) != 1 {
		t.Errorf("callers are told %v", answers)
	}
}
