package api_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/queue/api"
	"github.com/bulkreg/bulkreg/store/seal"
)

type madeWebhook struct {
	ID        string `json:"webhook_id"`
	Secret    string `json:"secret"`
	PublicKey string `json:"public_key"`
}

type aWebhook struct {
	ID         string    `json:"webhook_id"`
	Source     string    `json:"source"`
	URL        string    `json:"url"`
	Types      []string  `json:"types"`
	CreatedBy  string    `json:"created_by"`
	PublicKeys []string  `json:"public_keys"`
	DisabledAt *string   `json:"disabled_at"`
	Waiting    int       `json:"waiting"`
	CreatedAt  time.Time `json:"created_at"`
}

type aDelivery struct {
	ID       string `json:"delivery_id"`
	EventID  string `json:"event_id"`
	Type     string `json:"type"`
	State    string `json:"state"`
	Attempts int    `json:"attempts"`
	Tries    []struct {
		Status int    `json:"status"`
		Answer string `json:"answer"`
	} `json:"tries"`
}

func (d *door) addWebhook(body string) madeWebhook {
	d.t.Helper()
	return parsed[madeWebhook](d.post("/v1/webhooks", body).want(http.StatusCreated))
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	d := setup(t)
	if a := d.get("/v1/webhooks").want(http.StatusOK); !strings.Contains(a.body, `"webhooks":[]`) {
		t.Error(a.body)
	}
	made := d.addWebhook(`{"url": "https://Bücher.example/hooks?a=b", "types": ["order.completed", "job.finished", "order.completed"]}`)
	if !strings.HasPrefix(made.Secret, "whsec_") || !strings.HasPrefix(made.PublicKey, "whpk_") {
		t.Errorf("made %+v", made)
	}
	// The same URL twice would tell everything twice.
	again := d.post("/v1/webhooks", `{"url": "https://xn--bcher-kva.example/hooks?a=b"}`).want(http.StatusConflict)
	if p := again.problem("webhook-exists"); !strings.Contains(p.Detail, made.ID) {
		t.Error(p.Detail)
	}
	w := parsed[aWebhook](d.as("reader").get("/v1/webhooks/" + made.ID).want(http.StatusOK))
	if w.ID != made.ID || w.Source != "shop" || w.URL != "https://xn--bcher-kva.example/hooks?a=b" || fmt.Sprint(w.Types) != "[order.completed job.finished]" ||
		!strings.HasPrefix(w.CreatedBy, "key ") || len(w.PublicKeys) != 1 || w.PublicKeys[0] != made.PublicKey || w.DisabledAt != nil {
		t.Errorf("shown %+v", w)
	}
	list := d.get("/v1/webhooks").want(http.StatusOK)
	if strings.Contains(list.body, "whsec_") || !strings.Contains(list.body, made.ID) {
		t.Errorf("listed %s", list.body)
	}

	rotated := parsed[madeWebhook](d.post("/v1/webhooks/"+made.ID+"/rotate", `{}`).want(http.StatusOK))
	if rotated.Secret == made.Secret || rotated.PublicKey == made.PublicKey {
		t.Errorf("rotated %+v", rotated)
	}
	if w := parsed[aWebhook](d.get("/v1/webhooks/" + made.ID)); fmt.Sprint(w.PublicKeys) != fmt.Sprint([]string{rotated.PublicKey, made.PublicKey}) {
		t.Errorf("both sign for a day: %v", w.PublicKeys)
	}
	at := parsed[madeWebhook](d.post("/v1/webhooks/"+made.ID+"/rotate", `{"overlap_hours": 0}`).want(http.StatusOK))
	if w := parsed[aWebhook](d.get("/v1/webhooks/" + made.ID)); fmt.Sprint(w.PublicKeys) != fmt.Sprint([]string{at.PublicKey}) {
		t.Errorf("the new one alone signs: %v", w.PublicKeys)
	}

	d.do(http.MethodDelete, "/v1/webhooks/"+made.ID, "").want(http.StatusNoContent)
	d.get("/v1/webhooks/" + made.ID).want(http.StatusNotFound).problem("not-found")
	d.do(http.MethodDelete, "/v1/webhooks/"+made.ID, "").want(http.StatusNotFound)
	if log := d.logs.String(); strings.Contains(log, "whsec_") || strings.Contains(log, "hooks?a=b") {
		t.Errorf("the log tells of it: %s", log)
	}
}

