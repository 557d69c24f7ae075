package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/store/pgtest"
)

// fileOf writes a file of an order.
func fileOf(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOrdersOfNamesThatAreSoldPrivately(t *testing.T) {
	t.Parallel()
	database := "DATABASE_URL=" + pgtest.New(t, migrated)
	r := runCommand(t, []string{database}, "enqueue", "whois", "foo.co.nl", "jan.jansen.name", "--order", "r")
	if r.status != exitUsage || !strings.Contains(r.stderr, "add co.nl to EXTRA_SUFFIXES") || !strings.Contains(r.stderr, "add *.name to EXTRA_SUFFIXES") || strings.Contains(r.stderr, "give ") {
		t.Errorf("status %d: %s", r.status, r.stderr)
	}
	list := fileOf(t, "suffixes", "\uFEFF# sold by our registrar\r\nco.nl\r\n*.name\r\n")
	for i, environ := range [][]string{{database, "EXTRA_SUFFIXES=co.nl, *.name"}, {database, "EXTRA_SUFFIXES_FILE=" + list}} {
		r = runCommand(t, environ, "enqueue", "whois", "foo.co.nl", "jan.jansen.name", "--order", []string{"list", "file"}[i], "-o", "json")
		if order := parsed[struct{ Total int }](t, r.stdout); r.status != exitDone || order.Total != 2 {
			t.Errorf("status %d: %s", r.status, r.stderr)
		}
	}
	if r = runCommand(t, []string{database, "EXTRA_SUFFIXES=co..nl"}, "enqueue", "whois", "a.nl", "--order", "bad"); r.status != exitUsage || !strings.Contains(r.stderr, "EXTRA_SUFFIXES:") {
		t.Errorf("status %d: %s", r.status, r.stderr)
	}
}

func TestReferenceThatBeginsWithAHyphen(t *testing.T) {
	t.Parallel()
	r := runCommand(t, nil, "enqueue", "whois", "a.nl", "--order", "--wait")
	if r.status != exitUsage || !strings.Contains(r.stderr, "--order --wait: a reference cannot begin with a hyphen, as flags do") {
		t.Errorf("status %d: %s", r.status, r.stderr)
	}
}

// What is wrong with a worker's settings is nothing to those who look after orders.
func TestListingGoesOnWithAWorkersSettingsWrong(t *testing.T) {
	t.Parallel()
	environ := []string{"DATABASE_URL=" + pgtest.New(t, migrated), "RETRY_BASE=2", "RECONCILE_CHEKCS=1", "REDIS_URL=nonsense", "REGISTRAR_ACCOUNTS_1_SECRET=x"}
	for _, args := range [][]string{{"orders"}, {"holds"}, {"audit"}, {"enqueue", "whois", "a.nl", "--order", "r"}, {"order", "r"}, {"jobs", "r"}} {
		if r := runCommand(t, environ, args...); r.status != exitDone {
			t.Errorf("%q: status %d: %s", args, r.status, r.stderr)
		}
	}
	if r := runCommand(t, environ, "worker"); r.status != exitUsage || !strings.Contains(r.stderr, "RETRY_BASE=") {
		t.Errorf("worker: status %d: %s", r.status, r.stderr)
	}
}
