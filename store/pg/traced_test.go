package pg

import "testing"

func TestSpanName(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"SELECT now()": "select", "begin": "begin", "INSERT INTO orders (id) VALUES ($1)": "insert into orders",
		"WITH a AS (SELECT FROM jobs), b AS (UPDATE  jobs SET x = 1) SELECT": "update jobs", "SELECT 1 FROM holds h": "read holds",
		"delete from\n\tnew_events": "delete from new_events", "": "", "SELECT$1||'jan@example.nl'": "statement",
	} {
		if got := spanName(sql); got != want {
			t.Errorf("%q is %q, want %q", sql, got, want)
		}
	}
}
