package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/queue"
)

func TestEnqueueWhois(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	list := d.file("list.txt", "# mine\na.nl\nMÜNCHEN.de\n\nb.nl\nA.nl.\n")
	r := d.must(exitDone, "enqueue", "whois", list, "--order", "one")
	want := `Order     one
Given     new
Source    cli
Kind      whois
Account   default
Jobs      3
States    queued 3
Outcomes  -
Calls     0
Created   <time>
Finished  not yet
`
	if diff := cmp.Diff(want, stable(r.stdout)); diff != "" {
		t.Error(diff)
	}
	if want := "1 repeated domain counted once, the first being line 6: a.nl\norder one accepted: 3 jobs\n"; r.stderr != want {
		t.Errorf("stderr %q, want %q", r.stderr, want)
	}
	if got := d.domains("one"); !slices.Equal(got, []string{"a.nl", "xn--mnchen-3ya.de", "b.nl"}) {
		t.Errorf("stored %q", got)
	}

	r = d.must(exitDone, "enqueue", "whois", "b.nl", "xn--mnchen-3ya.de", "a.nl", "--order", "one", "-o", "json")
	if want := "order one is there already, with the same content: nothing was changed\n"; r.stderr != want {
		t.Errorf("the same again: stderr %q, want %q", r.stderr, want)
	}
	again := d.must(exitDone, "order", "one", "-o", "json")
	if repeat := ",\n  \"repeat\": true"; strings.Replace(r.stdout, repeat, "", 1) != again.stdout || !strings.Contains(r.stdout, repeat) {
		t.Errorf("enqueue prints %s, and order %s", r.stdout, again.stdout)
	}
	r = d.must(exitDone, "enqueue", "whois", "b.nl", "xn--mnchen-3ya.de", "a.nl", "--order", "one")
	if !strings.Contains(r.stdout, "Given     before; it is the same, and nothing was changed\n") {
		t.Errorf("the same again: %s", r.stdout)
	}

	r = d.must(exitUsage, "enqueue", "whois", "c.nl", "--order", "one")
	if !strings.Contains(r.stderr, "exists with other content (3 whois jobs") || r.stdout != "" {
		t.Errorf("other content: %q, %q", r.stderr, r.stdout)
	}
	d.must(exitDone, "enqueue", "whois", "c.nl", "--order", "one", "--source", "shop")
	if got := d.domains("one"); len(got) != 3 {
		t.Errorf("the order is now %q", got)
	}
}

func TestEnqueueFromStandardInput(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	r := d.runWith("a.nl\nb.nl\n", "enqueue", "whois", "-", "--order", "piped", "-o", "json")
	if r.status != exitDone {
		t.Fatal(r.stderr)
	}
	order := parsed[map[string]any](t, r.stdout)
	delete(order, "created_at")
	want := map[string]any{
		"reference": "piped", "source": "cli", "kind": "whois", "account": "default", "total": 2.0,
		"counts": map[string]any{"queued": 2.0}, "outcomes": map[string]any{}, "done": false, "calls": 0.0, "finished_at": nil, "repeat": false,
	}
	if diff := cmp.Diff(want, order); diff != "" {
		t.Error(diff)
	}
	// What is piped is read only where it is asked for.
	if r := d.runWith("a.nl\n", "enqueue", "whois", "--order", "x"); r.status != exitUsage || !strings.Contains(r.stderr, "- for standard input") {
		t.Errorf("status %d, %s", r.status, r.stderr)
	}
}

