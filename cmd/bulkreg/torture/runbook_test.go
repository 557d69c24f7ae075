package torture

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// runbooks carry out what deploy/RUNBOOK.md tells to type when Postgres was lost, word for word.
func runbooks() []scenario {
	want := expectation{redelivered: true, forgetful: true}
	wantRestored := want
	wantRestored.forgotten = func(domain string) bool { return strings.HasPrefix(domain, "lost-") }
	own := needs{ownDatabase: true, settings: map[string]string{"REGISTER_CONCURRENCY": "1", "UPSTREAM_TIMEOUT": "4s"}}
	return []scenario{
		{name: "a restore as the runbook says", quick: true, needs: own, want: wantRestored, run: restoreAsTyped},
		{name: "a failover as the runbook says", quick: true, needs: own, want: want, run: failOverAsTyped},
	}
}

// runbookOrder is the order that the page takes as its example.
const runbookOrder = "order-1042"

// A dump is made while domains are bought, more are bought, also for an order that came later, and then there is nothing but the dump.
func restoreAsTyped(w *world) {
	lost := names("lost", batchSize)
	first := w.buySlowly()
	w.types("backup")
	if _, err := w.submit(w.t.Context(), "default", queue.Register, "order-1043", lost); err != nil {
		w.t.Fatal(err)
	}
	w.await("the later order is bought", func() (bool, error) {
		ledger, err := w.remote.Ledger(w.t.Context())
		return err == nil && !slices.ContainsFunc(lost, func(domain string) bool { return ledger.Paid(domain) == 0 }), err
	})
	w.bought(4 * batchSize)
	w.stop(first)
	restored, err := url.Parse(w.database)
	if err != nil {
		w.t.Fatal(err)
	}
	restored.Path = "/bulkreg"
	w.types("restore", "SERVER_URL="+w.server.URL(""), "RESTORED_URL="+restored.String())
	w.settings["DATABASE_URL"] = strings.Replace(w.settings["DATABASE_URL"], "/postgres?", "/bulkreg?", 1)
	w.at(restored.String())
	w.types("migrate")
	w.worker()
	w.held(holds.Restored)
	w.register("order-1043", lost...) // the order system gives it again
	w.reconcileAsTyped()
}

// A standby that has missed the last calls is promoted.
func failOverAsTyped(w *world) {
	w.register("before", names("b", batchSize)...)
	first := w.worker()
	w.settled()
	w.stop(first)
	w.register(runbookOrder, names("a", 6*batchSize)...)
	s := w.laggingStandby()
	w.alsoAt(s.server)
	w.slowly(sandbox.OpRegister, "", 700*time.Millisecond)
	w.worker()
	w.bought(4 * batchSize)
	former := w.server.URL("")
	if err := w.server.Kill(); err != nil {
		w.t.Fatal(err)
	}
	w.types("former", "FORMER_URL="+former)
	w.types("promote", "STANDBY_URL="+s.server.URL(""))
	w.at(s.server.URL(""))
	w.reconcileAsTyped()
}

// buySlowly has a worker buy the domains of an order, and returns when some are registered and most are not.
func (w *world) buySlowly() *process {
	w.t.Helper()
	w.slowly(sandbox.OpRegister, "", 400*time.Millisecond)
	w.register(runbookOrder, names("a", 8*batchSize)...)
	p := w.worker()
	w.await("a call is settled", func() (bool, error) {
		n, err := w.sql(`SELECT count(*) FROM jobs WHERE outcome = 'registered'`)
		return n > 0, err
	})
	return p
}

// bought waits until so many domains are paid for.
func (w *world) bought(n int) {
	w.t.Helper()
	w.await("registrations are paid for", func() (bool, error) {
		ledger, err := w.remote.Ledger(w.t.Context())
		return err == nil && len(ledger.PaidDomains()) >= n, err
	})
}

// at makes a database the one that the scenario itself looks at.
func (w *world) at(url string) {
	w.t.Helper()
	w.database = url
	var err error
	if w.store, err = store.Open(w.t.Context(), w.database, store.Options{MaxConns: 4}); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(w.store.Close)
}

// reconcileAsTyped goes through the section that both end with, a person's part of it included: only what the ledger has is confirmed.
func (w *world) reconcileAsTyped() {
	w.t.Helper()
	w.held(holds.Restored)
	before := len(w.received(sandbox.OpRegister))
	if said := w.types("look"); !strings.Contains(said, "restored") || !strings.Contains(said, "count as possibly sent") {
		w.t.Errorf("nobody is told of the hold:\n%s", said)
	}
	forgotten, err := w.sql(`SELECT count(*) FROM jobs WHERE domain = ANY($1) AND finished_at IS NULL AND domain NOT LIKE 'lost-%'`, w.paidDomains())
	if err != nil {
		w.t.Fatal(err)
	}
	w.proveCount("paid calls forgotten", forgotten)
	pass(w.t, time.Second)
	w.held(holds.Restored)
	if after := len(w.received(sandbox.OpRegister)); after > before {
		w.t.Errorf("%d domains were sent under the restored hold", after-before)
	}
	w.healed()
	w.types("lift")
	w.settled()
	// Fewer, where a worker still had the reply to a call whose intent was forgotten.
	if doubtful := w.onTheList(); doubtful > forgotten {
		w.t.Errorf("%d jobs wait for a person, and %d were paid for and forgotten", doubtful, forgotten)
	}
	w.types("confirm")
	w.settled()
	w.types("done")
}

