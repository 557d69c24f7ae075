package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/store/audit"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// exec changes rows past all rules.
func (d *desk) exec(statement string) {
	d.t.Helper()
	d.sql(func(conn *pgx.Conn) error {
		_, err := conn.Exec(d.t.Context(), statement)
		return err
	})
}

func TestAuditOfASoundDatabase(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if r := d.must(exitDone, "audit"); r.stdout != "" || !strings.Contains(r.stderr, "Checked 0 orders, 0 jobs and 0 paid attempts, as of ") {
		t.Errorf("of an empty database: %q %q", r.stdout, r.stderr)
	}
	d.must(exitDone, "enqueue", "register", d.file("two.txt", "one.nl\ntwo.nl\n"), "--order", "two", "--holder", "H-1", "--yes")
	d.work(record.Register, fates{"one.nl": succeeds(record.Registered), "two.nl": isUnconfirmed()})
	r := d.must(exitDone, "audit", "--grace", "0")
	for _, want := range []string{"Checked 1 order, 2 jobs and 2 paid attempts, as of ", "All is well: I1, I2, I5, I6, I7, I8, I9, I10 hold."} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("it lacks %q: %s", want, r.stderr)
		}
	}
	got := parsed[auditJSON](t, d.must(exitDone, "audit", "-o", "json").stdout)
	if got.Orders != 1 || got.Jobs != 2 || got.Attempts != 2 || got.Total != 0 || got.Breaches == nil || len(got.Invariants) != 8 || got.At.IsZero() {
		t.Errorf("JSON: %+v", got)
	}
}

func TestAuditOfADamagedDatabase(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.must(exitDone, "enqueue", "register", d.file("some.txt", "one.nl\ntwo.nl\nthree.nl\n"), "--order", "some", "--holder", "H-1", "--yes")
	d.work(record.Register, fates{"one.nl": succeeds(record.Registered), "two.nl": succeeds(record.Registered), "three.nl": succeeds(record.Registered)})
	d.exec(`UPDATE orders SET total = 4`)
	d.exec(`UPDATE attempts SET state = 'failed' WHERE domain <> 'three.nl'`)

	r := d.must(exitError, "audit", "--limit", "1")
	id := d.jobOf("one.nl").String()
	for _, want := range []string{
		"INVARIANT", "I1         -", "The order has 3 jobs, and was accepted with 4.",
		"I7         " + id + "  one.nl  some   The job ended as registered at ",
	} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("the table lacks %q:\n%s", want, r.stdout)
		}
	}
	for _, want := range []string{
		"Checked 1 order, 3 jobs", "What to do:\nI1   Rows were added", "\nI7   Ask the registrar whether the domain is ours",
		"I7: 1 of 2 breaches are listed; --limit lists more.", "bulkreg: the audit found 3 breaches",
	} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("standard error lacks %q:\n%s", want, r.stderr)
		}
	}
	if strings.Contains(r.stdout, "two.nl") || strings.Contains(r.stderr, "I1: 1 of 1") || strings.Contains(r.stderr, "All is well") {
		t.Errorf("it says too much:\n%s%s", r.stdout, r.stderr)
	}
	if all := d.must(exitError, "audit"); strings.Count(all.stdout, "\n") != 4 || strings.Count(all.stderr, "\nI7 ") != 1 {
		t.Errorf("all of them:\n%s%s", all.stdout, all.stderr)
	}

	got := parsed[auditJSON](t, d.must(exitError, "audit", "-o", "json").stdout)
	if got.Total != 3 || len(got.Breaches) != 3 || got.Breaches[0].JobID != nil {
		t.Fatalf("JSON: %+v", got)
	}
	want := breachJSON{
		Invariant: "I7", JobID: got.Breaches[1].JobID, Domain: "one.nl", Source: "cli", Reference: "some",
		What: got.Breaches[1].What, Advice: got.Breaches[1].Advice,
	}
	if got.Breaches[1] != want || want.JobID.String() != id || want.What == "" || want.Advice == "" {
		t.Errorf("JSON: %+v, want %+v", got.Breaches[1], want)
	}
	for _, checked := range got.Invariants {
		if want := map[string]int{"I1": 1, "I7": 2}[checked.Invariant]; checked.Breaches != want || checked.Rule == "" {
			t.Errorf("JSON: %+v, want %d breaches", checked, want)
		}
	}
}