func TestEnqueueRefusesInvalidLines(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var text strings.Builder
	text.WriteString("a.nl\nwww.b.nl\n")
	for i := range 30 {
		fmt.Fprintf(&text, "bad_%d.nl\n", i)
	}
	list, bad := d.file("list.txt", text.String()), filepath.Join(d.folder, "bad.txt")
	r := d.must(exitUsage, "enqueue", "whois", list, "--order", "one", "--rejects", bad)
	d.empty()
	if r.stdout != "" {
		t.Errorf("stdout %q", r.stdout)
	}
	lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
	if len(lines) != 23 {
		t.Fatalf("%d lines of\n%s", len(lines), r.stderr)
	}
	if want := `line 2: domain "www.b.nl" is a host under b.nl: give b.nl`; lines[0] != want {
		t.Errorf("got %q, want %q", lines[0], want)
	}
	want := []string{
		"... and 11 more invalid lines",
		"31 invalid lines written to " + bad + ", to be fixed and sent again",
		"bulkreg: 31 of 32 lines cannot be used, and nothing was stored: fix them, or leave them out with --skip-invalid",
	}
	if diff := cmp.Diff(want, lines[20:]); diff != "" {
		t.Error(diff)
	}
	if got := strings.Count(d.read(bad), "\n"); got != 62 {
		t.Errorf("%d lines of rejects, want 31 of them and what is wrong with each", got)
	}
}

// Lines that were left out are fixed and sent again.
func TestEnqueueRejectsRoundTrip(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	list, bad := d.file("list.txt", "a.nl\nwww.b.nl\nc.nl\nd_d.nl\n"), filepath.Join(d.folder, "bad.txt")
	r := d.must(exitDone, "enqueue", "whois", list, "--order", "one", "--skip-invalid", "--rejects", bad)
	if !strings.Contains(r.stderr, "2 invalid lines left out\norder one accepted: 2 jobs\n") {
		t.Errorf("stderr %s", r.stderr)
	}
	if got := d.domains("one"); !slices.Equal(got, []string{"a.nl", "c.nl"}) {
		t.Errorf("stored %q", got)
	}
	mended := strings.NewReplacer("\nwww.b.nl", "\nb.nl", "\nd_d.nl", "\nd-d.nl").Replace(d.read(bad))
	if err := os.WriteFile(bad, []byte(mended), 0o600); err != nil {
		t.Fatal(err)
	}
	r = d.must(exitUsage, "enqueue", "whois", bad, "--order", "two", "--rejects", bad)
	if !strings.Contains(r.stderr, "is the input itself") || d.read(bad) != mended {
		t.Errorf("the input is overwritten: %s", r.stderr)
	}
	again := filepath.Join(d.folder, "again.txt")
	d.must(exitDone, "enqueue", "whois", bad, "--order", "two", "--rejects", again)
	if got := d.domains("two"); !slices.Equal(got, []string{"b.nl", "d-d.nl"}) {
		t.Errorf("stored %q", got)
	}
	if _, err := os.Stat(again); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing is wrong any more, and there is a file all the same: %v", err)
	}
}

// A file of rejects may be half mended, and names holders: none is overwritten, and nobody else reads it.
func TestEnqueueRejectsFile(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	list := d.file("list.txt", "a.nl\nwww.b.nl\n")
	mended := d.file("mended.txt", "b.nl\n")
	for _, list := range []string{list, d.file("good.txt", "a.nl\n")} {
		r := d.must(exitUsage, "enqueue", "whois", list, "--order", "one", "--skip-invalid", "--rejects", mended)
		if !strings.Contains(r.stderr, "is there already, and not empty: give another file, or remove that one first; nothing was stored\n") {
			t.Errorf("got %s", r.stderr)
		}
	}
	if got := d.read(mended); got != "b.nl\n" {
		t.Errorf("it says %q now", got)
	}
	d.empty()
	empty := d.file("empty.txt", "")
	if err := os.Chmod(empty, 0o644); err != nil {
		t.Fatal(err)
	}
	d.must(exitDone, "enqueue", "whois", list, "--order", "one", "--skip-invalid", "--rejects", empty)
	if info, err := os.Stat(empty); err != nil || info.Mode().Perm() != 0o600 || info.Size() == 0 {
		t.Errorf("%v, %v", info, err)
	}
	d.must(exitDone, "enqueue", "whois", list, "--order", "one", "--skip-invalid", "--rejects", os.DevNull)
	missing := filepath.Join(d.folder, "missing", "bad.txt")
	if r := d.must(exitUsage, "enqueue", "whois", list, "--order", "two", "--skip-invalid", "--rejects", missing); !strings.Contains(r.stderr, "--rejects: open "+missing) {
		t.Errorf("got %s", r.stderr)
	}
	d.must(exitError, "order", "two")
}

