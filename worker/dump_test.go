package worker_test

import (
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/bulkreg/bulkreg/store/audit"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"
	"golang.org/x/text/unicode/norm"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/queue/intake/input"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// invented are people who do not exist, with names that are written in more than one way.
func invented() []sandbox.Holder {
	return []sandbox.Holder{
		{
			Firstname: "Joëlle", Lastname: "Weißmüller-Ibáñez", Email: "joelle.weissmueller@zonnepost.example", Phone: "+31698765432",
			Street: "Lange Königstraat", Housenumber: "12", Postalcode: "1234 AB", City: "Sint-Jørgensdorp", Country: "NL",
		},
		{
			Firstname: "Joost", Lastname: "van der Secretman", Email: "joost@secretman.example", Phone: "+3225559876",
			Street: "Kerkstraat", Housenumber: "1a", Postalcode: "9876ZX", City: "Zonnedorp", Country: "BE",
		},
	}
}

// submitInvented takes in an order whose lines have these people as their holders, in turn.
func (b *bench) submitInvented(reference string, domains []string) record.Order {
	b.t.Helper()
	text := holderColumns
	for i, d := range domains {
		h := invented()[i%len(invented())]
		text += strings.Join([]string{d, h.Firstname, h.Lastname, h.Email, h.Phone, h.Street, h.Housenumber, h.Postalcode, h.City, h.Country}, ",") + "\n"
	}
	r, err := input.NewReader(strings.NewReader(text), input.Options{Kind: "register"})
	if err != nil {
		b.t.Fatal(err)
	}
	order := intake.Order{Source: "test", Reference: reference, Kind: queue.Register, Account: "default"}
	return b.submitRead(order, r, intake.Chunks{Whois: 100, Register: 50})
}

// dumpDatabase is everything that is in the database, as text.
func (b *bench) dumpDatabase() string {
	b.t.Helper()
	conn, err := pgx.Connect(b.t.Context(), b.url)
	if err != nil {
		b.t.Fatal(err)
	}
	defer conn.Close(b.t.Context())
	rows, err := conn.Query(b.t.Context(), `SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'`)
	if err != nil {
		b.t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		b.t.Fatal(err)
	}
	var all strings.Builder
	for _, table := range tables {
		var text string
		query := fmt.Sprintf(`SELECT coalesce(string_agg(t::text, E'\n'), '') FROM %s t`, pgx.Identifier{table}.Sanitize())
		if err := conn.QueryRow(b.t.Context(), query).Scan(&text); err != nil {
			b.t.Fatal(err)
		}
		fmt.Fprintf(&all, "%s:\n%s\n", table, text)
	}
	all.WriteString(b.pgDump())
	return all.String()
}

// pgDump is what pg_dump makes of the database, "" where there is none that knows this server.
func (b *bench) pgDump() string {
	b.t.Helper()
	path, err := exec.LookPath("pg_dump")
	if err != nil {
		b.t.Logf("no dump beside the tables: %v", err)
		return ""
	}
	out, err := exec.CommandContext(b.t.Context(), path, "--data-only", "--dbname", b.url).Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) && strings.Contains(string(failed.Stderr), "version mismatch") {
		b.t.Logf("no dump beside the tables: %s", failed.Stderr)
		return ""
	}
	if err != nil {
		b.t.Fatalf("pg_dump: %v", err)
	}
	return string(out)
}

// traces are what gives the invented people away, without marks and capitals.
func traces() []string {
	return []string{
		"joelle", "weiss", "muller", "mueller", "ibanez", "zonnepost", "98765432", "konig", "koenig", "jorgens", "joost", "secretman", "25559876",
		"kerkstr", "zonnedorp", "9876zx", "1234ab", "1234 ab",
	}
}

