package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bulkreg/bulkreg/migrations"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/pgtest"
)

func migrate(ctx context.Context, url string) error {
	_, err := migrations.Up(ctx, url)
	return err
}

// bench is a database of its own, a store on it, and a way past the store.
type bench struct {
	t     *testing.T
	url   string
	store *store.Store
	db    *pgxpool.Pool
}

func setup(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, url: pgtest.New(t, migrate)}
	b.store = b.open(store.Options{})
	var err error
	if b.db, err = pgxpool.New(t.Context(), b.url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.db.Close)
	return b
}

// open opens another store on the database, as another process would.
func (b *bench) open(o store.Options) *store.Store {
	b.t.Helper()
	s, err := store.Open(b.t.Context(), b.url, o)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(s.Close)
	return s
}

// in is the bench for a parallel test inside of this one.
func (b *bench) in(t *testing.T) *bench {
	inner := *b
	inner.t = t
	return &inner
}

func (b *bench) exec(sql string, args ...any) int {
	b.t.Helper()
	tag, err := b.db.Exec(b.t.Context(), sql, args...)
	if err != nil {
		b.t.Fatalf("%s: %v", sql, err)
	}
	return int(tag.RowsAffected())
}

// get reads one value, for facts that no method shows.
func get[T any](b *bench, sql string, args ...any) T {
	b.t.Helper()
	var v T
	if err := b.db.QueryRow(b.t.Context(), sql, args...).Scan(&v); err != nil {
		b.t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// list reads one column.
func list[T any](b *bench, sql string, args ...any) []T {
	b.t.Helper()
	rows, err := b.db.Query(b.t.Context(), sql, args...)
	if err != nil {
		b.t.Fatalf("%s: %v", sql, err)
	}
	values, err := pgx.CollectRows(rows, pgx.RowTo[T])
	if err != nil {
		b.t.Fatalf("%s: %v", sql, err)
	}
	return values
}

// fingerprint tells what the tables hold.
func (b *bench) fingerprint() string {
	b.t.Helper()
	return get[string](b, `
		SELECT md5(string_agg(row, E'\n' ORDER BY row)) FROM (
			SELECT o::text FROM orders o UNION ALL SELECT j::text FROM jobs j UNION ALL SELECT c::text FROM chunks c
			UNION ALL SELECT c::text FROM claims c UNION ALL SELECT c::text FROM calls c
			UNION ALL SELECT a::text FROM attempts a UNION ALL SELECT r::text FROM readings r) AS everything (row)`)
}

// patience bounds every wait for something that is sure to come.
const patience = 2 * time.Minute

// blocked waits until n statements in this database wait for somebody's lock.
func (b *bench) blocked(n int) {
	b.t.Helper()
	b.eventually(func() bool {
		return get[int](b, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`) >= n
	})
}

// eventually waits for something that no signal tells of.
func (b *bench) eventually(holds func() bool) {
	b.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for timeout := time.After(patience); !holds(); {
		select {
		case <-timeout:
			b.t.Fatalf("not so within %v", patience)
		case <-tick.C:
		}
	}
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// names makes n domains with the given label in front.
func names(label string, n int) []string {
	domains := make([]string, n)
	for i := range domains {
		domains[i] = fmt.Sprintf("%s-%04d.nl", label, i)
	}
	return domains
}
