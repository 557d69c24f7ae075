package shape

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	fields := []Field{
		{Name: "domain", Kinds: []Kind{Text}, Needed: true},
		{Name: "available", Kinds: []Kind{Truth}, Needed: true, Or: "error"},
		{Name: "status", Kinds: []Kind{Text, List}, Wanted: true, Or: "error"},
		{Name: "error", Kinds: []Kind{Text}},
		{Name: "price"},
	}
	noAvailable := Difference{Field: "available", Problem: Missing, Grave: true, Want: []Kind{Truth}}
	for object, want := range map[string][]Difference{
		`{"domain":"a.nl","available":true,"status":"free"}`:                      nil,
		`{"Domain":"a.nl","AVAILABLE":false,"status":["a","b"],"price":{}}`:       nil,
		`{"domain":"a.nl","error":"no answer"}`:                                   nil,
		`{"domain":"a.nl","status":"free"}`:                                       {noAvailable},
		`{"domain":"a.nl","status":"free","available":null}`:                      {noAvailable},
		`{"domain":"a.nl","status":"free","available":null,"error":null}`:         {noAvailable},
		`{"domain":"a.nl","available":true}`:                                      {{Field: "status", Problem: Missing, Want: []Kind{Text, List}}},
		`{"domain":"a.nl","available":"yes","status":"free"}`:                     {{Field: "available", Problem: Wrong, Grave: true, Is: Text, Want: []Kind{Truth}}},
		`{"domain":"a.nl","available":true,"status":"","z":null,"expires":1.5e2}`: {{Field: "expires", Problem: Unknown, Is: Number}, {Field: "z", Problem: Unknown}},
		`{"domain":"a.nl","is_available":true,"status":"free"}`: {
			{Field: "available", Problem: Missing, Grave: true, Want: []Kind{Truth}, Like: "is_available"},
			{Field: "is_available", Problem: Unknown, Is: Truth},
		},
		`{"domain":"a.nl","availableFrom":"2027","status":"free"}`: {
			noAvailable, {Field: "availableFrom", Problem: Unknown, Is: Text},
		},
		`{"domain":"a.nl","--":true,"status":"free"}`: {noAvailable, {Field: "--", Problem: Unknown, Is: Truth}},
		`["no object"]`: nil,
		`{"cut`:         nil,
	} {
		if diff := cmp.Diff(want, Compare(fields, []byte(object))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", object, diff)
		}
	}
}
