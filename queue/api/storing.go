package api

import (
	"context"
	"sync"
)

// storing bounds the large orders that are looked up or written at once. Each holds a connection to the database for as long as it takes: without a
// bound, those of one source would have all of them, and nobody else were answered.
type storing struct {
	all  chan struct{}
	each int // of one source

	mu sync.Mutex
	of map[string]*sourceStoring
}

type sourceStoring struct {
	room  chan struct{}
	users int // who hold a place or wait for one
}

// largeOrder is how many jobs an order has that is large: a smaller one is written in a moment.
const largeOrder = 1000

// newStoring has large orders use a quarter of so many connections, and those of one source half of that.
func newStoring(connections int) *storing {
	all := max(2, connections/4)
	return &storing{all: make(chan struct{}, all), each: max(1, all/2), of: map[string]*sourceStoring{}}
}

// enter waits for a place for an order of so many jobs. Whoever has one leaves it.
func (s *storing) enter(ctx context.Context, source string, jobs int) (leave func(), err error) {
	if jobs < largeOrder {
		return func() {}, nil
	}
	own := s.use(source)
	if err := take(ctx, own.room); err != nil {
		s.unuse(source)
		return nil, err
	}
	if err := take(ctx, s.all); err != nil {
		<-own.room
		s.unuse(source)
		return nil, err
	}
	return func() {
		<-s.all
		<-own.room
		s.unuse(source)
	}, nil
}

func take(ctx context.Context, room chan struct{}) error {
	select {
	case room <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err() //nolint:wrapcheck // whoever asks knows what it waited for
	}
}

func (s *storing) use(source string) *sourceStoring {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.of[source]
	if own == nil {
		own = &sourceStoring{room: make(chan struct{}, s.each)}
		s.of[source] = own
	}
	own.users++
	return own
}

func (s *storing) unuse(source string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of[source].users--; s.of[source].users == 0 {
		delete(s.of, source)
	}
}