// Rows that were changed so that all counts still fit no longer have the ids that are made of them.
func TestAuditFindsWhatBelongsElsewhere(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change string
		jobs   int
	}{
		"two jobs of two orders are swapped": {`UPDATE jobs SET seq = 99 WHERE domain = 'a.nl';
			UPDATE jobs SET order_id = (SELECT id FROM orders WHERE reference = 'first'), seq = 1 WHERE domain = 'c.nl';
			UPDATE jobs SET order_id = (SELECT id FROM orders WHERE reference = 'second'), seq = 1 WHERE domain = 'a.nl'`, 2},
		"two domains are swapped": {`UPDATE jobs SET domain = CASE domain WHEN 'a.nl' THEN 'b.nl' ELSE 'a.nl' END WHERE domain IN ('a.nl', 'b.nl')`, 2},
		"another domain":          {`UPDATE jobs SET domain = 'evil.nl' WHERE domain = 'a.nl'`, 1},
		"another source":          {`UPDATE orders SET source = 'stranger' WHERE reference = 'first'`, 2},
		"another reference":       {`UPDATE orders SET reference = 'third' WHERE reference = 'first'`, 2},
		"another id":              {`UPDATE jobs SET id = '6d1c3c1e-54f4-5c53-9a4e-9f3f5f0d8b6a' WHERE domain = 'a.nl'`, 1},

		"a producer gave the id to an early release": {`UPDATE jobs SET id = gen_random_uuid() WHERE domain = 'a.nl'`, 0},
		"no domain, shortened":                       {`UPDATE jobs SET domain = '"no domain"' WHERE domain = 'a.nl'`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.must(exitDone, "enqueue", "whois", d.file("first.txt", "a.nl\nb.nl\n"), "--order", "first")
			d.must(exitDone, "enqueue", "whois", d.file("second.txt", "c.nl\n"), "--order", "second")
			d.must(exitDone, "audit")
			d.exec(tc.change)
			if tc.jobs == 0 {
				d.must(exitDone, "audit")
				return
			}
			r := d.must(exitError, "audit")
			if n := strings.Count(r.stdout, "\nI1 "); strings.Count(r.stdout, "The job's id is not the one that is made of") != tc.jobs ||
				n != tc.jobs || !strings.Contains(r.stderr, "I1   Rows were changed past bulkreg: pause the orders") {
				t.Errorf("%d breaches, want %d jobs:\n%s%s", n, tc.jobs, r.stdout, r.stderr)
			}
		})
	}
}

// To retry a job whose domain may have been paid for twice is the last thing to do.
func TestAuditOffersRetryOnlyWhereItHelps(t *testing.T) {
	t.Parallel()
	for invariant, want := range map[string]bool{"I1": false, "I2": false, "I5": false, "I6": true, "I7": false, "I8": false, "I9": false, "I10": false} {
		var stderr bytes.Buffer
		c := &auditing{app: &app{stderr: &stderr}}
		c.printAdvice(audit.Report{Breaches: []audit.Breach{{Invariant: invariant, Advice: "Find out."}}})
		if got := strings.Contains(stderr.String(), "`bulkreg retry JOB`"); got != want || !strings.Contains(stderr.String(), "`bulkreg job JOB` shows") {
			t.Errorf("%s: %s", invariant, stderr.String())
		}
	}
}

func (d *desk) jobOf(domain string) (id uuid.UUID) {
	d.t.Helper()
	d.sql(func(conn *pgx.Conn) error {
		return conn.QueryRow(d.t.Context(), `SELECT id FROM jobs WHERE domain = $1`, domain).Scan(&id)
	})
	return id
}

// The order of another source is told by its source as well.
func TestAuditNamesTheSource(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{cliSource: "r", "shop": "shop/r", "": ""} {
		b := audit.Breach{Source: source, Reference: "r"}
		if source == "" {
			b.Reference = ""
		}
		if got := orderCell(b); got != want {
			t.Errorf("source %q: %q, want %q", source, got, want)
		}
	}
}

func TestAuditUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--limit", "0"}, {"--limit", "10001"}, {"--grace", "-1s"}, {"--grace", "soon"}, {"order-1"}, {"-o", "xml"},
	} {
		if r := runCommand(t, nil, append([]string{"audit"}, args...)...); r.status != exitUsage || r.stdout != "" {
			t.Errorf("audit %q: status %d, %s", args, r.status, r.stderr)
		}
	}
	if r := runCommand(t, []string{"DATABASE_URL=postgres://127.0.0.1:1/none"}, "audit"); r.status != exitError {
		t.Errorf("without a database: status %d, %s", r.status, r.stderr)
	}
}

// What the command's help says of each invariant is what it reports.
func TestAuditHelpHasTheRules(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	help := d.must(exitDone, "audit", "--help").stdout
	for _, checked := range parsed[auditJSON](t, d.must(exitDone, "audit", "-o", "json").stdout).Invariants {
		if !strings.Contains(help, checked.Invariant+"  ") || !strings.Contains(help, checked.Rule) {
			t.Errorf("the help lacks %s: %s", checked.Invariant, checked.Rule)
		}
	}
}
