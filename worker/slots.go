package worker

import "context"

// slots bounds the calls in flight of one account and operation. A slot is held for the HTTP exchange alone, never
// while talking to Postgres.
type slots struct {
	free    chan struct{}
	pacer   *pacer // nil: no limit but the slots
	release func() // told after each release
}

func newSlots(n int, pacer *pacer, release func()) *slots {
	s := &slots{free: make(chan struct{}, n), pacer: pacer, release: release}
	for range n {
		s.free <- struct{}{}
	}
	return s
}

// do runs call while holding a slot, when the rate limit allows it. It fails only when ctx ends before that.
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
	if err := s.pacer.wait(ctx); err != nil {
		return err
	}
	call()
	return nil
}

// idle says whether a slot is free.
func (s *slots) idle() bool { return len(s.free) > 0 }

// busy is how many slots are taken.
func (s *slots) busy() int { return cap(s.free) - len(s.free) }
