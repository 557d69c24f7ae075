package api

import (
	"context"
	"sync"
)

// turns bounds how many of one source do something at once. The others of that source wait, those who came first are first, and nobody of
// another source waits for them. Whoever has a turn must not wait for a second one.
type turns struct {
	each int

	mu sync.Mutex
	of map[string]*sourceTurns // of sources of which somebody has a turn, or waits for one
}

type sourceTurns struct {
	room  chan struct{}
	users int
}

func newTurns(each int) *turns { return &turns{each: each, of: map[string]*sourceTurns{}} }

// atDatabase are turns at a database with so many connections: half of them are left to other sources, whatever one does.
func atDatabase(connections int) *turns { return newTurns(max(1, connections/2)) }

// enter waits for a turn, or until ctx ends. Whoever has one leaves.
func (t *turns) enter(ctx context.Context, source string) (leave func(), err error) {
	own := t.use(source)
	if err := take(ctx, own.room); err != nil {
		t.unuse(source)
		return nil, err
	}
	return func() {
		<-own.room
		t.unuse(source)
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

func (t *turns) use(source string) *sourceTurns {
	t.mu.Lock()
	defer t.mu.Unlock()
	own := t.of[source]
	if own == nil {
		own = &sourceTurns{room: make(chan struct{}, t.each)}
		t.of[source] = own
	}
	own.users++
	return own
}

func (t *turns) unuse(source string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of[source].users--; t.of[source].users == 0 {
		delete(t.of, source)
	}
}

// inTurn does something at the database when it is its source's turn. Nothing in it may wait for whoever reads the answer, or for an event.
func (a *API) inTurn(ctx context.Context, do func() error) error {
	leave, err := a.database.enter(ctx, callerOf(ctx).Source)
	if err != nil {
		return err
	}
	defer leave()
	return do()
}