func TestWebhooksThatCannotBe(t *testing.T) {
	t.Parallel()
	d := setup(t)
	for body, want := range map[string]string{
		`{"url": "http://shop.example/hooks"}`:                 "body.url",
		`{"url": "ftp://shop.example/hooks"}`:                  "body.url",
		`{"url": "https://me:secret@shop.example/hooks"}`:      "body.url",
		`{"url": "https://"}`:                                  "body.url",
		`{"url": ""}`:                                          "body.url",
		`{"url": "https://` + strings.Repeat("a", 3000) + `"}`: "body.url",
		`{}`: "body",
		`{"url": "https://shop.example/", "types": ["order.lost"]}`:   "body.types[0]",
		`{"url": "https://shop.example/", "types": ["webhook.test"]}`: "body.types[0]",
		`{"url": "https://shop.example/", "secret": "mine"}`:          "body.secret",
	} {
		p := d.post("/v1/webhooks", body).want(http.StatusUnprocessableEntity).problem("invalid-request")
		if len(p.Errors) == 0 || p.Errors[0].Location != want {
			t.Errorf("%s: %+v", body, p.Errors)
		}
		for _, f := range p.Errors {
			if strings.Contains(f.Message, "secret@") {
				t.Errorf("%s repeats the password: %s", body, f.Message)
			}
		}
	}
	made := d.addWebhook(`{"url": "https://shop.example/1"}`)
	for body, want := range map[string]string{`{"overlap_hours": -1}`: "body.overlap_hours", `{"overlap_hours": 721}`: "body.overlap_hours"} {
		if p := d.post("/v1/webhooks/"+made.ID+"/rotate", body).want(422).problem("invalid-request"); p.Errors[0].Location != want {
			t.Errorf("%s: %+v", body, p.Errors)
		}
	}
	for _, since := range []time.Time{time.Now().Add(time.Hour), time.Now().Add(-31 * 24 * time.Hour)} {
		body := fmt.Sprintf(`{"since": %q}`, since.Format(time.RFC3339))
		if p := d.post("/v1/webhooks/"+made.ID+"/recover", body).want(422).problem("invalid-request"); p.Errors[0].Location != "body.since" {
			t.Errorf("%s: %+v", body, p.Errors)
		}
	}
	for i := range 19 {
		d.addWebhook(fmt.Sprintf(`{"url": "https://shop.example/more/%d"}`, i))
	}
	d.post("/v1/webhooks", `{"url": "https://shop.example/21"}`).want(422).problem("limit-reached")
	d.as("other").addWebhook(`{"url": "https://shop.example/21"}`) // another source has room
}

