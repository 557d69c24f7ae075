package api

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/queue/intake/holder"
)

// The document names the details that a holder may have, and no others.
func TestHolderIsDocumented(t *testing.T) {
	t.Parallel()
	var names []string
	for field := range reflect.TypeFor[holderBody]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		names = append(names, name)
	}
	if !slices.Equal(names, holder.Fields()) {
		t.Errorf("documented are %v, and known %v", names, holder.Fields())
	}
}
