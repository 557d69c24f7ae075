package worker

import "context"

// slots bounds the calls in flight of one account and operation. A slot is held for the HTTP exchange alone, never
// while talking to Postgres.
type slots struct {
	free    chan struct{}
	release func() // told after each release
}

func newSlots(n int, release func()) *slots {
	s := &slots{free: make(chan struct{}, n), release: release}
	for range n {
		s.free <- struct{}{}
	}
	return s
}

// do runs call while holding a slot. It fails only when ctx ends before there is one.
func (s *slots) do(ctx context.Context, call func()) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.free:
	}
	defer func() {
		s.free <- struct{}{}
		if s.release != nil {
			s.release()
		}
	}()
	call()
	return nil
}

// idle says whether a slot is free.
func (s *slots) idle() bool { return len(s.free) > 0 }
