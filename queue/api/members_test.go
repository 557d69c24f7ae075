package api_test

import (
	"net/http"
	"strings"
	"testing"
)

// Of two members of one name, in whatever case, neither is taken: a plan must not become the act.
func TestMembersOfActs(t *testing.T) {
	t.Parallel()
	d := setup(t)
	d.post("/v1/orders", anOrderOfChecks).want(http.StatusAccepted)
	for _, body := range []string{
		`{"dry_run": true, "dry_run": false}`, `{"dry_run": true, "Dry_Run": false}`, `{"dry_run": true, "reaſon": "x", "reason": "y"}`,
	} {
		a := d.post("/v1/orders/one/cancel", body).want(http.StatusBadRequest)
		if a.problem("bad-request"); !strings.Contains(a.body, "is given twice") {
			t.Errorf("%s: %s", body, a.body)
		}
	}
	d.post("/v1/orders/one/confirm", `{"registered": false, "reason": "x", "registered": true}`).want(http.StatusBadRequest).problem("bad-request")
	if o := parsed[anOrder](d.get("/v1/orders/one")); o.Counts["canceled"] != 0 || o.Done {
		t.Errorf("the order is %+v", o)
	}
	d.post("/v1/orders/one/confirm", `{"registered": null, "reason": "x"}`).want(http.StatusUnprocessableEntity).problem("invalid-request")
	d.post("/v1/orders/one/cancel", `{"dry_run": true, "reason": "one and the same", "state": "queued"}`).want(http.StatusOK)
}

// What no database keeps is the caller's mistake.
func TestSignsThatNoTextHas(t *testing.T) {
	t.Parallel()
	d := setup(t)
	for path, status := range map[string]int{
		"/v1/orders?label=a:%00": http.StatusUnprocessableEntity, "/v1/orders?label=%00:a": http.StatusUnprocessableEntity, "/v1/orders?label=a:%ff": http.StatusUnprocessableEntity,
		"/v1/orders?cursor=%00": http.StatusUnprocessableEntity, "/v1/orders/a%00": http.StatusUnprocessableEntity, "/v1/domains/a%00.nl": http.StatusUnprocessableEntity,
		"/v1/webhooks/a%00": http.StatusNotFound, "/v1/webhooks/a%ff": http.StatusNotFound, "/v1/webhooks/a%00/deliveries": http.StatusNotFound,
	} {
		d.get(path).want(status)
	}
	d.do(http.MethodDelete, "/v1/webhooks/a%00", "").want(http.StatusNotFound)
	if strings.Contains(d.logs.String(), `"level":"error"`) {
		t.Errorf("the log: %s", d.logs.String())
	}
}
