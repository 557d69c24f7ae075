package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/store/holders"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// annFlags are all the details that a holder needs.
func annFlags(changes ...string) []string {
	flags := []string{"--firstname", "Ann", "--lastname", "Peeters", "--email", "ann@example.be", "--phone", "+32 470 123456",
		"--street", "Markt", "--housenumber", "1", "--postalcode", "1000", "--city", "Brussel", "--country", "be"}
	return append(flags, changes...)
}

const annJSON = `{"firstname":"Ann","lastname":"Peeters","email":"ann@example.be","phone":"+32470123456",` +
	`"street":"Markt","housenumber":"1","postalcode":"1000","city":"Brussel","country":"BE"}`

func startHolderSandbox(t *testing.T) (*sandboxServer, []string) {
	t.Helper()
	server, err := startSandbox(t.Context(), "127.0.0.1:0", sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.close(); err != nil {
			t.Error(err)
		}
	})
	return server, server.environ()
}

// heldBy reads a holder as JSON prints it.
func heldBy(t *testing.T, r result) map[string]string {
	t.Helper()
	var got map[string]string
	if r.status != exitDone {
		t.Fatalf("status %d: %s", r.status, r.stderr)
	}
	if err := json.Unmarshal([]byte(r.stdout), &got); err != nil {
		t.Fatalf("%v in %s", err, r.stdout)
	}
	return got
}

// The life of a holder: each command is one call.
func TestHolderCommands(t *testing.T) {
	t.Parallel()
	server, environ := startHolderSandbox(t)
	created := heldBy(t, runCommand(t, environ, append([]string{"holder", "create", "-o", "json"}, annFlags()...)...))
	id := created["id"]
	want := map[string]string{
		"id": id, "firstname": "Ann", "lastname": "Peeters", "email": "ann@example.be", "phone": "+32470123456",
		"street": "Markt", "housenumber": "1", "postalcode": "1000", "city": "Brussel", "country": "BE",
	}
	if diff := cmp.Diff(want, created); diff != "" || id == "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	for _, search := range [][]string{{id}, {"--id", id}, {"--email", "ann@example.be"}} {
		found := heldBy(t, runCommand(t, environ, append([]string{"holder", "get", "-o", "json"}, search...)...))
		if diff := cmp.Diff(want, found); diff != "" {
			t.Errorf("found by %s (-want +got):\n%s", search[0], diff)
		}
	}
	if r := runCommand(t, environ, "holder", "get", "--id", id); r.status != exitDone ||
		!strings.Contains(r.stdout, "company      -\n") || !strings.Contains(r.stdout, "city         Brussel\n") {
		t.Errorf("as a table: %s%s", r.stdout, r.stderr)
	}
	r := runCommand(t, environ, "holder", "update", id, "--city", "Gent", "-o", "json")
	want["city"] = "Gent"
	if diff := cmp.Diff(want, heldBy(t, r)); diff != "" || !strings.Contains(r.stderr, "DATABASE_URL is not set") {
		t.Errorf("updated (-want +got):\n%s%s", diff, r.stderr)
	}
	// What get prints can be changed and given to update.
	printed := runCommand(t, environ, "holder", "get", "--id", id, "-o", "json").stdout
	want["street"] = "Plein"
	c := startCommandWith(t, strings.Replace(printed, "Markt", "Plein", 1), environ, "holder", "update", id, "-o", "json")
	<-c.ended
	if diff := cmp.Diff(want, heldBy(t, c.result())); diff != "" {
		t.Errorf("updated from standard input (-want +got):\n%s", diff)
	}
	if r := runCommand(t, environ, "holder", "delete", id); r.status != exitUsage || !strings.Contains(r.stderr, "--yes") {
		t.Errorf("deleted without a yes: status %d, %s", r.status, r.stderr)
	}
	if r := runCommand(t, environ, "holder", "delete", id, "--yes"); r.status != exitDone || !strings.Contains(r.stdout, "is deleted") {
		t.Errorf("status %d: %s%s", r.status, r.stdout, r.stderr)
	}
	if r := runCommand(t, environ, "holder", "get", "--id", id); r.status != exitError || !strings.Contains(r.stderr, "domainholder does not exist") {
		t.Errorf("after the deletion: status %d, %s", r.status, r.stderr)
	}
	if n := server.Ledger().Counts[sandbox.OpHolder]; n != 10 {
		t.Errorf("%d calls, want one for each of 10 commands", n)
	}
}

