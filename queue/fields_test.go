package queue

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// A field that the structs have and the lists lack would be refused in every payload.
func TestFieldsAreThoseOfThePayload(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		form  any
		known []string
	}{{Chunk{}, chunkFields()}, {Job{}, jobFields()}} {
		var want []string
		for field := range reflect.TypeOf(c.form).Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			want = append(want, name)
		}
		if !slices.Equal(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(c.known))) {
			t.Errorf("%T has the fields %v, known are %v", c.form, want, c.known)
		}
	}
}

// What has not been read as JSON yet must not be walked; what has been is walked to its end, whatever is in it.
func FuzzCheckFields(f *testing.F) {
	for _, payload := range []string{
		`{"order":"r","jobs":[{"domain":"a.nl","nameservers":["a","b"]}]}`, `null`, `"\\ud800"`, `{"jobs":[{"id":{"domain":1}}]}`,
		`{"order":"\\\\","source":"\\\"","account":[[],{"v":[]}]}`, `[[{"v":1}],{"order":"\\ud83d\\ude00"}]`,
	} {
		f.Add([]byte(payload))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if json.Valid(payload) {
			if err := checkFields(payload); err != nil && len(err.Error()) > 100 {
				t.Errorf("%d bytes of reason", len(err.Error()))
			}
		}
	})
}
