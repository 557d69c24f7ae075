package migrations_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"
	"golang.org/x/sync/errgroup"

	"github.com/bulkreg/bulkreg/migrations"
	"github.com/bulkreg/bulkreg/store/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// tables lists what a database holds.
func tables(t *testing.T, url string) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	rows, err := conn.Query(t.Context(), `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'`)
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// files lists the migrations, in order.
func files(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob("*.sql")
	if err != nil || len(names) == 0 {
		t.Fatalf("files %v, %v", names, err)
	}
	slices.Sort(names)
	return names
}

func TestUpRunsWhatIsMissing(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	applied, err := migrations.Up(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for i, a := range applied {
		names = append(names, a.Name)
		if a.Version != int64(i+1) {
			t.Errorf("%s has version %d, want %d", a.Name, a.Version, i+1)
		}
	}
	if want := files(t); !slices.Equal(names, want) {
		t.Errorf("applied %v, want %v", names, want)
	}
	got := tables(t, url)
	for _, want := range []string{migrations.VersionTable, "orders", "jobs", "chunks", "claims", "calls", "attempts", "readings", "delivery_marks"} {
		if !slices.Contains(got, want) {
			t.Errorf("no table %s among %v", want, got)
		}
	}
	if again, err := migrations.Up(t.Context(), url); err != nil || len(again) != 0 {
		t.Errorf("applied %v the second time, %v", again, err)
	}
}

func TestLatestIsTheNewestFile(t *testing.T) {
	t.Parallel()
	latest, err := migrations.Latest()
	if err != nil || latest != int64(len(files(t))) {
		t.Errorf("latest is %d, %v; want %d", latest, err, len(files(t)))
	}
}

func TestManyProcessesMigrateAtOnce(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	applied := make([][]migrations.Applied, 3)
	var g errgroup.Group
	for i := range applied {
		g.Go(func() (err error) {
			applied[i], err = migrations.Up(t.Context(), url)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if all := slices.Concat(applied...); len(all) != len(files(t)) {
		t.Errorf("applied %v, want each file once", all)
	}
}

func TestDownLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	if _, err := migrations.Up(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, os.DirFS("."), goose.WithTableName(migrations.VersionTable))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.DownTo(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if left := tables(t, url); !slices.Equal(left, []string{migrations.VersionTable}) {
		t.Errorf("left behind: %v", left)
	}
	if applied, err := migrations.Up(t.Context(), url); err != nil || len(applied) != len(files(t)) {
		t.Errorf("applied %v afterwards, %v", applied, err)
	}
}

// A migration that fails leaves the database as it was.
func TestFailedMigrationIsRolledBack(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if _, err := conn.Exec(t.Context(), `CREATE TABLE calls (mine text)`); err != nil { // in the way
		t.Fatal(err)
	}
	if applied, err := migrations.Up(t.Context(), url); err == nil || !strings.Contains(err.Error(), "run migrations") {
		t.Errorf("applied %v, %v", applied, err)
	}
	got := tables(t, url)
	slices.Sort(got)
	if want := []string{"calls", migrations.VersionTable}; !slices.Equal(got, want) {
		t.Errorf("tables %v, want %v", got, want)
	}
}

func TestUpEndsWithItsContext(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if applied, err := migrations.Up(ctx, url); err == nil {
		t.Errorf("applied %v", applied)
	}
	if got := tables(t, url); len(got) != 0 {
		t.Errorf("tables %v", got)
	}
}

// A password stands in the URL. Whatever is wrong with it, it is not repeated.
func TestUpKeepsThePasswordToItself(t *testing.T) {
	t.Parallel()
	const password = "s3cret-word"
	for name, url := range map[string]string{
		"no URL":            password,
		"another scheme":    "mysql://u:" + password + "@host/db",
		"port not a number": "postgres://u:" + password + "@host:port/db",
		"bad escape":        "postgres://u:" + password + "%zz@host/db",
		"slash in it":       "postgres://u:x/" + password + "@host/db",
		"bad keyword":       "host=h password=" + password + " port=none",
		"quote in it":       "host=h password='" + password,
		"nobody there":      "postgres://u:" + password + "@127.0.0.1:1/db",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			applied, err := migrations.Up(t.Context(), url)
			if err == nil || applied != nil {
				t.Fatalf("applied %v", applied)
			}
			if strings.Contains(err.Error(), password) {
				t.Errorf("error says %q", err)
			}
		})
	}
}
