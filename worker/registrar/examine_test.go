package registrar

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// examined has a registrar with two replies examined.
func examined(t *testing.T, token, check reply) (Examination, error) {
	t.Helper()
	u := newBareUpstream(t, func(r received) reply {
		if r.URL.Path == "/authenticate" {
			return token
		}
		return check
	})
	e, err := newTestClient(t, testConfig(u.url())).Examine(testContext(t), "example.nl")
	if asked := len(u.to("/whois")); asked > 1 {
		t.Errorf("it was asked %d times", asked)
	}
	return e, err
}

func TestExamine(t *testing.T) {
	t.Parallel()
	const good = `{"status":"success","token":"t0","expires_in":3600}`
	for name, tc := range map[string]struct {
		token, check   string
		ofToken, ofOne Comparison
	}{
		"as in the contract": {
			good, `{"results":[{"domain":"example.nl","available":false,"status":"active"}]}`,
			Comparison{Done: true, Fits: []string{"status", "token", "expires_in"}},
			Comparison{Done: true, Fits: []string{"results", "results[].domain", "results[].available", "results[].status"}},
		},
		"an error instead of an answer": {
			good, `{"results":[{"domain":"example.nl","error":"registry is away"}]}`,
			Comparison{Done: true, Fits: []string{"status", "token", "expires_in"}},
			Comparison{Done: true, Fits: []string{"results", "results[].domain", "results[].error"}},
		},
		"other names, other types": {
			`{"status":"success","token":"t0","expiresIn":"3600","scope":"x"}`,
			`{"Results":[{"domain":"example.nl","is_free":true,"jan@example.nl":1,"available":"yes","status":7}],"took":3}`,
			Comparison{Done: true, Fits: []string{"status", "token"}, Odd: []string{"expiresIn (string, and not number)"}, Unknown: []string{"scope"}},
			Comparison{
				Done: true, Fits: []string{"results", "results[].domain"},
				Odd:     []string{"results[].available (string, and not boolean)", "results[].status (number, and not string)"},
				Unknown: []string{"results[].is_free", "results[].one whose name is no plain word", "took"},
			},
		},
		"nothing of it": {
			good, `{"data":[]}`,
			Comparison{Done: true, Fits: []string{"status", "token", "expires_in"}},
			Comparison{Done: true, Missing: []string{"results"}, Unknown: []string{"data"}},
		},
		"no item": {
			good, `{"results":[]}`,
			Comparison{Done: true, Fits: []string{"status", "token", "expires_in"}},
			Comparison{Done: true, Fits: []string{"results"}, Missing: []string{"results[]"}},
		},
		"an item that is none": {
			good, `{"results":["example.nl"]}`,
			Comparison{Done: true, Fits: []string{"status", "token", "expires_in"}},
			Comparison{Done: true, Fits: []string{"results"}, Odd: []string{"results[] (string, and not object)"}},
		},
		"no token, and so no check": {
			`{"status":"success","access_token":"t0","expires_in":null}`, `{}`,
			Comparison{Done: true, Fits: []string{"status"}, Missing: []string{"token", "expires_in"}, Unknown: []string{"access_token"}},
			Comparison{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, _ := examined(t, jsonReply(200, tc.token), jsonReply(200, tc.check))
			if diff := cmp.Diff(tc.ofToken, e.Token); diff != "" {
				t.Errorf("of the token: -want +got\n%s", diff)
			}
			if diff := cmp.Diff(tc.ofOne, e.Check); diff != "" {
				t.Errorf("of the check: -want +got\n%s", diff)
			}
		})
	}
	if e, err := examined(t, jsonReply(200, good), jsonReply(500, `{"statusCode":500,"message":"no"}`)); err == nil || e.Check.Done {
		t.Errorf("it compares a failure: %+v, %v", e, err)
	}
}

// What the types read is what the shapes name, so that no field is called unknown that somebody reads.
func TestShapesAreThoseOfTheTypes(t *testing.T) {
	t.Parallel()
	for of, shape := range map[reflect.Type][]wireField{reflect.TypeFor[wireToken](): tokenShape(), reflect.TypeFor[wireCheck](): checkShape()} {
		var read, named []string
		for i := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			read = append(read, name)
		}
		for _, f := range shape {
			named = append(named, f.name)
		}
		if diff := cmp.Diff(read, named); diff != "" {
			t.Errorf("%s: -read +named\n%s", of, diff)
		}
	}
}
