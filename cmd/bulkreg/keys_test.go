package main

import (
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/queue/apikey"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if r := d.must(exitDone, "keys", "list"); r.stdout != "" || !strings.Contains(r.stderr, "There are no keys: `bulkreg keys create NAME` makes one.") {
		t.Errorf("without any: %q, %q", r.stdout, r.stderr)
	}
	made := d.must(exitDone, "keys", "create", "shop", "--role", "operate", "--expires", "90d", "--registrations-per-day", "500", "--by", "ann")
	key, err := apikey.Parse(strings.TrimSpace(made.stdout))
	if err != nil {
		t.Fatalf("%v: %q", err, made.stdout)
	}
	if !strings.Contains(made.stderr, "key "+key.ID()+" of source shop made, with the role operate") || strings.Contains(made.stderr, strings.TrimSpace(made.stdout)) {
		t.Errorf("stderr: %s", made.stderr)
	}
	d.must(exitDone, "keys", "create", "shop", "--by", "ann")
	d.must(exitDone, "keys", "create", "erp", "--by", "ann", "--role", "read")

	list := parsed[[]keyJSON](t, d.must(exitDone, "keys", "list", "-o", "json").stdout)
	if len(list) != 3 || list[1].ID != key.ID() || list[1].Source != "shop" || list[1].Role != "operate" || !list[1].Good || list[1].CreatedBy != "ann" ||
		list[1].ExpiresAt == nil || list[1].RegistrationsPerDay != 500 || list[2].Role != "submit" || list[2].ExpiresAt != nil {
		t.Errorf("listed %+v", list)
	}
	if n := len(parsed[[]keyJSON](t, d.must(exitDone, "keys", "list", "--source", "erp", "-o", "json").stdout)); n != 1 {
		t.Errorf("%d keys of erp", n)
	}
	if table := d.must(exitDone, "keys", "list").stdout; strings.Contains(table, key.Reveal()[20:]) || !strings.Contains(table, "500 registrations/day") {
		t.Errorf("table: %s", table)
	}

	// Nothing is revoked unless somebody agrees.
	if r := d.must(exitUsage, "keys", "revoke", "shop", "--by", "ann"); !strings.Contains(r.stderr, key.ID()) || !strings.Contains(r.stderr, "--yes") {
		t.Errorf("without consent: %s", r.stderr)
	}
	if r := d.must(exitDone, "keys", "revoke", key.ID(), "--by", "bob", "--yes"); !strings.Contains(r.stderr, "1 key revoked") {
		t.Errorf("one: %s", r.stderr)
	}
	if r := d.must(exitDone, "keys", "revoke", "shop", "--by", "bob", "--yes"); !strings.Contains(r.stderr, "1 key revoked") {
		t.Errorf("the others: %s", r.stderr)
	}
	list = parsed[[]keyJSON](t, d.must(exitDone, "keys", "list", "-o", "json").stdout)
	if list[0].Good != true || list[1].Good || list[1].RevokedBy != "bob" || list[2].Good {
		t.Errorf("revoked %+v", list)
	}
	d.must(exitError, "keys", "revoke", "shop", "--by", "bob", "--yes")
	for _, bad := range [][]string{
		{"keys", "create"}, {"keys", "create", ""}, {"keys", "create", "shop", "--role", "root"}, {"keys", "create", "shop", "--jobs-per-day", "-1"},
		{"keys", "create", "shop", "--expires", "soon"}, {"keys", "create", strings.Repeat("x", 65)},
	} {
		d.must(exitUsage, append(bad, "--by", "ann")...)
	}
}
