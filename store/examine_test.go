package store_test

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bulkreg/bulkreg/migrations"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/pgtest"
)

func TestExamination(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`ALTER TABLE attempts SET (autovacuum_enabled = off)`)
	e, err := b.store.Examine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if e.Number < 130000 || !strings.HasPrefix(e.Version, "1") || e.Encoding != "UTF8" || e.Standby || !e.Autovacuum || e.OldestTx != 0 || e.OldestIs != "" {
		t.Errorf("got %+v", e)
	}
	if time.Since(e.Now).Abs() > time.Minute {
		t.Errorf("its clock says %s", e.Now)
	}
	for _, table := range e.Tables {
		if table.Unvacuumed != (table.Name == "attempts") {
			t.Errorf("got %+v", table)
		}
	}
	if !slices.ContainsFunc(e.Tables, func(s pg.TableState) bool { return s.Name == "jobs" }) {
		t.Errorf("no table jobs in %+v", e.Tables)
	}

	conn, err := b.db.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(t.Context(), `BEGIN`); err != nil {
		t.Fatal(err)
	}
	if e, err = b.store.Examine(t.Context()); err != nil || e.OldestTx <= 0 || !strings.HasSuffix(e.OldestIs, "idle in transaction") {
		t.Errorf("got %s, %q, %v", e.OldestTx, e.OldestIs, err)
	}
	if _, err := conn.Exec(t.Context(), `ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	if took, err := b.store.TryCommit(t.Context()); err != nil || took <= 0 {
		t.Errorf("a commit took %s, %v", took, err)
	}
}

// Asking which Postgres this is changes nothing on record.
func TestOriginIsCompared(t *testing.T) {
	t.Parallel()
	b := setup(t)
	o, err := b.store.Origin(t.Context())
	if err != nil || o.System == "" || o.Timeline == 0 || o.Other != "" || !o.KnownAt.IsZero() {
		t.Fatalf("with none on record: %+v, %v", o, err)
	}
	if n := get[int](b, `SELECT count(*) FROM lineage`); n != 0 {
		t.Fatalf("%d on record", n)
	}
	guarded := b.open(store.Options{})
	if err := guarded.Guard(t.Context(), nil, func(pg.Restored) {}); err != nil {
		t.Fatal(err)
	}
	if o, err = b.store.Origin(t.Context()); err != nil || o.Other != "" || o.KnownAt.IsZero() {
		t.Errorf("with this one on record: %+v, %v", o, err)
	}
	b.exec(`UPDATE lineage SET timeline = timeline + 1`)
	if o, err = b.store.Origin(t.Context()); err != nil || !strings.Contains(o.Other, "is on timeline 1, and was on 2") {
		t.Errorf("with another one on record: %+v, %v", o, err)
	}
	if n := get[int](b, `SELECT count(*) FROM holds`); n != 0 {
		t.Errorf("%d holds were placed", n)
	}
}

// Whoever looks at the server gets to see it whatever its schema and encoding.
func TestAnySchema(t *testing.T) {
	t.Parallel()
	base := pgtest.New(t)
	u, err := url.Parse(base)
	if err != nil {
		t.Skip("the address of the server is of another form")
	}
	admin, err := pgxpool.New(t.Context(), base)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	name := strings.TrimPrefix(u.Path, "/") + "_latin1"
	if _, err := admin.Exec(t.Context(), `CREATE DATABASE `+name+` ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if _, err := admin.Exec(t.Context(), `DROP DATABASE `+name+` WITH (FORCE)`); err != nil {
			t.Error(err)
		}
	}()
	u.Path = "/" + name
	s, err := store.Open(t.Context(), u.String(), store.Options{AnySchema: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if e, err := s.Examine(t.Context()); err != nil || e.Encoding != "LATIN1" {
		t.Errorf("got %+v, %v", e, err)
	}
	newest, err := migrations.Latest()
	var schema *pg.SchemaError
	if failed := s.CheckSchema(t.Context()); err != nil || !errors.As(failed, &schema) || schema.Have != 0 || schema.Want != newest {
		t.Errorf("got %v, %v", failed, err)
	}
}

// A commit that waits for a standby which is not there does not end, and shows so.
func TestCommitThatWaitsForNobody(t *testing.T) {
	t.Parallel()
	address := pgtest.Server(t).URL("")
	if err := migrate(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	b := on(t, address)
	if took, err := b.store.TryCommit(t.Context()); err != nil {
		t.Fatalf("after %s: %v", took, err)
	}
	b.exec(`ALTER SYSTEM SET synchronous_standby_names = 'nobody'`)
	b.exec(`SELECT pg_reload_conf()`)
	// Commits wait from when the checkpointer has heard of it.
	for begun := time.Now(); ; {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		took, err := b.store.TryCommit(ctx)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) && took >= 300*time.Millisecond {
			break
		}
		if err != nil || time.Since(begun) > 20*time.Second {
			t.Fatalf("after %s: %v", took, err)
		}
	}
	if e, err := b.store.Examine(t.Context()); err != nil || !e.Autovacuum {
		t.Errorf("afterwards: %+v, %v", e, err)
	}
}
