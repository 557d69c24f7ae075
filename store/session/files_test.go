//go:build unix

package session_test

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/session"
)

// refusalOf is what is refused of an address, nil for nothing, or the test ends: the driver would wait for a pipe for ever.
func refusalOf(t *testing.T, address string) *session.RefusedError {
	t.Helper()
	read := make(chan error, 1)
	go func() {
		_, err := session.Config(address, session.Use{})
		read <- err
	}()
	select {
	case err := <-read:
		var refused *session.RefusedError
		errors.As(err, &refused)
		return refused
	case <-time.After(10 * time.Second):
		t.Fatalf("%s is being read to this day", address)
		return nil
	}
}

// must fails a test for an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// What the driver reads while it reads an address is looked at first, however the address is written.
func TestFilesThatGiveNothingAreRefused(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	pipe, large := filepath.Join(dir, "a pipe"), filepath.Join(dir, "large")
	must(t, syscall.Mkfifo(pipe, 0o600))
	must(t, os.WriteFile(large, nil, 0o600))
	must(t, os.Truncate(large, 1<<40))
	service := filepath.Join(dir, "services")
	must(t, os.WriteFile(service, []byte("[other]\nhost=h\n[shop]\nhost=h\nsslmode=require\nsslrootcert = "+pipe+"\n"), 0o600))
	escaped := strings.ReplaceAll(url.PathEscape(pipe), "/", "%2F")
	for address, want := range map[string]string{
		"postgres://u:p@h/d?sslrootcert=" + escaped:                               "sslrootcert",
		"postgresql://h?sslmode=require&sslrootcert=%2fdev%2fzero":                "sslrootcert",
		"postgres://u:p?x@h/d?sslmode=require&%73slrootcert=" + escaped:           "sslrootcert",
		"postgres://h/d?sslmode=require&sslrootcert=" + large:                     "sslrootcert",
		"postgres://h/d?sslmode=require&sslrootcert=" + dir:                       "sslrootcert",
		"postgres://h/d?sslmode=require&sslcert=" + escaped + "&sslkey=" + pipe:   "sslkey",
		"postgres://h/d?sslmode=require&sslcert=" + escaped:                       "sslcert",
		"postgres://u@h/d?passfile=" + escaped:                                    "passfile",
		"postgres://u@h/d?service=shop&servicefile=" + escaped:                    "servicefile",
		"postgres://u@h/d?service=shop&servicefile=" + service:                    "sslrootcert",
		"host=h user=u passfile='" + pipe + "'":                                   "passfile",
		"host = h passfile = " + strings.ReplaceAll(pipe, " ", `\ `) + " user=u":  "passfile",
		`password='it\'s sslkey=x' passfile='' host=h sslrootcert='` + pipe + "'": "sslrootcert",
		"host=h service=shop\tservicefile=" + service:                             "sslrootcert",

		"postgres://u:p@h/d?service=other&servicefile=" + service:                             "",
		"postgres://u:p@h/d?sslmode=require&service=shop&sslrootcert=&servicefile=" + service: "",
		"postgres://u@h/d?passfile=/dev/null":                                                 "",
		"postgres://u:p@h/d?sslrootcert=system":                                               "",
		"postgres://u:p@h/d?servicefile=" + escaped:                                           "", // no service
		"postgres://u:p@h/d?passfile=" + filepath.Join(dir, "none"):                           "",
	} {
		refused := refusalOf(t, address)
		switch {
		case want == "" && refused != nil:
			t.Errorf("%s: %v", address, refused)
		case want == "":
		case refused == nil || refused.Setting != want || strings.Contains(refused.Error(), "\n") || !strings.Contains(refused.Error(), "give a regular file"):
			t.Errorf("%s: %v, want a refusal of %s", address, refused, want)
		}
	}
}

// The environment and the home folder name files as well.
func TestFilesOfTheEnvironmentAreRefused(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	pipe := filepath.Join(home, "pipe")
	must(t, syscall.Mkfifo(pipe, 0o600))
	const address = "postgres://u@h/d?sslmode=require"
	for setting, variable := range map[string]string{
		"passfile": "PGPASSFILE", "sslrootcert": "PGSSLROOTCERT", "sslkey": "PGSSLKEY", "sslcert": "PGSSLCERT", "servicefile": "PGSERVICEFILE",
	} {
		t.Run(variable, func(t *testing.T) {
			t.Setenv("PGSERVICE", "shop")
			t.Setenv(variable, pipe)
			if refused := refusalOf(t, address); refused == nil || refused.Setting != setting || !strings.Contains(refused.Error(), variable) {
				t.Errorf("%v", refused)
			}
		})
	}
	t.Setenv("PGPASSFILE", pipe)
	if refused := refusalOf(t, address+"&passfile=/dev/null"); refused != nil {
		t.Errorf("the address counts for more: %v", refused)
	}
	t.Setenv("PGPASSFILE", "")
	must(t, syscall.Mkfifo(filepath.Join(home, ".pgpass"), 0o600))
	if refused := refusalOf(t, address); refused == nil || refused.Setting != "passfile" {
		t.Errorf("at home: %v", refused)
	}
}
