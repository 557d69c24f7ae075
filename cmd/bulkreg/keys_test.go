package main

import (
	"strings"
	"testing"
	"time"

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
	for _, again := range []string{"shop", key.ID()} {
		if r := d.must(exitDone, "keys", "revoke", again, "--by", "eve", "--yes"); !strings.Contains(r.stderr, "are revoked already: nothing was changed") {
			t.Errorf("again: %s", r.stderr)
		}
	}
	if r := d.must(exitError, "keys", "revoke", "none", "--by", "bob", "--yes"); !strings.Contains(r.stderr, `there is no key "none"`) {
		t.Errorf("none: %s", r.stderr)
	}
	for _, bad := range [][]string{
		{"keys", "create"}, {"keys", "create", ""}, {"keys", "create", "cli"}, {"keys", "create", "shop", "--role", "root"}, {"keys", "create", "shop", "--jobs-per-day", "-1"},
		{"keys", "create", "shop", "--expires", "soon"}, {"keys", "create", strings.Repeat("x", 65)}, {"keys", "create", "shop", "--expires", "2020-02-02"},
		{"keys", "create", "shop", "--registrations-per-day", "0"}, {"keys", "create", "shop", "--jobs-per-order", "2147483648"},
		{"keys", "create", "shop", "--expires", "2030-02-30"}, {"keys", "create", "shop\n"}, {"keys", "revoke"},
	} {
		d.must(exitUsage, append(bad, "--by", "ann")...)
	}
}

// A key that is made while keys of its source are revoked is shown and revoked as well.
func TestKeysThatAreMadeMeanwhileAreRevoked(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.must(exitDone, "keys", "create", "shop", "--by", "ann")
	d.must(exitDone, "keys", "create", "erp", "--by", "ann")
	// Between the plan and the act another process makes a key.
	d.exec(`CREATE FUNCTION meanwhile() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		INSERT INTO api_keys (id, source, role, digest, created_by)
		SELECT 'aaaaaaaaaa', source, role, digest, 'eve' FROM api_keys WHERE source = 'shop' LIMIT 1 ON CONFLICT (id) DO NOTHING;
		RETURN NULL; END $$;
		CREATE TRIGGER meanwhile BEFORE UPDATE ON api_keys FOR EACH STATEMENT EXECUTE FUNCTION meanwhile()`)
	r := d.says(exitDone, []string{"keys", "revoke", "shop", "--by", "bob", "--yes"}, "1 key was made meanwhile:\n", "aaaaaaaaaa")
	if n := strings.Count(r.stderr, "1 key revoked"); n != 2 {
		t.Errorf("it says %d times that it revoked one: %s", n, r.stderr)
	}
	for _, k := range parsed[[]keyJSON](t, d.must(exitDone, "keys", "list", "-o", "json").stdout) {
		if k.Good != (k.Source == "erp") {
			t.Errorf("afterwards %+v", k)
		}
	}
}

// What people order by hand is no order system's: no key sees it.
func TestNoKeyIsOfTheSourceOfThisProgram(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.says(exitUsage, []string{"keys", "create", "cli", "--by", "ann"}, "cli is the source of what is ordered with this program", "such as shop")
	if n := len(parsed[[]keyJSON](t, d.must(exitDone, "keys", "list", "-o", "json").stdout)); n != 0 {
		t.Errorf("%d keys were made", n)
	}
}

// Who makes a key or ends one goes on record, within the bounds of the record.
func TestKeysAskWhoItIs(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, args := range [][]string{{"create", "shop"}, {"revoke", "shop", "--yes"}} {
		args = append([]string{"keys"}, args...)
		d.says(exitUsage, args, "say who does this, for the record")
		d.says(exitUsage, append(args, "--by", strings.Repeat("x", 65)), "at most 64 printable characters")
	}
	d.environ = append(d.environ, "BULKREG_OPERATOR=ann")
	d.must(exitDone, "keys", "create", "shop", "--expires", "2999-12-31")
	if k := parsed[[]keyJSON](t, d.must(exitDone, "keys", "list", "-o", "json").stdout); len(k) != 1 || k[0].CreatedBy != "ann" || k[0].ExpiresAt == nil ||
		k[0].ExpiresAt.Format(time.RFC3339) != "2999-12-31T00:00:00Z" {
		t.Errorf("made %+v", k)
	}
}

func TestCompletionOfKeys(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ids := map[string]string{}
	for _, source := range []string{"Erp", "Shop", "Shop"} { // ids have no capitals: none begins like these
		key, err := apikey.Parse(strings.TrimSpace(d.must(exitDone, "keys", "create", source, "--by", "ann").stdout))
		if err != nil {
			t.Fatal(err)
		}
		ids[source] = key.ID()
	}
	d.must(exitDone, "keys", "revoke", ids["Erp"], "--by", "ann", "--yes")
	for line, want := range map[string]string{
		"keys revoke S": "Shop", "keys create ": "Erp Shop", "keys list --source E": "Erp", "keys create Shop --role o": "operate",
		"keys revoke " + ids["Shop"][:8]: ids["Shop"], "keys revoke " + ids["Erp"][:8]: "", "keys revoke Shop ": "",
	} {
		if got := strings.Join(completed(t, d.environ, strings.Split(line, " ")...), " "); got != want && !(strings.HasSuffix(line, " o") && strings.Contains(got, want)) {
			t.Errorf("%s offers %q, want %q", line, got, want)
		}
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	for text, shown := range map[string]string{
		"90d": "90d", "36h": "1d12h", "2030-01-31": "2030-01-31", "": "", "2030-1-31": "", "31-01-2030": "", "0d": "", "2030-01-31T00:00:00Z": "",
	} {
		var e expiry
		if err := e.Set(text); (err != nil) != (shown == "") || e.String() != shown {
			t.Errorf("%q is read as %q, %v", text, e.String(), err)
		}
	}
}
