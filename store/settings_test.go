package store_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/pgserver"
)

func TestDurabilityDecides(t *testing.T) {
	t.Parallel()
	safe := pg.Durability{Fsync: true, FullPageWrites: true, SynchronousCommit: true}
	for name, c := range map[string]struct {
		change func(*pg.Durability)
		off    []string // refused for these
		warns  bool
	}{
		"as it must be":            {func(*pg.Durability) {}, nil, false},
		"no fsync":                 {func(d *pg.Durability) { d.Fsync = false }, []string{"fsync=off"}, false},
		"no full pages":            {func(d *pg.Durability) { d.FullPageWrites = false }, []string{"full_page_writes=off"}, false},
		"neither":                  {func(d *pg.Durability) { d.Fsync, d.FullPageWrites = false, false }, []string{"fsync=off", "full_page_writes=off"}, false},
		"commits that do not wait": {func(d *pg.Durability) { d.SynchronousCommit = false }, nil, true},
		"nothing, and allowed":     {func(d *pg.Durability) { *d = pg.Durability{UnsafeAllowed: true} }, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := safe
			c.change(&d)
			err := d.Refusal()
			var unsafe *pg.UnsafeError
			switch {
			case c.off == nil && err != nil:
				t.Errorf("refused: %v", err)
			case c.off != nil && (!errors.As(err, &unsafe) || !slices.Equal(unsafe.Settings, c.off)):
				t.Errorf("error %v, want one about %v", err, c.off)
			case c.off != nil && (!strings.Contains(err.Error(), strings.Join(c.off, " and ")) || strings.Contains(err.Error(), "\n")):
				t.Errorf("it says %q", err)
			}
			if got := d.Warning(); (got != "") != c.warns || c.warns && !strings.Contains(got, "synchronous_commit=off") {
				t.Errorf("it warns %q", got)
			}
		})
	}
}

func TestWarningsNameWhatMayBeForgotten(t *testing.T) {
	t.Parallel()
	safe := pg.Durability{Fsync: true, FullPageWrites: true, SynchronousCommit: true}
	for name, c := range map[string]struct {
		change func(*pg.Durability)
		want   []string
	}{
		"a standby that commits wait for": {func(d *pg.Durability) { d.Standbys = 1 }, nil},
		"one that they do not":            {func(d *pg.Durability) { d.Standbys, d.Asynchronous = 2, 1 }, []string{"1 of its 2 standbys", "synchronous_standby_names"}},
		"an origin that is not told":      {func(d *pg.Durability) { d.OriginHidden = true }, []string{"goes unnoticed", "pg_control_system"}},
		"both": {func(d *pg.Durability) { d.Standbys, d.Asynchronous, d.OriginHidden = 1, 1, true },
			[]string{"1 of its 1 standbys", "; besides, ", "goes unnoticed"}},
		"both, and allowed": {func(d *pg.Durability) {
			d.Standbys, d.Asynchronous, d.OriginHidden, d.UnsafeAllowed = 1, 1, true, true
		}, nil},
	} {
		d := safe
		c.change(&d)
		got := d.Warning()
		if (got != "") != (c.want != nil) || strings.Contains(got, "\n") {
			t.Errorf("%s: it warns %q", name, got)
		}
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: it warns %q, want %q in it", name, got, want)
			}
		}
	}
}

// A server of its own: a throwaway one says of itself that it may lose what it was given, and others do not.
func TestDurabilityOfAServer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options    pgserver.Options
		parameters string // of the URL
		want       pg.Durability
	}{
		"throwaway": {pgserver.Options{}, "", pg.Durability{UnsafeAllowed: true}},
		"durable": {pgserver.Options{Durable: true}, "",
			pg.Durability{Fsync: true, FullPageWrites: true, SynchronousCommit: true}},
		"unsafe": {pgserver.Options{Durable: true, Settings: map[string]string{"fsync": "off"}}, "",
			pg.Durability{FullPageWrites: true, SynchronousCommit: true}},
		"unsafe, and allowed by who connects": {pgserver.Options{Durable: true, Settings: map[string]string{"full_page_writes": "off"}},
			"&bulkreg.unsafe=allow", pg.Durability{Fsync: true, SynchronousCommit: true, UnsafeAllowed: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, err := pgserver.Start(t.Context(), c.options)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := server.Stop(); err != nil {
					t.Error(err)
				}
			})
			address := server.URL("") + c.parameters
			if err := migrate(t.Context(), address); err != nil {
				t.Fatal(err)
			}
			s, err := store.Open(t.Context(), address, store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if d, err := s.Durability(t.Context()); err != nil || d != c.want {
				t.Errorf("%+v, %v; want %+v", d, err, c.want)
			}
		})
	}
}

// What is promised is committed synchronously, whatever the default. A default that is stronger stays.
func TestPromisesAreCommittedSynchronously(t *testing.T) {
	t.Parallel()
	for byDefault, want := range map[string]string{"off": "on", "on": "on", "local": "local", "remote_apply": "remote_apply"} {
		t.Run(byDefault, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.exec(`CREATE TABLE seen (setting text)`)
			b.exec(`CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
				$$ BEGIN INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$`)
			b.exec(`CREATE TRIGGER note BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION note()`)
			b.exec(`CREATE TRIGGER note BEFORE INSERT ON attempts FOR EACH ROW EXECUTE FUNCTION note()`)
			b.exec(`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = ` + byDefault + `', current_database()); END $$`)
			b.store = b.open(store.Options{})
			h := b.running(record.Register, "a.nl")
			b.intend(h)
			if got := list[string](b, `SELECT setting FROM seen`); !slices.Equal(got, []string{want, want}) {
				t.Errorf("the order and its intent were committed with %q, want %s", got, want)
			}
		})
	}
}