// A server that could not keep a secret makes none.
func TestWebhooksNeedAKeyForTheirSecrets(t *testing.T) {
	t.Parallel()
	d := setup(t, func(o *api.Options) { o.Seal = seal.Keys{} })
	if p := d.post("/v1/webhooks", `{"url": "https://shop.example/"}`).want(422).problem("invalid-request"); !strings.Contains(p.Detail, "no key") {
		t.Error(p.Detail)
	}
	plain := setup(t, func(o *api.Options) { o.OwnNetworks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")} })
	plain.addWebhook(`{"url": "http://10.0.0.7/hooks"}`)
}

func TestDeliveries(t *testing.T) {
	t.Parallel()
	d := setup(t)
	made := d.addWebhook(`{"url": "https://shop.example/hooks"}`)
	path := "/v1/webhooks/" + made.ID
	d.post("/v1/orders", anOrderOfChecks).want(http.StatusAccepted)
	d.eventually(func() bool {
		if _, err := d.store.Webhooks.Spread(t.Context()); err != nil {
			t.Fatal(err)
		}
		return strings.Contains(d.get(path+"/deliveries").body, "order.accepted")
	})
	tested := parsed[struct {
		ID string `json:"delivery_id"`
	}](d.post(path+"/test", "").want(http.StatusAccepted))
	if one := parsed[aDelivery](d.get(path + "/deliveries/" + tested.ID).want(http.StatusOK)); one.State != "waiting" || one.EventID != "" || len(one.Tries) != 0 {
		t.Errorf("the test is %+v", one)
	}

	type page struct {
		Deliveries []aDelivery `json:"deliveries"`
		Next       string      `json:"next_cursor"`
	}
	first := parsed[page](d.get(path + "/deliveries?limit=1").want(http.StatusOK))
	if len(first.Deliveries) != 1 || first.Next == "" || first.Deliveries[0].ID != tested.ID {
		t.Fatalf("the newest: %+v", first)
	}
	rest := parsed[page](d.get(path + "/deliveries?cursor=" + first.Next).want(http.StatusOK))
	if len(rest.Deliveries) != 1 || rest.Next != "" || rest.Deliveries[0].Type != "order.accepted" || rest.Deliveries[0].EventID == "" {
		t.Fatalf("the rest: %+v", rest)
	}
	delivery := rest.Deliveries[0]
	if _, err := d.store.Pool.Exec(t.Context(), `
		WITH d AS (UPDATE webhook_deliveries SET state = 'failed', due_at = NULL, finished_at = now(), attempts = 3 WHERE id = $1::bigint RETURNING id)
		INSERT INTO webhook_attempts (delivery_id, n, duration_ms, status, error, answer) SELECT id, 3, 7, 500, 'it answered 500', '<b>no</b>' FROM d`, delivery.ID); err != nil {
		t.Fatal(err)
	}
	if p := parsed[page](d.get(path + "/deliveries?state=failed")); len(p.Deliveries) != 1 || p.Deliveries[0].ID != delivery.ID {
		t.Errorf("failed: %+v", p)
	}
	if one := parsed[aDelivery](d.get(path + "/deliveries/" + delivery.ID)); len(one.Tries) != 1 || one.Tries[0].Status != 500 || one.Tries[0].Answer != "<b>no</b>" {
		t.Errorf("one: %+v", one)
	}

	since := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	if a := d.post(path+"/recover", fmt.Sprintf(`{"since": %q, "dry_run": true}`, since)).want(http.StatusOK); !strings.Contains(a.body, `"dry_run":true,"again":1,"missed":0,"enabled":false`) {
		t.Errorf("a dry run: %s", a.body)
	}
	if one := parsed[aDelivery](d.get(path + "/deliveries/" + delivery.ID)); one.State != "failed" {
		t.Errorf("a dry run changed it: %+v", one)
	}
	d.post(path+"/recover", fmt.Sprintf(`{"since": %q}`, since)).want(http.StatusOK)
	if one := parsed[aDelivery](d.get(path + "/deliveries/" + delivery.ID)); one.State != "waiting" || one.Attempts != 0 {
		t.Errorf("recovered: %+v", one)
	}
	if _, err := d.store.Pool.Exec(t.Context(), `UPDATE webhook_deliveries SET state = 'delivered', due_at = NULL, finished_at = now(), attempts = 1 WHERE id = $1::bigint`, delivery.ID); err != nil {
		t.Fatal(err)
	}
	d.post(path+"/deliveries/"+delivery.ID+"/replay", "").want(http.StatusAccepted)
	if one := parsed[aDelivery](d.get(path + "/deliveries/" + delivery.ID)); one.State != "waiting" {
		t.Errorf("replayed: %+v", one)
	}
	for _, none := range []string{"0", "-1", "x", "99999999999999999999", "999999"} {
		d.get(path + "/deliveries/" + none).want(http.StatusNotFound)
		d.post(path+"/deliveries/"+none+"/replay", "").want(http.StatusNotFound)
	}
}

// What belongs to another source is not there, and looking at webhooks is all that the smaller roles may do.
func TestWebhooksOfOthers(t *testing.T) {
	t.Parallel()
	d := setup(t)
	made := d.addWebhook(`{"url": "https://shop.example/hooks"}`)
	path := "/v1/webhooks/" + made.ID
	tested := parsed[aDelivery](d.post(path+"/test", "").want(http.StatusAccepted))
	acts := []struct{ method, path, body string }{
		{http.MethodDelete, path, ""}, {http.MethodPost, path + "/rotate", `{}`}, {http.MethodPost, path + "/recover", `{"since": "2026-01-01T00:00:00Z"}`},
		{http.MethodPost, path + "/test", ""}, {http.MethodPost, path + "/deliveries/" + tested.ID + "/replay", ""},
	}
	for _, c := range acts {
		d.as("other").do(c.method, c.path, c.body).want(http.StatusNotFound).problem("not-found")
		for _, key := range []string{"reader", "submit"} {
			d.as(key).do(c.method, c.path, c.body).want(http.StatusForbidden).problem("forbidden")
		}
	}
	d.as("submit").post("/v1/webhooks", `{"url": "https://shop.example/2"}`).want(http.StatusForbidden)
	for _, p := range []string{path, path + "/deliveries", path + "/deliveries/" + tested.ID} {
		d.as("other").get(p).want(http.StatusNotFound)
		d.as("reader").get(p).want(http.StatusOK)
	}
	theirs := d.as("other").addWebhook(`{"url": "https://shop.example/hooks"}`)
	d.as("other").get("/v1/webhooks/" + theirs.ID + "/deliveries/" + tested.ID).want(http.StatusNotFound)
	d.get(path).want(http.StatusOK)
}
