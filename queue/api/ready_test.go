package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/migrations"
	"github.com/bulkreg/bulkreg/queue/api"
)

// A server is ready on the schemas that it works on, and no others: the database may be migrated, or restored, while it runs.
func TestReadyOnItsSchemas(t *testing.T) {
	t.Parallel()
	d := setup(t).as("")
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := d.store.Pool.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	ready := func(why string) {
		t.Helper()
		if why == "" {
			d.get("/readyz").want(http.StatusOK)
			return
		}
		a := d.get("/readyz").want(http.StatusServiceUnavailable)
		if p := a.problem("unavailable"); !strings.Contains(p.Detail, why) || a.Header.Get("Retry-After") == "" {
			t.Errorf("want %q, got %s", why, a.body)
		}
	}
	newest, err := migrations.Latest()
	if err != nil {
		t.Fatal(err)
	}
	ready("")
	exec(`INSERT INTO `+migrations.VersionTable+` (version_id, is_applied) VALUES ($1, true)`, newest+1)
	ready("newer than this bulkreg knows")
	exec(`INSERT INTO schema_versions (version, works_since) VALUES ($1, $2)`, newest+1, newest) // as a migration that this program can live with
	ready("")
	exec(`DELETE FROM `+migrations.VersionTable+` WHERE version_id >= $1`, migrations.Oldest)
	ready("this bulkreg needs")
	exec(`DROP TABLE ` + migrations.VersionTable)
	ready("no bulkreg schema")
}

// Whoever probes is answered in time, although the database says nothing.
func TestReadyIsAnsweredInTime(t *testing.T) {
	t.Parallel()
	d := setup(t, func(o *api.Options) { o.ReadyPatience = 50 * time.Millisecond }).as("")
	tx, err := d.store.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `LOCK TABLE `+migrations.VersionTable); err != nil {
		t.Fatal(err)
	}
	d.get("/readyz").want(http.StatusServiceUnavailable).problem("unavailable")
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.eventually(func() bool { return d.get("/readyz").StatusCode == http.StatusOK })
}
