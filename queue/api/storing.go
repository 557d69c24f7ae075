package api

import "context"

// storing bounds the large orders that are looked up or written at once. Each holds a connection to the database for as long as it takes: without a
// bound, those of one source would have all of them, and nobody else were answered.
type storing struct {
	all  chan struct{}
	each *turns
}

// largeOrder is how many jobs an order has that is large: a smaller one is written in a moment.
const largeOrder = 1000

// newStoring has large orders use a quarter of so many connections, and those of one source half of that.
func newStoring(connections int) *storing {
	all := max(2, connections/4)
	return &storing{all: make(chan struct{}, all), each: newTurns(max(1, all/2))}
}

// enter waits for a place for an order of so many jobs. Whoever has one leaves it.
func (s *storing) enter(ctx context.Context, source string, jobs int) (leave func(), err error) {
	if jobs < largeOrder {
		return func() {}, nil
	}
	own, err := s.each.enter(ctx, source)
	if err != nil {
		return nil, err
	}
	if err := take(ctx, s.all); err != nil {
		own()
		return nil, err
	}
	return func() {
		<-s.all
		own()
	}, nil
}
