package api_test

import (
	"net/http"
	"strings"
	"testing"
)

// Tokens are ordered over HTTP like everything else. Nothing shows whom they are for but the door to order them again.
func TestTokensOverHTTP(t *testing.T) {
	t.Parallel()
	d := setup(t)
	const body = `{"reference": "people", "kind": "token", "jobs": [
		{"email": "jan.secret@example.nl", "originator": "shop", "languageCode": "nl", "firstname": "Jan", "lastname": "Secret", "privacyConsent": true}]}`
	o := parsed[anOrder](d.post("/v1/orders", body).want(http.StatusAccepted))
	if o.Kind != "token" || o.Total != 1 {
		t.Errorf("accepted %+v", o)
	}
	p := d.post("/v1/orders", strings.NewReplacer("people", "more", `, "privacyConsent": true`, "", "jan.secret", "piet.secret").Replace(body)).
		want(http.StatusUnprocessableEntity)
	if p.problem("invalid-order"); strings.Contains(p.body, "piet") {
		t.Errorf("it repeats a person: %s", p.body)
	}
	if _, err := d.store.Pool.Exec(t.Context(), `
		UPDATE jobs SET wake_at = NULL, claim_id = gen_random_uuid(), state = 'failed', outcome = 'exhausted', finished_at = now(), last_error = 'busy'`); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/v1/orders/people", "/v1/orders/people/jobs", "/v1/orders/people/export", "/v1/events"} {
		if a := d.get(path).want(http.StatusOK); strings.Contains(a.body, "ecret") {
			t.Errorf("%s shows the person: %s", path, a.body)
		}
	}
	d.as("reader").get("/v1/orders/people/failed").want(http.StatusForbidden)
	failed := d.get("/v1/orders/people/failed").want(http.StatusOK)
	if !strings.Contains(failed.body, `"jan.secret@example.nl","shop","nl","Jan","Secret","true","exhausted: busy"`) {
		t.Errorf("failed: %s", failed.body)
	}
	d.post("/v1/orders?kind=token&reference=again", failed.body, "Content-Type", "text/csv").want(http.StatusAccepted)
	if strings.Contains(d.logs.String(), "ecret") {
		t.Error("the log has a person")
	}
}
