package store_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store"
)

const password = "s3cret-word"

// A password stands in the URL. Whatever is wrong with it or with the server, it is not repeated.
func TestOpenKeepsThePasswordToItself(t *testing.T) {
	t.Parallel()
	b := setup(t)
	server, err := pgx.ParseConfig(b.url)
	if err != nil {
		t.Fatal(err)
	}
	at := func(host string, port uint16) string {
		u := url.URL{Scheme: "postgres", User: url.UserPassword(server.User, password), Path: "/no_such_database"}
		u.RawQuery = url.Values{"host": {host}, "port": {fmt.Sprint(port)}, "sslmode": {"disable"}}.Encode()
		return u.String()
	}
	const nobody = 1 // a port that was free a moment ago may be somebody's now
	for name, c := range map[string]struct {
		url         string
		unavailable bool
	}{
		"no URL":            {password, false},
		"port not a number": {"postgres://u:" + password + "@host:port/db", false},
		"bad escape":        {"postgres://u:" + password + "%zz@host/db", false},
		"hash in it":        {fmt.Sprintf("postgres://u:#%s@127.0.0.1:%d/db?sslmode=disable", password, nobody), true},
		"bad keyword":       {"host=h password=" + password + " port=none", false},
		"refused by server": {at(server.Host, server.Port), false},
		"nobody there":      {at("127.0.0.1", nobody), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := store.Open(t.Context(), c.url, store.Options{ConnectTimeout: 10 * time.Second})
			if err == nil || s != nil {
				t.Fatalf("opened %v", s)
			}
			if strings.Contains(err.Error(), password) {
				t.Errorf("error says %q", err)
			}
			if errors.Is(err, store.ErrUnavailable) != c.unavailable {
				t.Errorf("error is %v; unavailable should be %v", err, c.unavailable)
			}
			wantOurs(t, name, err)
		})
	}
}
