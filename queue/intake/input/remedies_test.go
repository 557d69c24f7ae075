package input

import (
	"errors"
	"strings"
	"testing"
)

// What can be done about a fault is offered in the words of whoever asks, and not at all where there are none.
func TestRemediesAreThoseOfTheDoor(t *testing.T) {
	t.Parallel()
	words := Remedies{IgnoreColumns: "ignore=%s", DefaultHolder: "holder=ID", AllowPeriod: "periods=any", FindHolder: "GET /holders"}
	for file, want := range map[string]string{
		"domain,our ref\na.nl,1\n":                   `, or leave it out with ignore=all`,
		"domain,holder_id,perod\na.nl,H1,1\n":        `, or leave it out with ignore=perod`,
		"domain,holder_id,,\na.nl,H1,,x\n":           `, or leave it out with ignore=all`,
		"a.nl\n":                                     `, or holder=ID for all domains`,
		"domain,holder_id\na.nl,\n":                  `, or holder=ID for all lines without one`,
		"domain,holder_id\na.nl,jan@example.nl\n":    `, which GET /holders finds by that address`,
		"domain,holder_id,period\na.nl,H1,5\n":       `; periods=any allows it`,
		"domain,holder_id,a b,cd\na.nl,H1,1,2\n":     `, or leave them out with ignore=all`,
		"domain,holder_id,perod,xyz\na.nl,H1,1,2\n":  `, or leave them out with ignore=perod,xyz`,
		"domain,holder_id,period\na.nl,H1,5\nb.nl\n": `; periods=any allows it`,
	} {
		for _, r := range []Remedies{words, {}} {
			said := faultsOf(t, file, r)
			if offers := strings.Contains(said, want); offers != (r == words) || strings.Contains(said, "--") || strings.Contains(said, "%s") {
				t.Errorf("%q with %+v: %s", file, r, said)
			}
		}
	}
}

func faultsOf(t *testing.T, file string, r Remedies) string {
	t.Helper()
	reader, err := NewReader(strings.NewReader(file), Options{Kind: "register", WholeYears: true, Remedies: r})
	var said []string
	for err == nil {
		_, err = reader.Next()
		if bad := (*RejectError)(nil); errors.As(err, &bad) {
			said, err = append(said, bad.Error()), nil
		}
	}
	return strings.Join(append(said, err.Error()), "\n")
}
