package pg

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/bulkreg/bulkreg/store/record"
)

// Channels on which Postgres passes hints on.
const (
	WakeChannel  = "bulkreg_wake"   // to dispatchers: there is something to deliver, of a kind
	EventChannel = "bulkreg_events" // to readers of the log: there are new events
)

// tellEvery is the least time between two of this process's notifications. Those that come together in it are one.
const tellEvery = 20 * time.Millisecond

// tellTimeout bounds one notification: it is a hint, and whoever waits for it also looks by himself.
const tellTimeout = 5 * time.Second

type notice struct{ channel, payload string }

// teller passes notices on after the commit of what they tell of. A NOTIFY within a transaction has its commit wait for every
// other such commit of the server, one after the other, each until it is on disk.
type teller struct {
	send func(ctx context.Context, channels, payloads []string) error

	mu      sync.Mutex
	due     []notice // each once
	busy    bool
	running sync.WaitGroup
	stop    chan struct{}
	closed  bool
}

func newTeller(send func(ctx context.Context, channels, payloads []string) error) *teller {
	return &teller{send: send, stop: make(chan struct{})}
}

// Tell has Postgres notify who listens on a channel, soon, and once for what comes together. Call it after the commit.
func (s *DB) Tell(channel, payload string) { s.teller.tell(notice{channel, payload}) }

// Wake tells dispatchers, after a commit, that there is something of a kind to deliver; "": of any.
func (s *DB) Wake(kind record.Kind) { s.Tell(WakeChannel, string(kind)) }

func (t *teller) tell(n notice) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	if !slices.Contains(t.due, n) {
		t.due = append(t.due, n)
	}
	if !t.busy {
		t.busy = true
		t.running.Go(t.run)
	}
}

// run sends what is due until there is nothing more.
func (t *teller) run() {
	for {
		channels, payloads := t.take()
		if channels == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), tellTimeout)
		_ = t.send(ctx, channels, payloads) // a hint: who waits for it also looks by himself
		cancel()
		timer := time.NewTimer(tellEvery)
		select {
		case <-timer.C:
		case <-t.stop: // what is left is sent at once
			timer.Stop()
		}
	}
}

func (t *teller) take() (channels, payloads []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range t.due {
		channels, payloads = append(channels, n.channel), append(payloads, n.payload)
	}
	t.due = t.due[:0]
	t.busy = channels != nil
	return channels, payloads
}

// close sends what is due, and takes nothing more.
func (t *teller) close() {
	t.mu.Lock()
	if !t.closed {
		t.closed = true
		close(t.stop)
	}
	t.mu.Unlock()
	t.running.Wait()
}

func (s *DB) notify(ctx context.Context, channels, payloads []string) error {
	_, err := s.Pool.Exec(ctx, `SELECT pg_notify(channel, payload) FROM unnest($1::text[], $2::text[]) AS n (channel, payload)`, channels, payloads)
	return Failure("notify listeners", err)
}
