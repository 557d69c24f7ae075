package api

import (
	"context"
	"errors"
	"testing"
)

// Large orders of one source leave connections to those of another, and small ones wait for none.
func TestStoringLeavesRoom(t *testing.T) {
	t.Parallel()
	s := newStoring(16) // four large ones at once, two of a source
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	enter := func(ctx context.Context, source string, jobs int) func() {
		t.Helper()
		leave, err := s.enter(ctx, source, jobs)
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		return leave
	}
	first, second := enter(t.Context(), "shop", largeOrder), enter(t.Context(), "shop", largeOrder)
	if _, err := s.enter(gone, "shop", largeOrder); !errors.Is(err, context.Canceled) {
		t.Errorf("a third one: %v", err)
	}
	enter(t.Context(), "shop", largeOrder-1)()
	other, last := enter(t.Context(), "erp", 10*largeOrder), enter(t.Context(), "erp", largeOrder)
	if _, err := s.enter(gone, "third", largeOrder); !errors.Is(err, context.Canceled) {
		t.Errorf("more than all: %v", err)
	}
	first()
	enter(t.Context(), "third", largeOrder)()
	for _, leave := range []func(){second, other, last} {
		leave()
	}
	if len(s.each.of) > 0 || len(s.all) > 0 {
		t.Errorf("left over: %v, %d", s.each.of, len(s.all))
	}
}
