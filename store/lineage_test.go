package store_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/audit"
	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/pgserver"
	"github.com/bulkreg/bulkreg/store/pgtest"
)

// watch is a process that works, as far as its Guard is concerned.
type watch struct {
	mu       sync.Mutex
	restored []pg.Restored
}

func (w *watch) notice(r pg.Restored) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.restored = append(w.restored, r)
}

func (w *watch) noticed() []pg.Restored {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.restored
}

func (w *watch) guard(ctx context.Context, s *store.Store) error {
	return s.Guard(ctx, []string{"configured"}, w.notice)
}

// on is a bench on a server of one's own.
func on(t *testing.T, address string) *bench {
	t.Helper()
	b := &bench{t: t, url: address}
	b.store = b.open(store.Options{})
	var err error
	if b.db, err = pgxpool.New(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.db.Close)
	return b
}

// history fills a database with registrations that stand in every way.
type history struct {
	claimed, sent, ended batch
}

func (b *bench) history() history {
	b.t.Helper()
	if err := b.store.Fleet.AnnounceAccount(b.t.Context(), "quiet"); err != nil {
		b.t.Fatal(err)
	}
	h := history{claimed: b.running(record.Register, "claimed.nl"), sent: b.running(record.Register, "sent-1.nl", "sent-2.nl"), ended: b.running(record.Register, "ended.nl")}
	b.intend(h.sent)
	call := b.intend(h.ended)
	ended := ledger.PaidTransition{Transition: ledger.Succeed(h.ended.jobs[0].ID, record.Registered), Attempt: record.AttemptRegistered}
	if _, err := b.store.Ledger.SettlePaid(b.t.Context(), h.ended.claim, ledger.CallResult{ID: call, Status: 200}, []ledger.PaidTransition{ended}); err != nil {
		b.t.Fatal(err)
	}
	partner := newOrder(record.Register, "partner")
	partner.Account = "partner"
	b.submit(partner, names("waits", 3)...)
	b.submit(newOrder(record.Whois, "whois"), "whois.nl")
	return h
}

// wantRestored checks what stands in a database that another Postgres has come up with, after history.
func (b *bench) wantRestored(h history, what string) {
	b.t.Helper()
	laid := list[string](b, `SELECT account || ' ' || reason || ' ' || scope || ' ' || (next_probe_at IS NULL AND probe_every IS NULL AND placed_by IS NULL) || ' ' ||
		(words LIKE '%' || $1 || '%') FROM holds ORDER BY 1`, what)
	if got, want := strings.Join(laid, ", "), "configured restored register true true, default restored register true true, "+
		"partner restored register true true, quiet restored register true true"; got != want {
		b.t.Errorf("holds: %s; want %s", got, want)
	}
	for account, jobs := range map[string]int{"partner": 3, "default": 1, "quiet": 0} {
		words := get[string](b, `SELECT words FROM holds WHERE account = $1`, account)
		if !strings.Contains(words, fmt.Sprintf(" %d registrations count as possibly sent", jobs)) || strings.Contains(words, "\n") || len(words) > 500 {
			b.t.Errorf("the hold of %s says %q", account, words)
		}
	}
	unknown := list[string](b, `SELECT domain || ' ' || count(*) FROM attempts WHERE state IN ('open', 'unknown') GROUP BY domain ORDER BY domain`)
	if got, want := strings.Join(unknown, ", "), "claimed.nl 1, sent-1.nl 1, sent-2.nl 1, waits-0000.nl 1, waits-0001.nl 1, waits-0002.nl 1"; got != want {
		b.t.Errorf("possibly sent: %s; want %s", got, want)
	}
	b.wantState(h.ended.jobs[0].ID, "succeeded registered")
	// A worker that has noticed nothing can neither go on with its claim nor begin a new one.
	_, _, err := b.store.Ledger.Intend(b.t.Context(), ledger.Intent{Call: newCall(h.claimed.claim, record.OpRegister), Jobs: h.claimed.ids()})
	if !errors.Is(err, ledger.ErrFenced) {
		b.t.Errorf("an intent under an earlier claim: %v", err)
	}
	if e, err := b.store.Ledger.ExpireClaims(b.t.Context(), 10, 0); err != nil || e.Jobs != 3 || e.Unknown != 2 {
		b.t.Errorf("took back %+v, %v", e, err)
	}
	_, _, err = b.store.Ledger.Intend(b.t.Context(), ledger.Intent{Call: newCall(b.again(record.Register, 1).claim, record.OpRegister), Jobs: h.claimed.ids()})
	if !errors.Is(err, holds.ErrHeld) {
		b.t.Errorf("an intent under the hold: %v", err)
	}
	report, err := b.store.Audit.Run(b.t.Context(), audit.Options{Grace: time.Hour})
	if err != nil || report.Total() != 0 {
		b.t.Errorf("the audit finds %+v, %v", report.Breaches, err)
	}
}

