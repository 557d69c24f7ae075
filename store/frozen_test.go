package store_test

import (
	"bytes"
	"context"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store"
)

// staller stands before Postgres. Once it is told to, it passes a client's COMMIT on no more, nor anything after it, and leaves the
// connection open: so does a machine that stands still with a transaction under way.
type staller struct {
	listener net.Listener
	target   string
	stalling atomic.Bool
	stalled  chan struct{} // told when a COMMIT is held back
	running  sync.WaitGroup
	mu       sync.Mutex
	open     []net.Conn
}

func newStaller(t *testing.T, address string) (*staller, string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	s := &staller{target: u.Host, stalled: make(chan struct{}, 1)}
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	s.running.Go(s.accept)
	t.Cleanup(func() {
		_ = s.listener.Close()
		s.mu.Lock()
		for _, c := range s.open {
			_ = c.Close()
		}
		s.mu.Unlock()
		s.running.Wait()
	})
	u.Host = s.listener.Addr().String()
	return s, u.String()
}

func (s *staller) accept() {
	for {
		near, err := s.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", s.target)
		if err != nil {
			_ = near.Close()
			continue
		}
		s.mu.Lock()
		s.open = append(s.open, near, far)
		s.mu.Unlock()
		s.running.Go(func() { s.pass(far, near, true) })
		s.running.Go(func() { s.pass(near, far, false) })
	}
}

func (s *staller) pass(to, from net.Conn, fromClient bool) {
	piece := make([]byte, 32<<10)
	for held := false; ; {
		n, err := from.Read(piece)
		if fromClient && s.stalling.Load() && bytes.Contains(piece[:n], []byte("commit\x00")) {
			held = true
			s.stalled <- struct{}{}
		}
		if held && err == nil {
			continue
		}
		if err == nil {
			_, err = to.Write(piece[:n])
		}
		if err != nil {
			_, _ = from.Close(), to.Close()
			return
		}
	}
}

// frozenAfter is the bound in these tests.
const frozenAfter = 3 * time.Second

// A transaction of ours that stands still is ended by Postgres, wherever it does, and leaves nothing behind.
func TestFrozenTransactionsEnd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(b *bench)                                                            // what must be there
		freeze  func(ctx context.Context, b *bench, s *store.Store, h batch) error        // with a worker that stands still at its end
		again   func(ctx context.Context, b *bench, s *store.Store, h batch) (int, error) // with another: how many it got
	}{
		"the intent": {
			freeze: func(ctx context.Context, _ *bench, s *store.Store, h batch) error {
				_, _, err := s.Ledger.Intend(ctx, ledger.Intent{Call: newCall(h.claim, record.OpRegister), Jobs: []uuid.UUID{h.jobs[0].ID}})
				return err
			},
			again: func(ctx context.Context, _ *bench, s *store.Store, h batch) (int, error) {
				sent, _, err := s.Ledger.Intend(ctx, ledger.Intent{Call: newCall(h.claim, record.OpRegister), Jobs: []uuid.UUID{h.jobs[0].ID}})
				return len(sent), err
			},
		},
		"the intent that counts": {
			freeze: func(ctx context.Context, _ *bench, s *store.Store, h batch) error {
				_, _, err := s.Ledger.Intend(ctx, ledger.Intent{Call: newCall(h.claim, record.OpRegister), Jobs: []uuid.UUID{h.jobs[0].ID}, DailyLimit: 1})
				return err
			},
			again: func(ctx context.Context, _ *bench, s *store.Store, h batch) (int, error) {
				sent, _, err := s.Ledger.Intend(ctx, ledger.Intent{Call: newCall(h.claim, record.OpRegister), Jobs: []uuid.UUID{h.jobs[0].ID}, DailyLimit: 1})
				return len(sent), err
			},
		},
		"the release": {
			freeze: func(ctx context.Context, _ *bench, s *store.Store, h batch) error {
				_, err := s.Ledger.Release(ctx, h.claim, 0, "")
				return err
			},
			again: func(ctx context.Context, _ *bench, s *store.Store, h batch) (int, error) {
				return s.Ledger.Release(ctx, h.claim, 0, "")
			},
		},
		"the rescue": {
			prepare: func(b *bench) { b.exec(`UPDATE claims SET lease_until = now() - interval '1 second'`) },
			freeze: func(ctx context.Context, _ *bench, s *store.Store, _ batch) error {
				_, err := s.Ledger.ExpireClaims(ctx, 1, 0)
				return err
			},
			again: func(ctx context.Context, _ *bench, s *store.Store, _ batch) (int, error) {
				e, err := s.Ledger.ExpireClaims(ctx, 1, 0)
				return e.Jobs, err
			},
		},
		"the probe": {
			prepare: func(b *bench) {
				if _, err := b.store.Holds.Hold(b.t.Context(), holds.NewHold{Account: "default", Reason: holds.Payment, Scope: holds.ScopeRegister, ProbeEvery: time.Hour}); err != nil {
					b.t.Fatal(err)
				}
				b.exec(`UPDATE holds SET next_probe_at = now() - interval '1 second'`)
				b.submit(newOrder(record.Register, "waits"), "waits.nl")
			},
			freeze: func(ctx context.Context, b *bench, s *store.Store, _ batch) error {
				_, _, err := s.Holds.TakeProbe(ctx, "default", []record.Kind{record.Register}, time.Hour, time.Hour)
				return err
			},
			again: func(ctx context.Context, b *bench, s *store.Store, _ batch) (int, error) {
				_, taken, err := s.Holds.TakeProbe(ctx, "default", []record.Kind{record.Register}, time.Hour, time.Hour)
				if !taken {
					return 0, err
				}
				return 1, err
			},
		},
		"a submit": {
			freeze: func(ctx context.Context, _ *bench, s *store.Store, _ batch) error {
				_, err := s.Orders.Submit(ctx, newOrder(record.Register, "frozen"), yielded(newJobs("frozen.nl")))
				return err
			},
			again: func(ctx context.Context, _ *bench, s *store.Store, _ batch) (int, error) {
				res, err := s.Orders.Submit(ctx, newOrder(record.Register, "frozen"), yielded(newJobs("frozen.nl")))
				return res.Order.Total - res.Duplicates, err
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			h := b.running(record.Register, "a.nl")
			if c.prepare != nil {
				c.prepare(b)
			}
			line, address := newStaller(t, b.url)
			s, err := store.Open(t.Context(), address, store.Options{MaxConns: 1, FrozenAfter: frozenAfter})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Close)
			line.stalling.Store(true)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- c.freeze(ctx, b, s, h) }()
			select {
			case <-line.stalled:
			case err := <-ended:
				t.Fatalf("it did not stand still: %v", err)
			}
			b.eventually(func() bool { return b.standing() == 1 })
			b.eventually(func() bool { return b.standing() == 0 })
			if got, err := c.again(t.Context(), b, b.store, h); err != nil || got != 1 {
				t.Errorf("afterwards another worker got %d, %v; want 1", got, err)
			}
			cancel()
			if err := <-ended; err == nil {
				t.Error("who stood still was told that all went well")
			}
		})
	}
}

