package store_test

import (
	"errors"
	"testing"

	"github.com/bulkreg/bulkreg/store/pg"

	"github.com/bulkreg/bulkreg/store"
)

// A standby answers and takes no writes, whether this process may only look at it or wants to work there.
func TestStandbyIsNotWritable(t *testing.T) {
	t.Parallel()
	_, standby, b := replicated(t)
	b.follows(standby)
	if err := b.store.Writable(t.Context()); err != nil {
		t.Errorf("the primary: %v", err)
	}
	s, err := store.Open(t.Context(), standby.URL(""), store.Options{MaxConns: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	for _, name := range []string{"to look", "to work"} {
		if err := s.Writable(t.Context()); !errors.Is(err, pg.ErrReadOnly) {
			t.Errorf("%s: %v", name, err)
		}
		if err := s.Guard(t.Context(), nil, nil); !errors.Is(err, pg.ErrUnavailable) {
			t.Errorf("guarded: %v", err)
		}
	}
}