func (w *world) paidDomains() []string {
	w.t.Helper()
	ledger, err := w.remote.Ledger(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return ledger.PaidDomains()
}

// onTheList compares unconfirmed jobs with the registrar's list, as the page tells a person to, and counts them.
func (w *world) onTheList() int {
	w.t.Helper()
	list, n := w.paidDomains(), 0
	for _, o := range w.orders {
		for j, err := range w.store.Orders.Jobs(w.t.Context(), o.ID, orders.JobFilter{}) {
			if err != nil {
				w.t.Fatal(err)
			}
			if j.State != record.Unconfirmed {
				continue
			}
			if n++; !slices.Contains(list, j.Domain) {
				w.t.Errorf("%s is unconfirmed, and not on the registrar's list", j.Domain)
			}
		}
	}
	return n
}

// types has a shell carry out the commands of a section of the runbook, with the settings of the workers and more, and returns what they
// said. Each must end as the page says.
func (w *world) types(section string, environ ...string) string {
	w.t.Helper()
	var said strings.Builder
	for _, command := range typed(w.t, section) {
		said.WriteString("$ " + command + "\n")
		output, status := w.shell(command, environ)
		said.WriteString(output)
		if want := endsWith(section, command); status != want {
			w.t.Fatalf("$ %s\nends with %d, want %d:\n%s", command, status, want, output)
		}
	}
	w.t.Logf("%s", said.String())
	return said.String()
}

// endsWith is the status that the page names for a command, 0 where it names none.
func endsWith(section, command string) int {
	switch section + ": " + command {
	case `former: pg_isready --dbname="$FORMER_URL"`:
		return 2 // no response
	case "look: bulkreg resume":
		return 2
	case "confirm: bulkreg status":
		return 4
	}
	return 0
}

// shell carries a command out as whoever operates bulkreg would, with its programs and Postgres' in PATH.
func (w *world) shell(command string, environ []string) (output string, status int) {
	w.t.Helper()
	program, err := bulkreg.path(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	path := filepath.Dir(program) + ":" + os.Getenv("PATH")
	if _, err := exec.LookPath("initdb"); err != nil { // packages keep the programs of each version in a folder of their own: the newest is the server's
		for _, place := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/libexec/postgresql*", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin"} {
			found, err := filepath.Glob(place)
			if err != nil {
				w.t.Fatal(err)
			}
			slices.Reverse(found)
			path = strings.Join(append(found, path), ":")
		}
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Dir = w.dir
	cmd.Env = append(w.environ(environ...), "PATH="+path, "BULKREG_OPERATOR=torture", "LC_ALL=C")
	said, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		w.t.Fatalf("%s: %v", command, err)
	}
	return string(said), cmd.ProcessState.ExitCode()
}

const runbookPage = "../../../deploy/RUNBOOK.md"

// Whatever those sections tell to type, a scenario types.
func TestRunbookIsTyped(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(runbookPage)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, begun := strings.Cut(string(page), "\n## After a failover\n")
	sections, _, ended := strings.Cut(rest, "\n## The HTTP API\n")
	if !begun || !ended {
		t.Fatal("the runbook has other sections")
	}
	var marks []string
	for _, mark := range regexp.MustCompile(`<!-- typed: (\w+) -->`).FindAllStringSubmatch(sections, -1) {
		marks = append(marks, mark[1])
	}
	if got, want := strings.Join(marks, " "), "former promote backup restore migrate look lift confirm done"; got != want {
		t.Errorf("marked are %s; want %s", got, want)
	}
	if blocks := strings.Count(sections, "```console"); blocks != len(marks) {
		t.Errorf("%d blocks to type, %d of them marked", blocks, len(marks))
	}
}

// typed are the commands of a section of the runbook: those of the console block that follows its mark.
func typed(t *testing.T, section string) []string {
	t.Helper()
	page, err := os.ReadFile(runbookPage)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, marked := strings.Cut(string(page), fmt.Sprintf("<!-- typed: %s -->\n```console\n", section))
	block, _, ended := strings.Cut(rest, "```\n")
	if !marked || !ended {
		t.Fatalf("the runbook has no section %q", section)
	}
	var commands []string
	for line := range strings.Lines(block) {
		command, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "$ ")
		if !ok {
			t.Fatalf("%q is no command", line)
		}
		commands = append(commands, command)
	}
	return commands
}
