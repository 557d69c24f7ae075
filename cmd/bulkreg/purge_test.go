package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/jackc/pgx/v5"
)

func TestPurge(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, reference := range []string{"old", "young"} {
		line := `{"domain":"` + reference + `.nl","holder":` + strings.Replace(annJSON, "ann@", reference+"@", 1) + "}\n"
		d.must(exitDone, "enqueue", "register", d.file(reference, line), "--order", reference, "--yes")
	}
	d.work(record.Register, fates{"old.nl": succeeds(record.Registered), "young.nl": succeeds(record.Registered)})
	d.sql(func(conn *pgx.Conn) error {
		_, err := conn.Exec(t.Context(), `
			WITH o AS (UPDATE orders SET created_at = now() - interval '100 days' WHERE reference = 'old' RETURNING id)
			UPDATE jobs SET finished_at = now() - interval '95 days' FROM o WHERE order_id = o.id`)
		return err
	})
	const remembered = `details IS NOT NULL`
	for name, tc := range map[string]struct {
		args   []string
		status int
		stderr string
	}{
		"without an age":   {nil, exitUsage, "--older-than is missing"},
		"without a yes":    {[]string{"--older-than", "90d"}, exitUsage, "add --yes to go on; nothing was changed"},
		"as a dry run":     {[]string{"--older-than", "90d", "--dry-run"}, exitDone, "the details of 1 holder are removed"},
		"of nothing":       {[]string{"--older-than", "96d", "--yes"}, exitDone, "There is nothing to remove"},
		"of a wrong age":   {[]string{"--older-than", "90"}, exitUsage, "want days or hours"},
		"with an argument": {[]string{"old"}, exitUsage, "purge takes no arguments"},
	} {
		r := d.must(tc.status, append([]string{"purge"}, tc.args...)...)
		if !strings.Contains(r.stderr, tc.stderr) || d.holders(remembered) != 2 {
			t.Errorf("%s: %d holders have their details, %s", name, d.holders(remembered), r.stderr)
		}
	}
	r := d.must(exitDone, "purge", "--older-than", "2160h", "--yes", "-o", "json")
	var got map[string]any
	if err := json.Unmarshal([]byte(r.stdout), &got); err != nil || got["orders"] != 1.0 || got["holders"] != 1.0 || got["dry_run"] != false {
		t.Errorf("purged %s, %v", r.stdout, err)
	}
	if d.holders(remembered) != 1 || d.holders(`details IS NULL AND digest IS NOT NULL`) != 1 {
		t.Error("the wrong details are gone")
	}
	if strings.Contains(r.stdout+r.stderr, "example.be") {
		t.Errorf("it prints what it removes: %s", r.stderr)
	}
}

func TestAge(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"90d": 90 * day, "36h": 36 * time.Hour, "1d12h": 36 * time.Hour, "1h": time.Hour, "36500d": maxAge,
		"": 0, "90": 0, "d": 0, "0d": 0, "0h": 0, "-1d": 0, "1.5d": 0, "1h1d": 0, "90D": 0, "90 d": 0, "30m": 0, "36501d": 0,
		"999999d999999h": 0, "9999999d": 0, "1d1d": 0,
	} {
		var a age
		err := a.Set(text)
		if time.Duration(a) != want || (err != nil) != (want == 0) {
			t.Errorf("%q: %v, %v; want %v", text, time.Duration(a), err, want)
		}
		var again age
		if err == nil && (again.Set(a.String()) != nil || again != a) {
			t.Errorf("%q is printed as %q", text, a.String())
		}
	}
}
