package main

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/migrations"
	"github.com/bulkreg/bulkreg/store/pgtest"
)

func TestMigrate(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	environ := []string{"DATABASE_URL=" + url}

	first := runCommand(t, environ, "migrate")
	if first.status != exitDone || !strings.HasPrefix(first.stdout, "applied 00001_") {
		t.Fatalf("status %d, %q, %s", first.status, first.stdout, first.stderr)
	}
	again := runCommand(t, environ, "migrate")
	if again.status != exitDone || again.stdout != "the database is up to date\n" {
		t.Errorf("again: status %d, %q, %s", again.status, again.stdout, again.stderr)
	}

	setVersion(t, url, 99)
	newer := runCommand(t, environ, "migrate")
	if newer.status != exitError || !strings.Contains(newer.stderr, "version 99, newer than this bulkreg knows") || newer.stdout != "" {
		t.Errorf("on a newer schema: status %d, %q, %s", newer.status, newer.stdout, newer.stderr)
	}
}

// Whoever waits for a migration changes nothing, and goes on when somebody else has made it.
func TestMigrateWaits(t *testing.T) {
	t.Parallel()
	environ := []string{"DATABASE_URL=" + pgtest.New(t)}
	waiting := startCommand(t, environ, "migrate", "--wait")
	waiting.stderr.await(t, "waiting for `bulkreg migrate`", waiting.ended)
	if r := runCommand(t, environ, "migrate"); r.status != exitDone || !strings.HasPrefix(r.stdout, "applied 00001_") {
		t.Fatalf("migrate: %+v", r)
	}
	<-waiting.ended
	if r := waiting.result(); r.status != exitDone || r.stdout != "the database is up to date\n" {
		t.Errorf("whoever waited: %+v", r)
	}
	if r := runCommand(t, nil, "migrate", "--wait"); r.status != exitUsage || !strings.Contains(r.stderr, "DATABASE_URL is not set") {
		t.Errorf("for nothing: %+v", r)
	}
}

func TestMigrateWithoutDatabase(t *testing.T) {
	t.Parallel()
	r := runCommand(t, []string{"DATABASE_URL=postgres://u:hunter2@127.0.0.1:1/d"}, "migrate")
	if r.status != exitError || !strings.Contains(r.stderr, "127.0.0.1:1") || strings.Contains(r.stderr, "hunter2") {
		t.Errorf("status %d, %s", r.status, r.stderr)
	}
}

// setVersion makes a database one that a newer bulkreg has migrated.
func setVersion(t *testing.T, url string, version int64) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Exec(t.Context(), `INSERT INTO `+migrations.VersionTable+` (version_id, is_applied) VALUES ($1, true)`, version)
	if cerr := conn.Close(t.Context()); err == nil {
		err = cerr
	}
	if err != nil {
		t.Fatal(err)
	}
}
