package sandbox_test

import (
	"testing"

	"github.com/bulkreg/bulkreg/worker/sandbox"
)

func TestHolderLife(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	made := b.must("PUT", "/domainholder", map[string]any{"email": "jan@shop.nl", "phone": "+31201234567", "country": "NL", "lastname": "Jansen"})
	if made.status != 201 {
		t.Fatalf("%d %s", made.status, made.body)
	}
	id := made.json(t)["id"].(string)
	for _, q := range []map[string]string{{"id": id}, {"email": "JAN@shop.nl"}} {
		if r := b.must("POST", "/domainholder", q); r.status != 200 || r.json(t)["id"] != id {
			t.Errorf("find by %v: %d %s", q, r.status, r.body)
		}
	}
	r := b.must("PATCH", "/domainholder/"+id, map[string]any{"city": "Utrecht", "id": "other"})
	if got := r.json(t); r.status != 200 || got["city"] != "Utrecht" || got["lastname"] != "Jansen" || got["id"] != id {
		t.Errorf("patch: %d %s", r.status, r.body)
	}
	b.wantError(b.must("PATCH", "/domainholder/"+id, map[string]any{"country": "Holland"}), 422)
	item := map[string]any{"domain": "a.nl", "domainholder_id": id}
	if r := b.must("POST", "/domain", item); r.status != 200 {
		t.Errorf("register for the holder: %d %s", r.status, r.body)
	}
	if r := b.must("DELETE", "/domainholder/"+id, nil); r.status != 200 {
		t.Errorf("delete: %d %s", r.status, r.body)
	}
	b.wantError(b.must("DELETE", "/domainholder/"+id, nil), 404)
	b.wantError(b.must("PATCH", "/domainholder/"+id, map[string]any{}), 404)
	b.wantError(b.must("POST", "/domainholder", map[string]string{"id": id}), 404)
	b.wantError(b.must("POST", "/domainholder", map[string]string{"email": "jan@shop.nl"}), 404)
}

func TestHolderCreatedTwiceIsSeen(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	for range 2 {
		b.must("PUT", "/domainholder", map[string]any{"email": "jan@shop.nl"})
	}
	made := b.Ledger().Holders
	if len(made) != 2 || made[0].ID == made[1].ID || made[0].Email != made[1].Email {
		t.Errorf("%+v", made)
	}
	if r := b.must("POST", "/domainholder", map[string]string{"email": "jan@shop.nl"}); r.json(t)["id"] != made[0].ID {
		t.Errorf("found %s, want the older one", r.body)
	}
}

func TestHolderValidation(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	cases := []struct {
		name   string
		body   map[string]any
		status int
	}{
		{"least", map[string]any{"email": "a@b.nl"}, 201},
		{"no e-mail", map[string]any{"country": "NL"}, 422},
		{"e-mail", map[string]any{"email": "a@b"}, 422},
		{"named e-mail", map[string]any{"email": "A <a@b.nl>"}, 422},
		{"country in words", map[string]any{"email": "a@b.nl", "country": "Nederland"}, 422},
		{"country in lower case", map[string]any{"email": "a@b.nl", "country": "nl"}, 422},
		{"no such country", map[string]any{"email": "a@b.nl", "country": "XQ"}, 422},
		{"three letters", map[string]any{"email": "a@b.nl", "country": "NLD"}, 422},
		{"national phone", map[string]any{"email": "a@b.nl", "phone": "020 1234567"}, 422},
		{"unknown field", map[string]any{"email": "a@b.nl", "zip": "1"}, 400},
		{"wrong type", map[string]any{"email": 1}, 400},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := b.must("PUT", "/domainholder", c.body)
			if r.status != c.status {
				t.Errorf("status %d, want %d: %s", r.status, c.status, r.body)
			}
			if c.status >= 400 {
				b.wantError(r, c.status)
			}
		})
	}
	b.wantError(b.must("POST", "/domainholder", map[string]string{}), 400)
	b.wantError(b.must("POST", "/domainholder", map[string]string{"id": "a", "email": "a@b.nl"}), 400)
}

func TestHolderBelongsToItsAccount(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{Accounts: map[string]sandbox.Account{
		"a": {Secret: "a", Balance: sandbox.Unlimited, DirectDebit: true},
		"b": {Secret: "b", Balance: sandbox.Unlimited, DirectDebit: true},
	}})
	b.jwt = b.authenticate("a", "a")
	id := b.must("PUT", "/domainholder", map[string]any{"email": "a@b.nl"}).json(t)["id"].(string)
	b.jwt = b.authenticate("b", "b")
	b.wantError(b.must("DELETE", "/domainholder/"+id, nil), 404)
	b.wantError(b.must("POST", "/domain", map[string]any{"domain": "a.nl", "domainholder_id": id}), 404)
}

func TestAnyHolder(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{AnyHolder: true})
	if r := b.must("POST", "/domain", map[string]any{"domain": "a.nl", "domainholder_id": "whoever"}); r.status != 200 {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func TestGetToken(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{AccessToken: "key"})
	ask := func(token string, change map[string]any) reply {
		body := map[string]any{"email": "Jan@shop.nl", "originator": "shop", "languageCode": "nl",
			"firstname": "Jan", "lastname": "Jansen", "privacyConsent": true}
		for k, v := range change {
			body[k] = v
		}
		r, err := b.doAs(t.Context(), token, "POST", sandbox.TokenPath, body)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	got := ask("key", nil)
	if m := got.json(t); got.status != 200 || m["status"] != 200.0 || len(m["token"].(string)) != 36 || m["redirectUrl"] == nil || m["accountUrl"] == nil {
		t.Errorf("%d %s", got.status, got.body)
	}
	if r := ask("other", nil); r.status != 401 || r.json(t)["status"] != 401.0 {
		t.Errorf("%d %s", r.status, r.body)
	}
	for _, change := range []map[string]any{
		{"email": "jan"}, {"email": "a@" + string(make([]byte, 60)) + ".nl"}, {"originator": ""},
		{"languageCode": "de"}, {"firstname": "abcdefghijklmnopqrstuvwxyzabcde"}, {"surname": "x"},
		{"email": "refused-1@shop.nl"}, {"email": "flaky-1@shop.nl"}, {"email": "jan@shop.nosuchtld"},
	} {
		if r := ask("key", change); r.status != 500 || r.json(t)["message"] == "" {
			t.Errorf("%v: %d %s", change, r.status, r.body)
		}
	}
	if r := ask("key", map[string]any{"email": "flaky-1@shop.nl"}); r.status != 200 {
		t.Errorf("flaky the second time: %d %s", r.status, r.body)
	}
	for label, want := range map[string]string{
		"refused": "registration failure", "bademail": "invalid email", "badextension": "invalid domain extension",
		"badlanguage": "invalid language code", "badportal": "invalid portal code",
	} {
		if r := ask("key", map[string]any{"email": label + "-1@shop.nl"}); r.status != 500 || r.json(t)["message"] != want {
			t.Errorf("%s: %d %s", label, r.status, r.body)
		}
	}
	if issued := b.Ledger().Issued; len(issued) != 2 || !issued[0].PrivacyConsent || issued[0].Token != got.json(t)["token"] ||
		issued[0].RedirectURL != got.json(t)["redirectUrl"] || issued[0].AccountURL != got.json(t)["accountUrl"] {
		t.Errorf("issued %+v", issued)
	}
	if issued := b.Ledger().Tokens; issued["jan@shop.nl"] != 1 || issued["flaky-1@shop.nl"] != 1 || len(issued) != 2 {
		t.Errorf("issued %v", issued)
	}
}
