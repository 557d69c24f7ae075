package judge_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/migrations"
	"github.com/bulkreg/bulkreg/store/pgtest"
	"github.com/bulkreg/bulkreg/worker/sandbox"
	"github.com/bulkreg/bulkreg/worker/sandbox/judge"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func migrated(ctx context.Context, url string) error {
	_, err := migrations.Up(ctx, url)
	return err
}

// book is our database, filled by hand.
type book struct {
	t    *testing.T
	conn *pgx.Conn
}

func open(t *testing.T) book {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), pgtest.New(t, migrated))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	b := book{t, conn}
	b.exec(`INSERT INTO orders (source, reference, kind, lane, account, total) VALUES ('t', 'o', 'register', 'plain', 'default', 0)`)
	b.exec(`INSERT INTO claims (id, kind, account, worker, job_ids, order_ids, lease_until)
		VALUES (gen_random_uuid(), 'register', 'default', 'w', '{}', '{1}', now())`)
	return b
}

func (b book) exec(sql string, args ...any) {
	b.t.Helper()
	if _, err := b.conn.Exec(b.t.Context(), sql, args...); err != nil {
		b.t.Fatalf("%s: %v", sql, err)
	}
}

// job adds a registration in a final state, or an unconfirmed one (outcome "").
func (b book) job(domain, outcome string) {
	b.t.Helper()
	state := map[string]string{"registered": "succeeded", "rejected": "failed", "": "unconfirmed"}[outcome]
	b.exec(`INSERT INTO jobs (id, order_id, seq, kind, lane, account, domain, state, outcome, finished_at)
		SELECT gen_random_uuid(), 1, count(*), 'register', 'plain', 'default', $1, $2::text, nullif($3, ''),
			CASE WHEN $2::text <> 'unconfirmed' THEN now() END FROM jobs`, domain, state, outcome)
}

// attempt opens an attempt at a domain and resolves it.
func (b book) attempt(domain, state string, at time.Time) {
	b.t.Helper()
	b.exec(`WITH call AS (
			INSERT INTO calls (id, claim_id, op, size, deadline) SELECT gen_random_uuid(), id, 'register', 1, now() FROM claims RETURNING id
		)
		INSERT INTO attempts (call_id, job_id, domain, state, opened_at, resolved_at, resolved_by)
		SELECT call.id, j.id, j.domain, $2, $3, now(), 'reply' FROM call, jobs j WHERE j.domain = $1`, domain, state, at)
}

// received is a register call of one domain.
func received(domain string, at time.Time, paid bool) sandbox.Call {
	return sandbox.Call{Op: sandbox.OpRegister, Account: "id", At: at, Items: []sandbox.Item{{Domain: domain, Paid: paid}}}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	later := start.Add(time.Second)
	for name, tc := range map[string]struct {
		fill  func(book)
		calls []sandbox.Call
		want  []string // invariants breached
		look  func(judge.Verdict) bool
	}{
		"registered once": {
			fill:  func(b book) { b.job("a.nl", "registered"); b.attempt("a.nl", "registered", start) },
			calls: []sandbox.Call{received("a.nl", later, true)},
			look:  func(v judge.Verdict) bool { return v.Jobs == 1 && v.Registered == 1 && v.Paid == 1 && v.Lost == 0 },
		},
		"paid twice": {
			fill: func(b book) {
				b.job("a.nl", "registered")
				b.attempt("a.nl", "cleared", start)
				b.attempt("a.nl", "registered", start)
			},
			calls: []sandbox.Call{received("a.nl", later, true), received("a.nl", later, true)},
			want:  []string{judge.PaidOnce},
			look:  func(v judge.Verdict) bool { return v.PaidTwice == 1 },
		},
		"sent twice under one intent": {
			fill:  func(b book) { b.job("a.nl", "registered"); b.attempt("a.nl", "registered", start) },
			calls: []sandbox.Call{received("a.nl", later, false), received("a.nl", later, true)},
			want:  []string{judge.Intended},
		},
		"sent before the intent": {
			fill:  func(b book) { b.job("a.nl", "registered"); b.attempt("a.nl", "registered", later) },
			calls: []sandbox.Call{received("a.nl", start, true)},
			want:  []string{judge.Intended},
		},
		"received, though called unsent": {
			fill:  func(b book) { b.job("a.nl", "rejected"); b.attempt("a.nl", "not_sent", start) },
			calls: []sandbox.Call{received("a.nl", later, false)},
			want:  []string{judge.Intended},
		},
		"lost": {
			fill:  func(b book) { b.job("a.nl", "rejected"); b.attempt("a.nl", "failed", start) },
			calls: []sandbox.Call{received("a.nl", later, true)},
			want:  []string{judge.Known},
			look:  func(v judge.Verdict) bool { return v.Lost == 1 },
		},
		"registered without proof": {
			fill: func(b book) { b.job("a.nl", "registered") },
			want: []string{judge.Proven},
		},
		"unconfirmed, paid and not": {
			fill: func(b book) {
				b.job("a.nl", "")
				b.attempt("a.nl", "registered", start)
				b.job("b.nl", "")
				b.attempt("b.nl", "registered", start)
			},
			calls: []sandbox.Call{received("a.nl", later, true), received("b.nl", later, false)},
			look:  func(v judge.Verdict) bool { return v.Unconfirmed == 2 && v.Unpaid == 1 },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t)
			tc.fill(b)
			v, err := judge.Judge(t.Context(), b.conn, &sandbox.Ledger{Calls: tc.calls})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(v.Invariants(), tc.want) || tc.look != nil && !tc.look(v) {
				t.Errorf("%+v, want %v to be breached", v, tc.want)
			}
		})
	}
}

func TestManyBreachesAreCut(t *testing.T) {
	t.Parallel()
	var calls []sandbox.Call
	for range 30 {
		domain := strings.Repeat("a", len(calls)+1) + ".nl"
		calls = append(calls, received(domain, time.Now(), true))
	}
	v, err := judge.Judge(t.Context(), open(t).conn, &sandbox.Ledger{Calls: calls})
	if err != nil || v.Lost != 30 || len(v.Breaches) != 2*21 || !strings.HasPrefix(v.Breaches[20].String(), "I4: and 10 more: ") {
		t.Errorf("%d lost, %v, %v", v.Lost, v.Breaches, err)
	}
}

func TestHeld(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(offsets ...time.Duration) *sandbox.Ledger {
		l := &sandbox.Ledger{}
		for _, o := range offsets {
			l.Calls = append(l.Calls, received("a.nl", start.Add(o), false))
		}
		return l
	}
	for name, tc := range map[string]struct {
		ledger *sandbox.Ledger
		client string
		kept   bool
	}{
		"no call":                       {at(), "id", true},
		"one for each interval":         {at(time.Second, 2*time.Second, 3*time.Second, 3900*time.Millisecond), "id", true},
		"one too many":                  {at(1, 2, 3, 4, 5), "id", false},
		"another account's":             {at(1, 2, 3, 4, 5), "other", true},
		"before and after do not count": {at(-1, 0, 4*time.Second, 5*time.Second, 6*time.Second), "id", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := judge.Held(tc.ledger, tc.client, start, start.Add(4*time.Second-1), time.Second); (len(got) == 0) != tc.kept {
				t.Errorf("%v", got)
			}
		})
	}
}
