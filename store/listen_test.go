package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/store"
)

// listener is a Listen under way, from its first wake on.
type listener struct {
	b      *bench
	wakes  chan record.Kind
	ended  chan error
	cancel func()
}

func (b *bench) listen() *listener {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	b.t.Cleanup(cancel)
	l := &listener{b: b, wakes: make(chan record.Kind, 100), ended: make(chan error, 1), cancel: cancel}
	go func() { l.ended <- b.store.Listen(ctx, func(k record.Kind) { l.wakes <- k }) }()
	if first := l.wake(); first != "" {
		b.t.Errorf("the first wake is for %q, want one for all that came before", first)
	}
	return l
}

func (l *listener) wake() record.Kind {
	l.b.t.Helper()
	select {
	case k := <-l.wakes:
		return k
	case err := <-l.ended:
		l.b.t.Fatalf("ended: %v", err)
	case <-time.After(patience):
		l.b.t.Fatalf("no wake within %v", patience)
	}
	return ""
}

func (l *listener) end() error {
	l.b.t.Helper()
	select {
	case err := <-l.ended:
		return err
	case <-time.After(patience):
		l.b.t.Fatalf("goes on after %v", patience)
	}
	return nil
}

func TestListenWakesOnWork(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.listen()
	second := b.listen() // every dispatcher is woken
	wantWake := func(why string, want record.Kind) {
		t.Helper()
		for _, l := range []*listener{l, second} {
			if got := l.wake(); got != want {
				t.Errorf("%s: woken for %q, want %q", why, got, want)
			}
		}
	}
	b.submit(newOrder(record.Whois, "w"), "a.nl")
	wantWake("an order of checks", record.Whois)
	b.submit(newOrder(record.Whois, "w"), "a.nl") // wakes nobody, or the next wake would be for it
	b.submit(newOrder(record.Register, "r"), "a.nl")
	wantWake("an order of registrations", record.Register)
	if err := b.store.Delivery.Undeliver(t.Context(), b.fresh(record.Whois), 0); err != nil {
		t.Fatal(err)
	}
	wantWake("jobs given back", record.Whois)
}

func TestListenWakesOnlyOnCommit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.listen()
	if _, err := b.store.Orders.Submit(t.Context(), newOrder(record.Whois, "bad"), func(yield func(orders.NewJob, error) bool) {
		yield(orders.NewJob{}, errors.New("bad line"))
	}); err == nil {
		t.Fatal("a bad order was taken in")
	}
	b.submit(newOrder(record.Register, "r"), "a.nl")
	if got := l.wake(); got != record.Register {
		t.Errorf("woken for %q, which was rolled back", got)
	}
}

func TestListenEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.listen()
	l.cancel()
	if err := l.end(); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	b.eventually(func() bool {
		return get[int](b, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'`) == 0
	})
}

func TestListenEndsWithItsConnection(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.listen()
	b.terminate()
	err := l.end()
	if !errors.Is(err, pg.ErrUnavailable) {
		t.Errorf("ended with %v", err)
	}
	wantOurs(t, "Listen", err)
	again := b.listen()
	b.submit(newOrder(record.Whois, "r"), "a.nl")
	if got := again.wake(); got != record.Whois {
		t.Errorf("woken for %q", got)
	}
}

// DATABASE_MAX_CONNS is a promise: who listens counts, also after it has begun anew.
func TestListenKeepsToThePoolsBound(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.store = b.open(store.Options{MaxConns: 3})
	backends := func() int {
		return get[int](b, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'bulkreg'`)
	}
	before := backends() // of the bench's first store
	for range 2 {
		l := b.listen()
		var stops []func()
		for range 2 {
			conn, err := b.store.Pool.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			stops = append(stops, conn.Release)
		}
		short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if err := b.store.Ping(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with three connections in use: %v", err)
		}
		cancel()
		if n := backends(); n > before+2 { // one of the three was there already
			t.Errorf("%d connections, and %d before", n, before)
		}
		for _, stop := range stops {
			stop()
		}
		l.cancel()
		if err := l.end(); !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
		b.eventually(func() bool { return b.store.Ping(t.Context()) == nil })
	}
}

// A store that has one connection does not spend it on listening.
func TestListenOnASingleConnection(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.store = b.open(store.Options{MaxConns: 1})
	l := b.listen()
	b.submit(newOrder(record.Whois, "r"), "a.nl")
	l.cancel()
	if err := l.end(); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}
