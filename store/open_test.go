package store_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/pg"

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
			if errors.Is(err, pg.ErrUnavailable) != c.unavailable {
				t.Errorf("error is %v; unavailable should be %v", err, c.unavailable)
			}
			wantOurs(t, name, err)
		})
	}
}

// Rights that the user lacks are told at once, in one line: they do not come by waiting.
func TestOpenTellsOfMissingRights(t *testing.T) {
	t.Parallel()
	b := setup(t)
	role := "r" + strings.ReplaceAll(newID().String(), "-", "")
	b.exec(`CREATE ROLE ` + role + ` LOGIN PASSWORD 'p'`)
	t.Cleanup(func() {
		if _, err := b.db.Exec(context.Background(), `DROP ROLE `+role); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(b.url)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, "p")
	_, err = store.Open(t.Context(), u.String(), store.Options{})
	var refused *pg.Error
	if !errors.As(err, &refused) || refused.Code != "42501" || !strings.Contains(err.Error(), "permission denied") ||
		!strings.Contains(err.Error(), "(DATABASE_URL)") || strings.Contains(err.Error(), "\n") {
		t.Errorf("error is %v", err)
	}
}

// What a session cannot have is refused by name, wherever it is asked for.
func TestOpenRefusesContradictions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, setting := range []string{"default_query_exec_mode=simple_protocol", "statement_timeout=0", "client_encoding=LATIN1"} {
		name, _, _ := strings.Cut(setting, "=")
		_, err := store.Open(t.Context(), b.url+"&"+setting, store.Options{})
		if err == nil || errors.Is(err, pg.ErrUnavailable) || !strings.Contains(err.Error(), "the setting "+name+" of DATABASE_URL") {
			t.Errorf("%s: %v", setting, err)
		}
	}
}