// standing counts transactions that stand still.
func (b *bench) standing() int {
	b.t.Helper()
	return get[int](b, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'`)
}

// unpinned begins a transaction as our user, without our settings.
func (b *bench) unpinned(statement string) *pgx.Conn {
	b.t.Helper()
	conn, err := pgx.Connect(b.t.Context(), b.url)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	if _, err := conn.Exec(b.t.Context(), `BEGIN; `+statement); err != nil {
		b.t.Fatal(err)
	}
	return conn
}

// Postgres does not end these by itself. They are ended only where they are in the way, and stand still.
func TestEndFrozen(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"the claim": `UPDATE claims SET lease_until = lease_until`,
		"its jobs":  `SELECT FROM jobs FOR UPDATE`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.running(record.Whois, "a.nl")
			s := b.open(store.Options{MaxConns: 3, FrozenAfter: frozenAfter})
			patient := b.open(store.Options{MaxConns: 3, FrozenAfter: time.Hour})
			end := func(s *store.Store) int {
				t.Helper()
				n, err := s.Ledger.EndFrozen(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
			harmless := b.unpinned(`SELECT FROM accounts FOR UPDATE`)
			if n := end(s); n != 0 {
				t.Errorf("ended %d while the claim's lease lasts", n)
			}
			b.exec(`UPDATE claims SET lease_until = now() - interval '2 hours'`)
			frozen := b.unpinned(statement)
			if n := end(patient); n != 0 {
				t.Errorf("ended %d that had only just begun", n)
			}
			b.eventually(func() bool { return end(s) == 1 })
			if err := frozen.Ping(t.Context()); err == nil {
				t.Error("who stood in the way lives")
			}
			if err := harmless.Ping(t.Context()); err != nil {
				t.Errorf("who did not stand in the way: %v", err)
			}
			if e, err := s.Ledger.ExpireClaims(t.Context(), 1, 0); err != nil || e.Jobs != 1 {
				t.Errorf("took back %+v, %v", e, err)
			}
			if n := end(s); n != 0 {
				t.Errorf("ended %d more", n)
			}
		})
	}
}
