package orders

import (
	"context"
	"sync"
)

// orderTurns lets the producers' chunks of one order go to the database one after the other. They would wait there for the
// order's row, each with a connection in its hands, and longer than a lock may take. The zero value is ready.
type orderTurns struct {
	mu     sync.Mutex
	orders map[orderName]*orderTurn
}

type orderName struct{ source, reference string }

type orderTurn struct {
	token chan struct{} // is in it while nobody has the turn
	users int           // who has the turn, or waits for it
}

// take waits for a turn, and returns how to end it.
func (t *orderTurns) take(ctx context.Context, name orderName) (end func(), err error) {
	t.mu.Lock()
	turn := t.orders[name]
	if turn == nil {
		turn = &orderTurn{token: make(chan struct{}, 1)}
		turn.token <- struct{}{}
		if t.orders == nil {
			t.orders = map[orderName]*orderTurn{}
		}
		t.orders[name] = turn
	}
	turn.users++
	t.mu.Unlock()

	select {
	case <-turn.token:
		return func() { turn.token <- struct{}{}; t.leave(name, turn) }, nil
	case <-ctx.Done():
		t.leave(name, turn)
		return nil, ctx.Err()
	}
}

func (t *orderTurns) leave(name orderName, turn *orderTurn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if turn.users--; turn.users == 0 {
		delete(t.orders, name)
	}
}
