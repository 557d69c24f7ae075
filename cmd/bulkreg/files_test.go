package main

import (
	"fmt"
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

func TestRejectsOnStandardOutput(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	list := d.file("list.txt", "a.nl\nwww.b.nl\nc_d.nl\n")
	want := "# line 2: domain \"www.b.nl\" is a host under b.nl: give b.nl\nwww.b.nl\n# line 3: domain \"c_d.nl\" has the character '_', which a domain cannot have\nc_d.nl\n"
	r := d.must(exitUsage, "enqueue", "whois", list, "--order", "one", "--rejects", "-")
	if r.stdout != want || !strings.Contains(r.stderr, "2 invalid lines written to standard output") {
		t.Errorf("%q, %s", r.stdout, r.stderr)
	}
	d.empty()
	r = d.must(exitDone, "enqueue", "whois", list, "--order", "one", "--rejects", "-", "--skip-invalid")
	if r.stdout != want || !strings.Contains(r.stderr, "Order     one\n") {
		t.Errorf("%q, %s", r.stdout, r.stderr)
	}
	if _, err := os.Stat("-"); err == nil {
		t.Error("there is a file of that name")
	}
	d.must(exitUsage, "enqueue", "whois", list, "--order", "two", "--rejects", "-", "-o", "json")
	if r = d.must(exitDone, "enqueue", "whois", "a.nl", "--order", "three", "--rejects", "-"); r.stdout != "" {
		t.Errorf("without a reject: %q", r.stdout)
	}
}

// It changes the process' environment, and so runs alone.
func TestTroubleWithTheTemporaryFolderIsNamed(t *testing.T) {
	d := newDesk(t)
	var many strings.Builder // few are kept in memory
	for i := range 10_000 {
		fmt.Fprintf(&many, "many-%d.nl\n", i)
	}
	list := d.file("many.txt", many.String())
	t.Setenv("TMPDIR", "/nowhere/at/all")
	r := d.must(exitError, "enqueue", "whois", list, "--order", "one")
	if !strings.Contains(r.stderr, "the order cannot be kept in /nowhere/at/all while it is read") || !strings.Contains(r.stderr, "nothing was stored") || !strings.Contains(r.stderr, "TMPDIR") {
		t.Errorf("got %s", r.stderr)
	}
	d.empty()
}
