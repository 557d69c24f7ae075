package pgtest

import (
	"crypto/rand"
	"fmt"
	"reflect"
	"strings"
)

// randomName tells the test programs of several machines apart, which may have equal process ids.
func randomName() string { return strings.ToLower(rand.Text()[:10]) }

// key tells functions apart by where their code is.
func key(migrate []Migrate) string {
	var b strings.Builder
	for _, step := range migrate {
		fmt.Fprintf(&b, "%x ", reflect.ValueOf(step).Pointer())
	}
	return b.String()
}
