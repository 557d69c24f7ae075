package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store/record"
)

func TestPrune(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, reference := range []string{"old", "young"} {
		d.must(exitDone, "enqueue", "whois", reference+"-1.nl", reference+"-2.nl", "--order", reference)
	}
	d.work(record.Whois, fates{
		"old-1.nl": succeeds(record.Taken), "old-2.nl": succeeds(record.Available), "young-1.nl": succeeds(record.Taken), "young-2.nl": succeeds(record.Taken),
	})
	if _, err := d.st.Events.Bookkeeper().Round(t.Context(), 1000); err != nil {
		t.Fatal(err)
	}
	d.sql(func(conn *pgx.Conn) error {
		_, err := conn.Exec(t.Context(), `
			WITH o AS (UPDATE orders SET created_at = now() - interval '100 days' WHERE reference = 'old' RETURNING id)
			UPDATE order_counts SET last_at = now() - interval '95 days' FROM o WHERE order_id = o.id`)
		return err
	})
	for name, tc := range map[string]struct {
		args   []string
		status int
		stderr string
	}{
		"without an age":   {nil, exitUsage, "neither RETENTION_WHOIS nor RETENTION_TOKEN says so"},
		"without a yes":    {[]string{"--older-than", "90d"}, exitUsage, "add --yes to go on; nothing was changed"},
		"as a dry run":     {[]string{"--older-than", "90d", "--dry-run"}, exitDone, "2 jobs of 1 order, of kind whois"},
		"of nothing":       {[]string{"--older-than", "96d", "--yes"}, exitDone, "0 jobs of 0 orders"},
		"of registrations": {[]string{"--older-than", "90d", "--kind", "register", "--yes"}, exitUsage, "registrations are kept for ever"},
		"with an argument": {[]string{"old"}, exitUsage, "prune takes no arguments"},
	} {
		r := d.must(tc.status, append([]string{"prune"}, tc.args...)...)
		if !strings.Contains(r.stderr, tc.stderr) {
			t.Errorf("%s: %s", name, r.stderr)
		}
		d.must(exitDone, "jobs", "old")
	}
	d.environ = append(d.environ, "RETENTION_WHOIS=2160h")
	r := d.must(exitDone, "prune", "--yes", "-o", "json")
	var got []map[string]any
	if err := json.Unmarshal([]byte(r.stdout), &got); err != nil || len(got) != 1 || got[0]["jobs"] != 2.0 || got[0]["older_than"] != "90d" {
		t.Errorf("pruned %s, %v", r.stdout, err)
	}
	for _, args := range [][]string{{"jobs", "old"}, {"export", "old"}, {"retry", "old", "--yes", "--by", "ann"}, {"cancel", "old", "--yes", "--by", "ann"}} {
		if r := d.must(exitError, args...); !strings.Contains(r.stderr, `the jobs of order "old" are not kept any more`) || r.stdout != "" {
			t.Errorf("%v: %s%s", args, r.stdout, r.stderr)
		}
	}
	if r := d.must(exitDone, "order", "old"); !strings.Contains(r.stdout, "available 1, taken 1") || !strings.Contains(r.stdout, "Jobs removed") {
		t.Errorf("the order is %s", r.stdout)
	}
	d.must(exitDone, "jobs", "young")
	d.must(exitDone, "audit")
}