// wantNobody checks that a text names none of the invented people, in none of the spellings.
func wantNobody(t *testing.T, place, text string) {
	t.Helper()
	const shortest = 5 // letters of what cannot be there by chance
	lower := strings.ToLower(strings.ReplaceAll(text, `\\`, `\`))
	find := func(what, needle, in string) {
		if at := strings.Index(in, needle); at >= 0 {
			t.Errorf("%s: %s, %q, is in ...%s...", place, what, needle, in[max(0, at-100):min(len(in), at+100)])
		}
	}
	for _, spelling := range sandbox.Spellings() {
		for _, h := range invented() {
			for _, quote := range spelling.Quote(h) {
				if strings.IndexFunc(quote, unicode.IsLetter) >= 0 && len(quote) >= shortest || len(quote) > 2*shortest {
					find(spelling.Name, strings.ToLower(quote), lower)
				}
			}
		}
	}
	folded := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(strings.ReplaceAll(text, "ß", "ss")))
	for _, trace := range traces() {
		find("a trace", trace, folded)
	}
}

// A registrar that quotes holders in every form that it can think of, in items, in the errors of whole calls and on web pages,
// leaves nothing of them anywhere but in the one column for details, and after a purge not even there.
func TestNobodyIsLeftInADump(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	spellings := sandbox.Spellings()
	if len(spellings) < 40 {
		t.Fatalf("%d spellings, want forty or more", len(spellings))
	}
	var log lockedBuffer
	o := b.options()
	o.Log = zerolog.New(&log).Level(zerolog.TraceLevel)
	o.MaxAttempts = 100
	b.work(o)
	// A check names nobody, so what it quotes is the newest holder: there is one by then.
	b.inject(sandbox.Fault{Op: sandbox.OpWhois, Kind: sandbox.KindQuote, Status: http.StatusInternalServerError, Count: 5})
	orders := []record.Order{b.submitInvented("checks", names("check", 1))}
	b.settled(orders...)
	domains := names("quoting", len(spellings)*len(invented()))
	orders = append(orders, b.submitInvented("quoting", slices.Concat(domains, names("good", 4))))
	b.settled(orders...)
	for _, f := range []sandbox.Fault{
		{Op: sandbox.OpRegister, Kind: sandbox.KindQuote, Status: http.StatusUnprocessableEntity, Count: 2},
		{Op: sandbox.OpRegister, Kind: sandbox.KindQuote, Status: http.StatusPaymentRequired, Count: 2},
		{Op: sandbox.OpRegister, Kind: sandbox.KindQuote, Status: http.StatusInternalServerError, Count: 4},
		{Op: sandbox.OpRegister, Kind: sandbox.KindQuote, Status: http.StatusServiceUnavailable, Bare: true, Count: 2},
	} {
		b.inject(f)
	}
	orders = append(orders, b.submitInvented("faults", names("fault", 40)))
	sums := b.settled(orders...)
	if sums[1].Outcomes[record.Rejected] != len(domains) {
		t.Errorf("%v of the quoted jobs ended, want %d rejected", sums[1].Outcomes, len(domains))
	}
	if n := b.sql(`SELECT count(*) FROM jobs WHERE last_error LIKE 'cannot serve%'`); n < len(domains) {
		t.Errorf("%d jobs say what the registrar said, want %d", n, len(domains))
	}
	digests := strings.Fields(b.text(`SELECT string_agg(encode(digest, 'hex'), ' ') FROM (SELECT digest FROM holders UNION ALL SELECT digest FROM orders) AS d`))
	wantNobody(t, "export", b.exported(orders))
	wantNobody(t, "database before the purge", b.withoutDetails(b.dumpDatabase()))
	// What a producer puts into the place of a domain is shown until then: it has to find its mistake.
	b.own(queue.Register, "astray", queue.Job{Domain: "+31698765432", HolderID: "H-1"}, queue.Job{Domain: "Joost van der Secretman", HolderID: "H-1"})
	plan, err := b.store.Operator.PurgeHolders(t.Context(), time.Microsecond)
	if err != nil || plan.Holders != len(invented()) || plan.Names != 2 {
		t.Fatalf("purged %+v, %v", plan, err)
	}
	b.wantNamed()
	dump := b.dumpDatabase()
	wantNobody(t, "database", dump)
	wantNobody(t, "log", log.String())
	for _, digest := range digests {
		if strings.Contains(dump, digest) {
			t.Errorf("the digest %s is left", digest)
		}
	}
	if strings.Contains(dump, "cannot serve") {
		t.Error("words of the registrar are left")
	}
	for _, must := range []string{"quoting-0000.nl", "rejected"} {
		if !strings.Contains(dump, must) {
			t.Errorf("%s is not in the dump", must)
		}
	}
}

// wantNamed checks that an audit finds nothing, and no job whose id should be another one: a purge makes ids of nothing.
func (b *bench) wantNamed() {
	b.t.Helper()
	jobID := func(source, reference string, kind record.Kind, subject string) uuid.UUID {
		return queue.JobID(source, reference, queue.Kind(kind), subject)
	}
	report, err := b.store.Audit.Run(b.t.Context(), audit.Options{JobID: jobID})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, breach := range report.Breaches {
		b.t.Errorf("an audit says %s of %s: %s", breach.Invariant, breach.Domain, breach.What)
	}
}

// exported is what an export shows of orders.
func (b *bench) exported(orders []record.Order) string {
	b.t.Helper()
	var all strings.Builder
	for _, o := range orders {
		for _, j := range b.jobs(o) {
			fmt.Fprintf(&all, "%+v\n", j)
		}
	}
	return all.String()
}

// withoutDetails takes the lines of the one column that is meant for details out of a dump.
func (b *bench) withoutDetails(dump string) string {
	b.t.Helper()
	lines := strings.Split(dump, "\n")
	kept := slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
		return strings.Contains(line, "firstname") && strings.Contains(line, "housenumber")
	})
	if len(kept) == len(lines) {
		b.t.Error("no details are in the dump, so that nothing could be found")
	}
	return strings.Join(kept, "\n")
}

// A purge forgets which details a holder had. Who orders with them again gets the same holder: it is searched for first.
func TestPurgedHolderIsFoundAgain(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	b.work(b.options())
	b.settled(b.submitHolders("before", names("before", 3), always("Jansen")))
	if purged, err := b.store.Operator.PurgeHolders(t.Context(), time.Millisecond); err != nil || purged.Holders != 1 {
		t.Fatalf("purged %+v, %v", purged, err)
	}
	b.settled(b.submitHolders("after", names("after", 3), always("Jansen")))
	b.wantOneHolder()
	b.wantHolder(b.sandbox.Ledger().Holders[0].ID)
	if n := b.sql(`SELECT count(*) FROM holders WHERE state = 'ready' AND upstream_id = $1`, b.sandbox.Ledger().Holders[0].ID); n != 2 {
		t.Errorf("%d rows know the holder, want the purged one and the new one", n)
	}
}

// text reads one text.
func (b *bench) text(query string) string {
	b.t.Helper()
	conn, err := pgx.Connect(b.t.Context(), b.url)
	if err != nil {
		b.t.Fatal(err)
	}
	defer conn.Close(b.t.Context())
	var s string
	if err := conn.QueryRow(b.t.Context(), query).Scan(&s); err != nil {
		b.t.Fatalf("%s: %v", query, err)
	}
	return s
}
