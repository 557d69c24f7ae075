package store_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/pgtest"
)

// clockSchema shadows the clock of Postgres for whoever has it first in his search path.
const clockSchema = `
	CREATE SCHEMA clock;
	CREATE TABLE clock.hand (at timestamptz NOT NULL);
	INSERT INTO clock.hand VALUES (now());
	CREATE FUNCTION clock.now() RETURNS timestamptz STABLE LANGUAGE sql AS 'SELECT at FROM clock.hand';
	ALTER TABLE public.attempts ALTER COLUMN opened_at SET DEFAULT clock.now()`

// setupAt is setup of a database whose clock stands still, until set moves it.
func setupAt(t *testing.T, at time.Time) *bench {
	t.Helper()
	b := &bench{t: t, url: pgtest.New(t, migrate)}
	plain, err := pgxpool.New(t.Context(), b.url)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if _, err := plain.Exec(t.Context(), clockSchema); err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse(b.url)
	if err != nil {
		t.Fatal(err)
	}
	query := address.Query()
	query.Set("search_path", "clock,public,pg_catalog")
	address.RawQuery = query.Encode()
	b.url = address.String()
	b.store = b.open(store.Options{})
	if b.db, err = pgxpool.New(t.Context(), b.url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.db.Close)
	b.set(at)
	return b
}

func (b *bench) set(at time.Time) {
	b.t.Helper()
	b.exec(`UPDATE clock.hand SET at = $1`, at)
}
