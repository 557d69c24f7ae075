package registrar

import (
	"fmt"
	"reflect"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkreg/bulkreg/worker/registrar/shape"
)

// told makes a client that notes in which fields the replies to its calls differ, a line each.
func told(t *testing.T, answer func(received) reply) (*Client, func() []string) {
	t.Helper()
	var (
		mu    sync.Mutex
		lines []string
	)
	cfg := testConfig(newBareUpstream(t, answer).url())
	cfg.Differs = func(d Difference) {
		mu.Lock()
		defer mu.Unlock()
		line := fmt.Sprintf("%s %s.%s %s", d.Op, d.In, d.Field, d.Problem)
		if d.Like != "" {
			line += " like " + d.Like
		}
		if d.Grave {
			line += " grave"
		}
		if d.Error {
			line += " error"
		}
		lines = append(lines, line)
	}
	return newTestClient(t, cfg), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return lines
	}
}

func TestDifferencesOfReplies(t *testing.T) {
	t.Parallel()
	const token, checks = `{"status":"success","token":"abc-def-ghi","expires_in":3600}`, `{"results":[{"domain":"a.nl","available":true,"status":"free"}]}`
	for name, c := range map[string]struct {
		token, checks string
		status        int
		want          []string
	}{
		"as the contract has it": {token, checks, 200, nil},
		"with a mark before it":  {token, "\xef\xbb\xbf " + checks, 200, nil},
		"another name, and an unknown one": {token, `{"results":[{"domain":"a.nl","is_available":true,"status":"free","tld":"nl"},
			{"domain":"b.nl","is_available":true,"status":"free","tld":"nl"}]}`, 200, []string{
			"check bulk results.available missing like is_available grave", "check bulk results.is_available unknown", "check bulk results.tld unknown",
		}},
		"no status":      {token, `{"results":[{"domain":"a.nl","available":true}]}`, 200, []string{"check bulk results.status missing"}},
		"another list":   {token, `{"items":[]}`, 200, []string{"check bulk .results missing grave", "check bulk .items unknown"}},
		"words for them": {token, `{"results":[{"domain":"a.nl","available":"yes","status":"free"}]}`, 200, []string{"check bulk results.available wrong grave"}},
		"names that hold what is no name": {token, `{"results":[{"domain":"a.nl","available":true,"status":"free","jan@example.nl":1,"a.nl":1}]}`, 200,
			[]string{"check bulk results.(hidden) unknown"}},
		"another token": {`{"status":"success","access_token":"abc-def-ghi","expires_in":3600,"scope":"x"}`, checks, 200,
			[]string{"authenticate .token missing like access_token grave", "authenticate .access_token unknown", "authenticate .scope unknown"}},
		"its life by another name":    {`{"status":"success","token":"abc-def-ghi","expiresIn":3600}`, checks, 200, nil},
		"an error that says too much": {token, `{"statusCode":500,"message":"broken","trace":"x"}`, 500, []string{"check bulk .trace unknown error"}},
		"an error that says nothing":  {token, `{"error":"broken"}`, 500, []string{"check bulk .statusCode missing error", "check bulk .message missing error", "check bulk .error unknown error"}},
		"no JSON":                     {token, `<html>`, 502, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, lines := told(t, func(r received) reply {
				if r.URL.Path == DefaultPaths().Authenticate {
					return jsonReply(200, c.token)
				}
				return jsonReply(c.status, c.checks)
			})
			_, err := client.CheckBulk(t.Context(), []string{"a.nl"})
			if diff := cmp.Diff(c.want, lines()); diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// Every field that is decoded is known to whoever compares.
func TestEveryDecodedFieldIsKnown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		decoded any
		known   []shape.Field
	}{
		"token": {wireToken{}, fieldsOfToken()}, "check": {wireCheck{}, fieldsOfCheck()}, "error": {wireError{}, fieldsOfError()},
	} {
		var want, got []string
		for _, f := range c.known {
			got = append(got, f.Name)
		}
		want = fieldNames(c.decoded)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-decoded +known):\n%s", name, diff)
		}
	}
}

// fieldNames are the names of a struct's fields in JSON.
func fieldNames(of any) []string {
	var names []string
	for field := range reflect.TypeOf(of).Fields() {
		names = append(names, field.Tag.Get("json"))
	}
	return names
}