func TestEnqueueWhoisRefuses(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	list, other := d.file("list.txt", "a.nl\n"), d.file("other.txt", "b.nl\n")
	table := d.file("table.csv", "name;price\na.nl;1\n")
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"no reference":    {[]string{list}, "--order is missing"},
		"bad reference":   {[]string{list, "--order", " x"}, "the order's reference has spaces around it"},
		"bad source":      {[]string{list, "--order", "x", "--source", ""}, "the order's source is empty"},
		"nothing":         {[]string{"--order", "x"}, "nothing to check"},
		"two files":       {[]string{list, other, "--order", "x"}, "are two files"},
		"two inputs":      {[]string{list, "-", "--order", "x"}, "are two files"},
		"file and domain": {[]string{list, "a.nl", "--order", "x"}, "give one file, or domains"},
		"mistyped file":   {[]string{"list.text", "--order", "x"}, `"list.text" is no file, and as a domain it`},
		"bad domain":      {[]string{"a.nl", "q", "--order", "x"}, `argument 2: domain "q" has no dot`},
		"empty order":     {[]string{d.file("empty.txt", "\n# none\n"), "--order", "x"}, "the order is empty"},
		"all left out":    {[]string{d.file("bad.txt", "q\n"), "--order", "x", "--skip-invalid"}, "the order is empty"},
		"no domains":      {[]string{table, "--order", "x"}, table + ": line 1: the file has no column domain"},
		"output":          {[]string{list, "--order", "x", "-o", "xml"}, "want one of table, json"},
		"rejects folder":  {[]string{list, "--order", "x", "--rejects", d.folder}, "is a folder: give a file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := d.run(append([]string{"enqueue", "whois"}, tc.args...)...)
			if r.status != exitUsage || !strings.Contains(r.stderr, tc.want) || r.stdout != "" {
				t.Errorf("status %d, %q, %q, want %q", r.status, r.stderr, r.stdout, tc.want)
			}
			d.empty()
		})
	}
}

// What can be read in two ways is refused. It is about the folder that a process stands in, of which there is one.
func TestSortArguments(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"list", "both.nl"} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir("folder.nl", 0o700); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		args    []string
		path    string
		domains []string
		err     string
	}{
		"file":             {[]string{"list"}, "list", nil, ""},
		"standard input":   {[]string{"-"}, "-", nil, ""},
		"domains":          {[]string{"a.nl", "x"}, "", []string{"a.nl", "x"}, ""},
		"folder":           {[]string{"folder.nl"}, "", []string{"folder.nl"}, ""},
		"domain and file":  {[]string{"both.nl"}, "", nil, "write ./both.nl for the file"},
		"file, told apart": {[]string{"./both.nl"}, "./both.nl", nil, ""},
		"neither":          {[]string{"missing.txt_"}, "", nil, `"missing.txt_" is no file, and as a domain it`},
		"no file":          {[]string{"./missing.txt"}, "", nil, `there is no file "./missing.txt"`},
		"no file far away": {[]string{"/home/somebody/with a long name/lists/typo.csv"}, "", nil, `there is no file "/home/somebody/with a long name/lists/typo.csv"`},
		"hidden file":      {[]string{"a.nl", ".hidden"}, "", nil, `there is no file ".hidden"`},
		"no list":          {[]string{"."}, "", nil, ". is a folder: give a file"},
		"web address":      {[]string{"https://example.nl/x"}, "", nil, "a scheme, a port or a path"},
	} {
		t.Run(name, func(t *testing.T) {
			path, domains, err := sortArguments(tc.args)
			if path != tc.path || !slices.Equal(domains, tc.domains) && err == nil {
				t.Errorf("got %q, %q", path, domains)
			}
			if (err != nil) != (tc.err != "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("got %v, want %q", err, tc.err)
			}
		})
	}
}

