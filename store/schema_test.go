package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/migrations"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/pgtest"
)

func TestOpenRefusesAnotherSchema(t *testing.T) {
	t.Parallel()
	latest, err := migrations.Latest()
	if err != nil {
		t.Fatal(err)
	}
	const versions = migrations.VersionTable
	for name, c := range map[string]struct {
		change string
		have   int64
		says   string
	}{
		"newer":       {`INSERT INTO ` + versions + ` (version_id, is_applied) VALUES (7001, true)`, 7001, "version 7001, newer than this bulkreg knows"},
		"rolled back": {`DELETE FROM ` + versions + ` WHERE version_id > 0`, 0, "has no bulkreg schema"},
		"not applied": {`UPDATE ` + versions + ` SET is_applied = false`, 0, "has no bulkreg schema"},
		"emptied":     {`TRUNCATE ` + versions, 0, "has no bulkreg schema"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.exec(c.change)
			wantSchemaError(t, b.url, pg.SchemaError{Have: c.have, Want: latest}, c.says)
		})
	}
	t.Run("empty database", func(t *testing.T) {
		t.Parallel()
		wantSchemaError(t, pgtest.New(t), pg.SchemaError{Want: latest}, "has no bulkreg schema")
	})
}

// A newer schema that says so works with this program, and so do all from the oldest one on.
func TestOpenAcceptsARangeOfSchemas(t *testing.T) {
	t.Parallel()
	latest, err := migrations.Latest()
	if err != nil {
		t.Fatal(err)
	}
	if migrations.Oldest > latest {
		t.Errorf("the oldest schema, %d, is newer than the newest, %d", migrations.Oldest, latest)
	}
	const newer = `WITH newer AS (INSERT INTO ` + migrations.VersionTable + ` (version_id, is_applied) VALUES ($1::bigint + 1, true))
		INSERT INTO schema_versions (version, works_since) VALUES ($1::bigint + 1, $1::bigint + $2::bigint)`
	for name, c := range map[string]struct {
		after int64 // works_since, after the newest that this program knows
		opens bool
	}{
		"that works with this program":       {0, true},
		"that works with the one before":     {-1, true},
		"that needs a program that knows it": {1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.exec(newer, latest, c.after)
			if !c.opens {
				wantSchemaError(t, b.url, pg.SchemaError{Have: latest + 1, Want: latest}, "newer than this bulkreg knows")
				return
			}
			b.submit(newOrder(record.Whois, "r"), "a.nl")
			if err := b.open(store.Options{}).Ping(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// What an earlier release has left is an older schema, and not none: nobody may take the database for a new one.
func TestOpenKnowsAnEarlierRelease(t *testing.T) {
	t.Parallel()
	latest, err := migrations.Latest()
	if err != nil {
		t.Fatal(err)
	}
	b := setup(t)
	b.exec(`DROP TABLE schema_versions, lineage`)
	b.exec(`DELETE FROM ` + migrations.VersionTable + ` WHERE version_id > 9`)
	b.exec(`ALTER TABLE ` + migrations.VersionTable + ` RENAME TO goose_db_version`)
	wantSchemaError(t, b.url, pg.SchemaError{Have: 9, Want: latest}, "at version 9")
}

func wantSchemaError(t *testing.T, url string, want pg.SchemaError, says string) {
	t.Helper()
	s, err := store.Open(t.Context(), url, store.Options{})
	var got *pg.SchemaError
	if !errors.As(err, &got) || *got != want || s != nil {
		t.Fatalf("opened %v, error %v; want %+v", s, err, want)
	}
	if !strings.Contains(err.Error(), says) {
		t.Errorf("error says %q, want %q in it", err, says)
	}
}

func TestSchemaErrorTellsWhatToRun(t *testing.T) {
	t.Parallel()
	for e, want := range map[pg.SchemaError]string{
		{Have: 0, Want: 3}: "the database has no bulkreg schema",
		{Have: 2, Want: 3}: "the database schema is at version 2, this bulkreg needs 3",
		{Have: 4, Want: 3}: "the database schema is at version 4, newer than this bulkreg knows (3): run a newer bulkreg",
	} {
		if got := e.Error(); got != want {
			t.Errorf("%+v says %q, want %q", e, got, want)
		}
	}
}

func TestOpenKeepsToItsBounds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.open(store.Options{MaxConns: 2})
	var stops []func()
	for range 2 {
		conn, err := s.Pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		stops = append(stops, conn.Release)
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.Ping(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with two connections in use: %v", err)
	}
	stops[0]()
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("with one in use: %v", err)
	}
	stops[1]()
}