func TestHolderCommandsRefuse(t *testing.T) {
	t.Parallel()
	server, environ := startHolderSandbox(t)
	for name, tc := range map[string]struct {
		args   []string
		stdin  string
		stderr string
	}{
		"get nobody":           {[]string{"get"}, "", "either ID or --email ADDRESS"},
		"get by both":          {[]string{"get", "--id", "H", "--email", "a@b.nl"}, "", "either ID or --email ADDRESS"},
		"get two":              {[]string{"get", "H", "I"}, "", `get takes one argument: "I" is one too many`},
		"get by id twice":      {[]string{"get", "H", "--id", "I"}, "", "the id is given twice"},
		"get by address":       {[]string{"get", "secretman@b.nl"}, "", "an e-mail address is no id: give it with --email"},
		"get by id and more":   {[]string{"get", "H", "--email", "a@b.nl"}, "", "either ID or --email ADDRESS"},
		"an unknown account":   {[]string{"get", "--id", "H", "--account", "b"}, "", `there is no account "b"`},
		"create without":       {[]string{"create"}, "", "there are no details"},
		"create incomplete":    {[]string{"create", "--email", "ann@example.be"}, "", "firstname is missing, and so are lastname, phone"},
		"a bad address":        {append([]string{"create"}, annFlags("--email", "secretman")...), "", "email is no e-mail address"},
		"a bad number":         {append([]string{"create"}, annFlags("--phone", "0612345678")...), "", "phone is no number in international form"},
		"no JSON":              {[]string{"create"}, "secretman", "the details are no JSON: at byte 1"},
		"JSON that ends":       {[]string{"create"}, `{"city":`, "read details"},
		"a list":               {[]string{"create"}, `["secretman"]`, "the details are no JSON object"},
		"a number":             {[]string{"create"}, `{"housenumber":612345678}`, "housenumber is no text: put it in quotes"},
		"an unknown field":     {[]string{"create"}, `{"town":"secretman"}`, `unknown field "town"`},
		"two objects":          {[]string{"create"}, annJSON + annJSON, "something follows the details"},
		"too long":             {[]string{"create"}, `{"city":"` + strings.Repeat("secretman", 10_000) + `"}`, "longer than 65536 bytes"},
		"create with an id":    {[]string{"create"}, `{"id":"H-1"}`, "id is the registrar's to give"},
		"update nothing":       {[]string{"update", "H-1"}, "{}", "there is nothing to change"},
		"update another":       {[]string{"update", "H-1"}, `{"id":"H-2","city":"Gent"}`, "the id in the details is not H-1"},
		"update badly":         {[]string{"update", "H-1", "--country", "Belgium"}, "", "country is no country code"},
		"delete without an id": {[]string{"delete"}, "", "give the holder's id: `bulkreg holder get --email ADDRESS` tells it\nUsage: bulkreg holder delete ID"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startCommandWith(t, tc.stdin, environ, append([]string{"holder"}, tc.args...)...)
			<-c.ended
			r := c.result()
			if r.status != exitUsage || !strings.Contains(r.stderr, tc.stderr) || r.stdout != "" {
				t.Errorf("status %d, %q: want %q", r.status, r.stderr, tc.stderr)
			}
			if strings.Contains(r.stderr, "secretman") || strings.Contains(r.stderr, "612345678,") {
				t.Errorf("it repeats a detail: %s", r.stderr)
			}
			if n := server.Ledger().Counts[sandbox.OpHolder]; n != 0 {
				t.Errorf("%d calls were made", n)
			}
		})
	}
}

