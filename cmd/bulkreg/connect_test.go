package main

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store/pgtest"
)

// A database that cannot be used is one line: which setting, which server, and what to do.
func TestDatabaseErrorsNameTheSetting(t *testing.T) {
	t.Parallel()
	const password = "hunter2"
	server, err := pgx.ParseConfig(pgtest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	there := fmt.Sprintf("host=%s port=%d user=%s", server.Host, server.Port, server.User)
	where := net.JoinHostPort(server.Host, fmt.Sprint(server.Port))
	if strings.HasPrefix(server.Host, "/") {
		where = server.Host
	}
	for name, tc := range map[string]struct {
		url  string
		want []string
	}{
		"nobody there": {"postgres://u:" + password + "@127.0.0.1:1/d",
			[]string{"the database is not reachable at 127.0.0.1:1 (DATABASE_URL): dial tcp 127.0.0.1:1: "}},
		"no such host": {"postgres://u:" + password + "@nowhere.invalid/d",
			[]string{"the database is not reachable at nowhere.invalid:5432 (DATABASE_URL): ", "nowhere.invalid"}},
		"no such database": {there + " dbname=nothing password=" + server.Password,
			[]string{"open the database at " + where, "(DATABASE_URL): ", `database "nothing" does not exist: create it, or correct the name`}},
		"no such user": {there + " user=nobody_at_all dbname=postgres password=" + password,
			[]string{"open the database at " + where, "(DATABASE_URL): ", `"nobody_at_all"`, "correct the user and the password"}},
		"wrong password": {there + " dbname=postgres password=" + password,
			[]string{"open the database at " + where, "(DATABASE_URL): ", "password authentication failed", "correct the user and the password"}},
	} {
		for _, command := range []string{"orders", "migrate"} {
			t.Run(name+", "+command, func(t *testing.T) {
				t.Parallel()
				r := runCommand(t, []string{"DATABASE_URL=" + tc.url}, command)
				for _, want := range tc.want {
					if !strings.Contains(r.stderr, want) {
						t.Errorf("%q is not in %q", want, r.stderr)
					}
				}
				if r.status != exitError || strings.Count(r.stderr, "\n") != 1 || strings.Count(r.stderr, "dial") > 1 {
					t.Errorf("status %d: %s", r.status, r.stderr)
				}
				for _, no := range []string{password, "look for schema"} {
					if strings.Contains(r.stderr, no) {
						t.Errorf("%q is in %q", no, r.stderr)
					}
				}
			})
		}
	}
}