// An account is known from the settings or from a worker that has its credentials; an order for another one is refused.
func TestEnqueueForAnAccount(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	configured := append(slices.Clone(d.environ), "REGISTRAR_BASE_URL=http://h", "REGISTRAR_CLIENT_ID=x", "REGISTRAR_CLIENT_SECRET=y")
	enqueue := func(environ []string, account string) result {
		return runCommand(t, environ, "enqueue", "whois", "a.nl", "--order", "for "+account, "--account", account)
	}
	for name, environ := range map[string][]string{"nothing is known": d.environ, "the settings know the default": configured} {
		if r := enqueue(environ, "brand-b"); r.status != exitUsage || !strings.Contains(r.stderr, `there is no account "brand-b"`) ||
			!strings.Contains(r.stderr, "known: default\n") {
			t.Errorf("%s: status %d, %s", name, r.status, r.stderr)
		}
	}
	d.empty()
	if err := d.st.Fleet.AnnounceAccount(t.Context(), "brand-b"); err != nil {
		t.Fatal(err)
	}
	if r := enqueue(d.environ, "brand-b"); r.status != exitDone || d.order("for brand-b").Account != "brand-b" {
		t.Errorf("a worker knows it: status %d, %s", r.status, r.stderr)
	}
	if r := enqueue(configured, "default"); r.status != exitDone {
		t.Errorf("the settings know it: status %d, %s", r.status, r.stderr)
	}
	if r := enqueue(d.environ, "default"); r.status != exitUsage {
		t.Errorf("only a worker without the default account is known: status %d, %s", r.status, r.stderr)
	}
}

// A wait ends with what became of the order.
func TestEnqueueWait(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	c := startCommand(t, d.environ, "enqueue", "whois", "a.nl", "b.nl", "--order", "one", "--wait", "-o", "json")
	c.stderr.await(t, "one: 0/2, 0 calls, queued 2\n", c.ended)
	d.work(record.Whois, fates{"a.nl": succeeds(record.Available), "b.nl": succeeds(record.Taken)})
	<-c.ended
	r := c.result()
	if r.status != exitDone || !strings.HasSuffix(r.stderr, "one: 2/2, 1 call, available 1, taken 1\n") {
		t.Errorf("status %d, %s", r.status, r.stderr)
	}
	order := parsed[orderJSON](t, r.stdout)
	if !order.Done || order.Calls != 1 || order.Counts[record.Succeeded] != 2 || order.FinishedAt == nil {
		t.Errorf("got %+v", order)
	}
	if r := d.must(exitDone, "enqueue", "whois", "b.nl", "a.nl", "--order", "one", "--wait"); !strings.Contains(r.stderr, "nothing was changed") {
		t.Errorf("the same again: %s", r.stderr)
	}
}

func TestInterruptedReading(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	typed := newSlowInput("a.nl\n")
	defer typed.close()
	c := startCommandFrom(t, typed, d.environ, "enqueue", "whois", "-", "--order", "one")
	<-typed.drained
	if r := c.stop(); r.status != exitInterrupted || !strings.Contains(r.stderr, "interrupted: nothing was stored") {
		t.Errorf("status %d, %s", r.status, r.stderr)
	}
	d.empty()
}

// A row that somebody else has made has the id that a job of the order gets.
func TestEnqueueOfAJobWhoseIDIsTaken(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.must(exitDone, "enqueue", "whois", "theirs.nl", "--order", "theirs")
	id := queue.JobID(cliSource, "one", queue.Whois, "a.nl")
	conn, err := pgx.Connect(t.Context(), strings.TrimPrefix(d.environ[0], "DATABASE_URL="))
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Exec(t.Context(), `UPDATE jobs SET id = $1`, id)
	if err := errors.Join(err, conn.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	r := d.must(exitUsage, "enqueue", "whois", "a.nl", "b.nl", "--order", "one")
	if !strings.Contains(r.stderr, "nothing was stored") || !strings.Contains(r.stderr, "`bulkreg job "+id.String()+"`") ||
		strings.Contains(r.stderr, "duplicate key") || r.stdout != "" {
		t.Errorf("stderr %q, stdout %q", r.stderr, r.stdout)
	}
	d.must(exitError, "order", "one")
	d.must(exitDone, "enqueue", "whois", "a.nl", "b.nl", "--order", "two")
}