// replicated is a migrated Postgres with a standby, and a bench on it.
func replicated(t *testing.T) (primary, standby *pgserver.Server, b *bench) {
	t.Helper()
	primary = pgtest.Server(t)
	if err := migrate(t.Context(), primary.URL("")); err != nil {
		t.Fatal(err)
	}
	standby, err := primary.Standby(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	stopAtEnd(t, standby)
	return primary, standby, on(t, primary.URL(""))
}

// A standby is promoted while workers are connected to both: none of them sends before every account is on hold, and one puts
// them there.
func TestPromotedStandby(t *testing.T) {
	t.Parallel()
	primary, standby, b := replicated(t)
	h := b.history()
	both := bothHosts(t, primary.URL(""), standby.URL(""))
	workers := make([]*store.Store, 3)
	var seen watch
	for i := range workers {
		var err error
		if workers[i], err = store.Open(t.Context(), both, store.Options{MaxConns: 4}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(workers[i].Close)
		if err := seen.guard(t.Context(), workers[i]); err != nil {
			t.Fatal(err)
		}
	}
	b.follows(standby)
	onStandby, err := store.Open(t.Context(), standby.URL(""), store.Options{MaxConns: 2})
	if err != nil {
		t.Fatalf("to look at a standby: %v", err)
	}
	t.Cleanup(onStandby.Close)
	if err := onStandby.Guard(t.Context(), nil, nil); !errors.Is(err, pg.ErrUnavailable) || !strings.Contains(err.Error(), "standby") {
		t.Errorf("to work on a standby: %v", err)
	}
	if d, err := b.store.Durability(t.Context()); err != nil || d.Standbys != 1 || d.Asynchronous != 1 || d.OriginHidden {
		t.Errorf("%+v, %v; want one asynchronous standby", d, err)
	}
	if n := len(seen.noticed()); n != 0 {
		t.Fatalf("%d noticed a failover before there was one", n)
	}

	if err := primary.Kill(); err != nil {
		t.Fatal(err)
	}
	after := &bench{t: t, url: standby.URL("")}
	if after.db, err = pgxpool.New(t.Context(), after.url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(after.db.Close)
	after.exec(`SELECT pg_promote()`)
	var g errgroup.Group
	for _, w := range workers {
		g.Go(func() error {
			for { // whoever gets a connection finds the holds there
				holds, err := w.Holds.Stopped(t.Context())
				if errors.Is(err, pg.ErrUnavailable) {
					continue
				}
				if err == nil && (!holds["default"].Register || !holds["quiet"].Register) {
					err = fmt.Errorf("the first statement finds these holds: %v", holds)
				}
				return err
			}
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	restored := seen.noticed()
	if len(restored) != 1 || restored[0].Jobs != 4 || restored[0].Accounts != 4 || restored[0].What != "Postgres is on timeline 2, and was on 1" {
		t.Errorf("noticed %+v", restored)
	}
	after.store = after.open(store.Options{})
	after.wantRestored(h, "Postgres is on timeline 2, and was on 1")

	// Once lifted, it stays lifted.
	after.exec(`DELETE FROM holds`)
	if err := seen.guard(t.Context(), after.open(store.Options{})); err != nil {
		t.Fatal(err)
	}
	if n := get[int](after, `SELECT count(*) FROM holds`); n != 0 || len(seen.noticed()) != 1 {
		t.Errorf("%d holds, noticed %+v", n, seen.noticed())
	}
}

// A backup that is restored has forgotten, too.
func TestRestoredBackup(t *testing.T) {
	t.Parallel()
	server := pgtest.Server(t)
	if err := migrate(t.Context(), server.URL("")); err != nil {
		t.Fatal(err)
	}
	b := on(t, server.URL(""))
	var seen watch
	if err := seen.guard(t.Context(), b.store); err != nil {
		t.Fatal(err)
	}
	h := b.history()
	known := get[time.Time](b, `SELECT known_at FROM lineage`)
	backup, err := server.Restored(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stopAtEnd(t, backup)
	after := on(t, backup.URL(""))
	if err := seen.guard(t.Context(), after.store); err != nil {
		t.Fatal(err)
	}
	if r := seen.noticed(); len(r) != 1 || !r[0].KnownAt.Equal(known) || r[0].Jobs != 4 {
		t.Errorf("noticed %+v; it was last known at %v", r, known)
	}
	after.wantRestored(h, "what was written after "+known.UTC().Format("2006-01-02 15:04:05Z"))
}

// A backup from before the first worker knows of no Postgres at all. A worker that goes on remembers the one before.
func TestBackupFromBeforeTheFirstWorker(t *testing.T) {
	t.Parallel()
	primary := pgtest.Server(t)
	if err := migrate(t.Context(), primary.URL("")); err != nil {
		t.Fatal(err)
	}
	b := on(t, primary.URL(""))
	b.submit(newOrder(record.Register, "r"), names("a", 3)...)
	backup, err := primary.Restored(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stopAtEnd(t, backup)
	if err := primary.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	var seen watch
	worker, err := store.Open(t.Context(), bothHosts(t, backup.URL(""), primary.URL("")), store.Options{MaxConns: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(worker.Close)
	if err := seen.guard(t.Context(), worker); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if err := primary.Kill(); err != nil {
		t.Fatal(err)
	}
	after := on(t, backup.URL(""))
	after.eventually(func() bool {
		holds, err := worker.Holds.Stopped(t.Context())
		if err != nil && !errors.Is(err, pg.ErrUnavailable) {
			t.Fatal(err)
		}
		return holds["default"].Register
	})
	r := seen.noticed()
	if len(r) != 1 || r[0].Jobs != 3 || r[0].What != "Postgres is on timeline 2, and was on 1" || r[0].KnownAt.After(begun) || r[0].KnownAt.IsZero() {
		t.Errorf("noticed %+v", r)
	}
}

func stopAtEnd(t *testing.T, s *pgserver.Server) {
	t.Helper()
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
}

// bothHosts is the address of whichever of two servers takes writes.
func bothHosts(t *testing.T, first, second string) string {
	t.Helper()
	u, err := url.Parse(first)
	if err != nil {
		t.Fatal(err)
	}
	v, err := url.Parse(second)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = v.Host + "," + u.Host // the standby is asked first
	u.RawQuery += "&target_session_attrs=read-write"
	return u.String()
}

// follows waits until a standby has all that was committed.
func (b *bench) follows(standby *pgserver.Server) {
	b.t.Helper()
	conn, err := pgx.Connect(b.t.Context(), standby.URL(""))
	if err != nil {
		b.t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(b.t.Context()))
	written := get[string](b, `SELECT pg_current_wal_insert_lsn()::text`)
	b.eventually(func() bool {
		var there bool
		if err := conn.QueryRow(b.t.Context(), `SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn`, written).Scan(&there); err != nil {
			b.t.Fatal(err)
		}
		return there
	})
}

// Every way in which a Postgres may be another one, and those in which it is not.
func TestWhatMakesAnotherPostgres(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ change, what string }{
		"the same":                     {`UPDATE lineage SET since = since`, ""},
		"nothing on record":            {`DELETE FROM lineage`, ""},
		"a system that was not told":   {`UPDATE lineage SET system_id = NULL`, ""},
		"a timeline that was not told": {`UPDATE lineage SET timeline = NULL`, ""},
		"another system":               {`UPDATE lineage SET system_id = '7'`, "Postgres is another one (system identifier "},
		"another timeline":             {`UPDATE lineage SET timeline = 7`, "Postgres is on timeline 1, and was on 7"},
		"a restored dump":              {`UPDATE lineage SET home = '1.2'`, "the tables were made anew, as from a dump"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			var seen watch
			if err := seen.guard(t.Context(), b.store); err != nil {
				t.Fatal(err)
			}
			b.submit(newOrder(record.Register, "r"), names("a", 5)...)
			before := get[string](b, `SELECT concat(system_id, timeline, home) FROM lineage`)
			b.exec(c.change)
			for range 2 {
				if err := seen.guard(t.Context(), b.open(store.Options{})); err != nil {
					t.Fatal(err)
				}
			}
			if now := get[string](b, `SELECT concat(system_id, timeline, home) FROM lineage`); now != before {
				t.Errorf("on record is %s, want %s", now, before)
			}
			r := seen.noticed()
			if (c.what != "") != (len(r) == 1) || len(r) == 1 && !strings.HasPrefix(r[0].What, c.what) {
				t.Errorf("noticed %+v, want %q", r, c.what)
			}
			if n := get[int](b, `SELECT count(*) FROM attempts WHERE state = 'unknown'`); (n == 5) != (c.what != "") {
				t.Errorf("%d jobs count as possibly sent", n)
			}
		})
	}
}

// More jobs than one statement takes: each once, and only one attempt for each domain.
func TestManyJobsArePossiblySent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const many = 4500
	b.intend(b.running(record.Register, "sent.nl"))
	b.submit(newOrder(record.Register, "r"), names("many", many)...)
	b.exec(`INSERT INTO lineage (timeline, home) VALUES (7, '')`)
	var seen watch
	if err := seen.guard(t.Context(), b.store); err != nil {
		t.Fatal(err)
	}
	if r := seen.noticed(); len(r) != 1 || r[0].Jobs != many {
		t.Errorf("noticed %+v", r)
	}
	if n := get[int](b, `SELECT count(DISTINCT domain) FROM attempts WHERE state = 'unknown'`); n != many {
		t.Errorf("%d domains", n)
	}
	if n := get[int](b, `SELECT count(*) FROM calls c WHERE size <> (SELECT count(*) FROM attempts a WHERE a.call_id = c.id)`); n != 0 {
		t.Errorf("%d calls of another size than their attempts", n)
	}
}

// A reply to a call that Postgres has forgotten settles what stands for that call.
func TestReplyToAForgottenCall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	known, forgotten := b.running(record.Register, "known.nl"), b.running(record.Register, "paid.nl", "refused.nl")
	earlier, call := b.intend(known), b.intend(forgotten)
	b.exec(`DELETE FROM calls WHERE id = $1`, call)
	b.exec(`INSERT INTO lineage (timeline, home) VALUES (7, '')`)
	if err := b.store.Guard(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	settle := func(h batch, call uuid.UUID, transitions ...ledger.PaidTransition) {
		t.Helper()
		n, err := b.store.Ledger.SettlePaid(t.Context(), h.claim, ledger.CallResult{ID: call, Status: 200}, transitions)
		if err != nil || n != len(transitions) {
			t.Errorf("settled %d, %v", n, err)
		}
	}
	settle(forgotten, call,
		ledger.PaidTransition{Transition: ledger.Succeed(forgotten.jobs[0].ID, record.Registered), Attempt: record.AttemptRegistered},
		ledger.PaidTransition{Transition: ledger.Fail(forgotten.jobs[1].ID, record.Rejected, "no"), Attempt: record.AttemptFailed, StatusCode: 422})
	settle(known, earlier, ledger.PaidTransition{Transition: ledger.Succeed(known.jobs[0].ID, record.Registered), Attempt: record.AttemptRegistered})
	states := list[string](b, `SELECT domain || ' ' || state || ' ' || coalesce(resolved_by, '') FROM attempts ORDER BY domain`)
	if got, want := strings.Join(states, ", "), "known.nl registered reply, paid.nl registered reply, refused.nl failed reply"; got != want {
		t.Errorf("attempts: %s; want %s", got, want)
	}
	report, err := b.store.Audit.Run(t.Context(), audit.Options{})
	if err != nil || report.Total() != 0 {
		t.Errorf("the audit finds %+v, %v", report.Breaches, err)
	}
}

// What a process knows of the Postgres that it is connected to is written down now and then.
func TestKnowOrigin(t *testing.T) {
	t.Parallel()
	b := setup(t)
	know := func() {
		t.Helper()
		if err := b.store.KnowOrigin(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	know() // nobody has looked yet
	if n := get[int](b, `SELECT count(*) FROM lineage`); n != 0 {
		t.Errorf("%d on record", n)
	}
	if err := b.store.Guard(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	age := func() time.Duration {
		return time.Duration(get[float64](b, `SELECT extract(epoch FROM now() - known_at)::float8 FROM lineage`) * float64(time.Second))
	}
	b.exec(`UPDATE lineage SET known_at = now() - interval '1 minute'`)
	know()
	if a := age(); a > 30*time.Second {
		t.Errorf("last known %v ago", a)
	}
	written := get[string](b, `SELECT xmin::text FROM lineage`)
	know()
	if again := get[string](b, `SELECT xmin::text FROM lineage`); again != written {
		t.Error("written twice within a second")
	}
	b.exec(`UPDATE lineage SET known_at = now() - interval '1 minute', timeline = 7`)
	know()
	if a := age(); a < 30*time.Second {
		t.Error("another Postgres was known to be there")
	}
}

// A user who may not ask which server this is knows what he is told, and may work all the same. One who may not write ends with
// one line.
func TestOriginOfAUserWithoutPrivileges(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		revoke   []string
		deny     bool
		on       string // record: which of both is told
		hidden   bool
		refusing string
	}{
		"all told":    {nil, false, "true true", false, ""},
		"no system":   {[]string{"pg_control_system()"}, false, "false true", true, ""},
		"no timeline": {[]string{"pg_walfile_name(pg_lsn)"}, false, "true false", true, ""},
		"neither":     {[]string{"pg_control_system()", "pg_current_wal_lsn()"}, false, "false false", true, ""},
		"no writes":   {nil, true, "", false, "permission denied for table lineage: grant it to the user (SQLSTATE 42501)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			role := "r" + strings.ReplaceAll(uuid.NewString(), "-", "")
			b.exec(`CREATE ROLE ` + role + ` LOGIN PASSWORD 'p'`)
			t.Cleanup(func() {
				_, err := b.db.Exec(context.Background(), `DROP OWNED BY `+role+`; DROP ROLE `+role)
				if err != nil {
					t.Error(err)
				}
			})
			b.exec(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ` + role)
			if c.deny {
				b.exec(`REVOKE INSERT, UPDATE ON lineage FROM ` + role)
			}
			for _, f := range c.revoke {
				b.exec(`REVOKE EXECUTE ON FUNCTION ` + f + ` FROM PUBLIC`)
			}
			u, err := url.Parse(b.url)
			if err != nil {
				t.Fatal(err)
			}
			u.User = url.UserPassword(role, "p")
			s, err := store.Open(t.Context(), u.String(), store.Options{MaxConns: 2})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if d, err := s.Durability(t.Context()); err != nil || d.OriginHidden != c.hidden {
				t.Errorf("%+v, %v", d, err)
			}
			err = s.Guard(t.Context(), nil, nil)
			if c.refusing != "" {
				var refused *pg.Error
				if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.refusing) {
					t.Errorf("error is %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if on := get[string](b, `SELECT (system_id IS NOT NULL) || ' ' || (timeline IS NOT NULL) FROM lineage`); on != c.on {
				t.Errorf("on record: %s, want %s", on, c.on)
			}
		})
	}
}
