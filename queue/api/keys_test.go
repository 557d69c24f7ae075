package api_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/queue/api"
	"github.com/bulkreg/bulkreg/store/keys"
	"github.com/bulkreg/bulkreg/store/orders"
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

// booked is what counts against the day of the key that is named daily.
func (d *door) booked() (jobs, registrations int) {
	d.t.Helper()
	err := d.store.Pool.QueryRow(d.t.Context(), `SELECT coalesce(sum(jobs), 0), coalesce(sum(registrations), 0) FROM api_key_days WHERE key_id = $1`,
		d.keys["daily"].ID()).Scan(&jobs, &registrations)
	if err != nil {
		d.t.Fatal(err)
	}
	return jobs, registrations
}

// An order that was not stored costs nothing of a day, also where nobody could know whether it was. Sent again, it costs once.
func TestOrdersThatFailCostNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		failure string
		status  int
	}{
		"refused":            {`RAISE EXCEPTION 'no' USING ERRCODE = '55P03'`, http.StatusServiceUnavailable},
		"without an answer":  {`PERFORM pg_terminate_backend(pg_backend_pid())`, http.StatusServiceUnavailable},
		"not what was meant": {`RAISE EXCEPTION 'no' USING ERRCODE = '23514'`, http.StatusInternalServerError},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := setup(t).as("daily")
			exec := func(sql string) {
				t.Helper()
				if _, err := d.store.Pool.Exec(t.Context(), sql); err != nil {
					t.Fatal(err)
				}
			}
			exec(`CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ` + c.failure + `; RETURN NEW; END $$;
				CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail()`) // as it commits
			for range 2 {
				d.post("/v1/orders", anOrderOfChecks).want(c.status)
				if jobs, _ := d.booked(); jobs != 0 {
					t.Errorf("%d are booked", jobs)
				}
			}
			exec(`DROP TRIGGER fail ON orders`)
			for _, status := range []int{http.StatusAccepted, http.StatusOK} {
				d.post("/v1/orders", anOrderOfChecks).want(status)
				if jobs, _ := d.booked(); jobs != 3 {
					t.Errorf("%d are booked, want 3", jobs)
				}
			}
		})
	}
}

// lateKeys book the charges of a ring, and let nobody hear of a limit before.
type lateKeys struct{ api.Keys }

// Charge implements api.Keys.
func (l lateKeys) Charge(ctx context.Context, c api.Caller, jobs int, register bool) (orders.Charge, error) {
	charge, err := l.Keys.Charge(ctx, c, jobs, register)
	if limit := (*keys.LimitError)(nil); errors.As(err, &limit) {
		return charge, nil
	}
	return charge, err
}

// Where another order takes what is left while this one is on its way, it is refused all the same, and not stored.
func TestLimitsThatAreReachedMeanwhile(t *testing.T) {
	t.Parallel()
	d := setup(t, func(o *api.Options) { o.Keys = lateKeys{o.Keys} }).as("daily")
	d.post("/v1/orders", anOrderOfChecks).want(http.StatusAccepted)
	more := strings.Replace(anOrderOfChecks, "one", "two", 1)
	d.post("/v1/orders", more).want(http.StatusTooManyRequests).problem("daily-limit-reached")
	d.get("/v1/orders/two").want(http.StatusNotFound)
	if jobs, registrations := d.booked(); jobs != 3 || registrations != 0 {
		t.Errorf("%d jobs and %d registrations are booked", jobs, registrations)
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