// The registrar's words reach whoever asked.
func TestHolderCommandsGiveTheRegistrarsWords(t *testing.T) {
	t.Parallel()
	server, environ := startHolderSandbox(t)
	for _, tc := range []struct {
		fault sandbox.Fault
		args  []string
		want  string
	}{
		{sandbox.Fault{Kind: sandbox.KindStatus, Status: http.StatusUnprocessableEntity, Message: "no such street"}, append([]string{"create"}, annFlags()...), "create holder: HTTP 422: no such street\n"},
		{sandbox.Fault{Kind: sandbox.KindCut, Effect: sandbox.EffectAll}, append([]string{"create"}, annFlags()...), "the holder may be there all the same"},
		{sandbox.Fault{Kind: sandbox.KindStatus, Status: http.StatusConflict, Message: "it has domains"}, []string{"delete", "H-1", "--yes"}, "delete holder: HTTP 409: it has domains"},
	} {
		tc.fault.Op = sandbox.OpHolder
		fault, err := server.Inject(tc.fault)
		if err != nil {
			t.Fatal(err)
		}
		r := runCommand(t, environ, append([]string{"holder"}, tc.args...)...)
		if r.status != exitError || !strings.Contains(r.stderr, tc.want) || fault.Fired() != 1 {
			t.Errorf("status %d, %q: want %q", r.status, r.stderr, tc.want)
		}
	}
}

// A holder that was changed or deleted upstream is not the one that later orders mean.
func TestHolderChangesAreForgotten(t *testing.T) {
	t.Parallel()
	_, environ := startHolderSandbox(t)
	for name, args := range map[string][]string{
		"update": {"holder", "update", "ID", "--city", "Gent"},
		"delete": {"holder", "delete", "ID", "--yes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.environ = append(d.environ, environ...)
			id := d.rememberHolder(strings.Replace(annJSON, "ann@", name+"@", 1))
			d.must(exitDone, replaced(args, "ID", id)...)
			if d.holders(`retired_at IS NOT NULL`) != 1 {
				t.Error("the holder is still remembered")
			}
			// It is gone by now, or somebody else: either way there is nothing left to forget.
			d.run(replaced(args, "ID", id)...)
			if d.holders(`true`) != 1 {
				t.Error("another holder came up")
			}
		})
	}
	t.Run("a refused update", func(t *testing.T) {
		t.Parallel()
		server, environ := startHolderSandbox(t)
		d := newDesk(t)
		d.environ = append(d.environ, environ...)
		id := d.rememberHolder(annJSON)
		if _, err := server.Inject(sandbox.Fault{Op: sandbox.OpHolder, Kind: sandbox.KindStatus, Status: http.StatusUnprocessableEntity}); err != nil {
			t.Fatal(err)
		}
		d.must(exitError, "holder", "update", id, "--city", "Gent")
		if d.holders(`retired_at IS NULL`) != 1 {
			t.Error("the holder is forgotten although nothing changed")
		}
	})
}

// rememberHolder creates a holder upstream and takes an order in whose line has the same details, as if a worker had met it.
// It returns the upstream's id.
func (d *desk) rememberHolder(details string) string {
	d.t.Helper()
	c := startCommandWith(d.t, details, d.environ, "holder", "create", "-o", "json")
	<-c.ended
	id := heldBy(d.t, c.result())["id"]
	line := `{"domain":"example.nl","holder":` + details + "}\n"
	d.must(exitDone, "enqueue", "register", d.file("order.ndjson", line), "--order", "r", "--yes")
	if _, err := d.st.Holders.SettleHolder(d.t.Context(), holders.Ready(int64(d.number(`SELECT id FROM holders`)), id)); err != nil {
		d.t.Fatal(err)
	}
	return id
}

// holders counts those that a condition is true of.
func (d *desk) holders(where string) int {
	d.t.Helper()
	return d.number(`SELECT count(*) FROM holders WHERE ` + where)
}

// number reads one number, for facts that no command shows.
func (d *desk) number(query string, args ...any) int {
	d.t.Helper()
	var n int
	d.sql(func(conn *pgx.Conn) error { return conn.QueryRow(d.t.Context(), query, args...).Scan(&n) })
	return n
}

func (d *desk) sql(do func(*pgx.Conn) error) {
	d.t.Helper()
	conn, err := pgx.Connect(d.t.Context(), strings.TrimPrefix(d.environ[0], "DATABASE_URL="))
	if err != nil {
		d.t.Fatal(err)
	}
	defer conn.Close(d.t.Context())
	if err := do(conn); err != nil {
		d.t.Fatal(err)
	}
}

func replaced(args []string, old, value string) []string {
	out := make([]string, len(args))
	for i, arg := range args {
		if out[i] = arg; arg == old {
			out[i] = value
		}
	}
	return out
}
