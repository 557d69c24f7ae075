package pgtest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestMain(m *testing.M) { Main(m) }

// Shared by all tests of this package, to count the runs of a migration.
var migrations atomic.Int32

func createJobs(ctx context.Context, url string) error {
	migrations.Add(1)
	return createJobTable(ctx, url)
}

func createJobTable(ctx context.Context, url string) error {
	return execute(ctx, url, "CREATE TABLE job (domain text PRIMARY KEY)")
}

func addExample(ctx context.Context, url string) error {
	return execute(ctx, url, "INSERT INTO job VALUES ('example.nl')")
}

func refuse(context.Context, string) error { return errors.New("no such schema") }

func execute(ctx context.Context, url, statement string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

func count(ctx context.Context, url string) (n int, err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, err
	}
	err = conn.QueryRow(ctx, "SELECT count(*) FROM job").Scan(&n)
	return n, errors.Join(err, conn.Close(ctx))
}

func wantJobs(t *testing.T, url string, want int) {
	t.Helper()
	if n, err := count(t.Context(), url); err != nil || n != want {
		t.Errorf("%d jobs, %v; want %d", n, err, want)
	}
}

func TestParallelTestsHaveFreshDatabases(t *testing.T) {
	t.Parallel()
	t.Run("group", func(t *testing.T) {
		for range 8 {
			t.Run("one", func(t *testing.T) {
				t.Parallel()
				url := New(t, createJobs)
				wantJobs(t, url, 0)
				if err := addExample(t.Context(), url); err != nil {
					t.Error(err)
				}
				wantJobs(t, url, 1)
			})
		}
	})
	if n := migrations.Load(); n != 1 {
		t.Errorf("the migration ran %d times", n)
	}
}

func TestMigrationsAreChained(t *testing.T) {
	t.Parallel()
	// addExample alone would fail, and New would not hand out createJobs's template for both.
	url := New(t, createJobTable, addExample)
	wantJobs(t, url, 1)
}

func TestWithoutMigrationTheDatabaseIsEmpty(t *testing.T) {
	t.Parallel()
	if _, err := count(t.Context(), New(t)); err == nil || !strings.Contains(err.Error(), "42P01") {
		t.Errorf("reading a table: %v", err)
	}
}

func TestDatabaseGoesWithItsTest(t *testing.T) {
	t.Parallel()
	var url string
	var conn *pgx.Conn
	t.Run("owner", func(t *testing.T) {
		url = New(t, createJobs)
		var err error
		// Left open on purpose: the database must go all the same.
		if conn, err = pgx.Connect(context.Background(), url); err != nil {
			t.Fatal(err)
		}
	})
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("a connection outlived its test")
	}
	if _, err := count(t.Context(), url); err == nil || !strings.Contains(err.Error(), "3D000") {
		t.Errorf("after the test: %v", err)
	}
}

func TestFailedMigrationIsReportedToEachTest(t *testing.T) {
	t.Parallel()
	for range 2 {
		_, err := shared.create(t.Context(), []Migrate{refuse})
		if err == nil || !strings.Contains(err.Error(), "migrate template: no such schema") {
			t.Errorf("error is %v", err)
		}
	}
}

func TestURLKeepsWhatTheServerNeeds(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"postgres://u:p@h:5433/postgres?sslmode=require": "postgres://u:p@h:5433/fresh?sslmode=require",
		"postgres:///?host=/run/postgresql":              "postgres:///fresh?host=/run/postgresql",
		"host=h user=u dbname=postgres":                  "host=h user=u dbname=postgres dbname=fresh",
	} {
		if got := (&cluster{base: base}).url("fresh"); got != want {
			t.Errorf("url from %q = %q, want %q", base, got, want)
		}
	}
}

func TestPrivateServerKeepsCommitsOverADeath(t *testing.T) {
	t.Parallel()
	s := Server(t)
	if err := createJobTable(t.Context(), s.URL("")); err != nil {
		t.Fatal(err)
	}
	if err := addExample(t.Context(), s.URL("")); err != nil {
		t.Fatal(err)
	}
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantJobs(t, s.URL(""), 1)
}

// TestProgramsShareAServer runs this package's tests three times at once on one server and then looks whether they
// left anything behind.
func TestProgramsShareAServer(t *testing.T) {
	if os.Getenv("PGTEST_CHILD") != "" {
		return
	}
	t.Parallel()
	s := Server(t)
	results := make(chan error)
	for range 3 {
		go func() {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=Parallel|Chained|Goes|Failed", "-test.timeout=2m")
			cmd.Env = append(os.Environ(), "TEST_DATABASE_URL="+s.URL(""), "PGTEST_CHILD=yes")
			output, err := cmd.CombinedOutput()
			if err != nil {
				err = errors.Join(err, errors.New(string(output)))
			}
			results <- err
		}()
	}
	for range 3 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	conn, err := pgx.Connect(t.Context(), s.URL(""))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var databases string
	err = conn.QueryRow(t.Context(), "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database").Scan(&databases)
	if err != nil || databases != "postgres template0 template1" {
		t.Errorf("databases left: %s, %v", databases, err)
	}
}
