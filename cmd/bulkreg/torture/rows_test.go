package torture

import (
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// row is an answer that the upstream may give, and what becomes of ten jobs that get it: one row of the table that says
// what an answer means. Each goes through a worker of the real binary.
type row struct {
	answer string
	fault  sandbox.Fault // Kind "": none, the domains' label does it. Op "": of the table's operation
	label  string        // of the domains; "": any
	whole  bool          // all ten have that label; otherwise one has
	want   map[string]int
	// hold is the reason that the account must have been on hold for in between; "": none.
	hold holds.Reason
	// free says that no attempt was used up: what happened was not the jobs' own.
	free bool
	// holder is what a row is about whose domains come with the details of a holder; nil: they name one by its id.
	holder *holderRow
}

const rowJobs = 10

// all is how ten jobs end that all end alike.
func all(end string) map[string]int { return map[string]int{end: rowJobs} }

// but is all of them well, but for some.
func but(well string, n int, end string) map[string]int {
	return map[string]int{well: rowJobs - n, end: n}
}

func status(code int) sandbox.Fault { return sandbox.Fault{Kind: sandbox.KindStatus, Status: code} }

func statusAfter(code, k int) sandbox.Fault {
	return sandbox.Fault{Kind: sandbox.KindStatus, Status: code, Effect: sandbox.EffectFirst, K: k}
}

func bare(code int) sandbox.Fault {
	return sandbox.Fault{Kind: sandbox.KindStatus, Status: code, Bare: true}
}

func times(n int, f sandbox.Fault) sandbox.Fault {
	f.Count = n
	return f
}

func waiting(f sandbox.Fault) sandbox.Fault {
	f.RetryAfter = time.Second
	return f
}

func broken(k sandbox.Kind) sandbox.Fault { return sandbox.Fault{Kind: k} }

// brokenAfter is a reply lost after all of the work.
func brokenAfter(k sandbox.Kind) sandbox.Fault {
	return sandbox.Fault{Kind: k, Effect: sandbox.EffectAll}
}

func changed(k sandbox.Kind, items int) sandbox.Fault {
	return sandbox.Fault{Kind: k, Items: items}
}

// whoisRows are the answers to WHOIS checks that somebody ordered. See registerRows for their order.
func whoisRows() []row {
	return []row{
		{answer: "200, free", want: all("available"), free: true},
		{answer: "200, taken", label: "taken", whole: true, want: all("taken"), free: true},
		{answer: "200, an item missing", fault: changed(sandbox.KindMissing, 3), want: all("available")},
		{answer: "200, items doubled", fault: changed(sandbox.KindDoubled, 3), want: all("available"), free: true},
		{answer: "200, items never asked for", fault: changed(sandbox.KindExtra, 3), want: all("available"), free: true},
		{answer: "200, upper case", fault: changed(sandbox.KindUpper, 3), want: all("available"), free: true},
		{answer: "200, an item without an answer", label: "unknown", want: but("available", 1, "exhausted")},
		{answer: "200, truncated", fault: broken(sandbox.KindTruncate), want: all("available")},
		{answer: "200, half of the JSON", fault: broken(sandbox.KindHalfJSON), want: all("available")},
		{answer: "200, a web page", fault: broken(sandbox.KindHTML), want: all("available")},
		{answer: "400", fault: status(400), want: all("available")},
		{answer: "422 for one of ten", label: "whoispoison", want: but("available", 1, "rejected")},
		{answer: "422 for every single one", label: "whoispoison", whole: true, want: all("rejected")},
		{answer: "401 once", fault: status(401), want: all("available"), free: true},
		{answer: "404", fault: status(404), want: all("available")},
		{answer: "401 again", fault: times(2, status(401)), want: all("available"), hold: holds.Auth, free: true},
		{answer: "402", fault: status(402), want: all("available"), hold: holds.Payment, free: true},
		{answer: "405", fault: status(405), want: all("available"), hold: holds.Contract, free: true},
		{answer: "404 on the operation", fault: bare(404), want: all("available"), hold: holds.Contract, free: true},
		{answer: "429", fault: waiting(status(429)), want: all("available"), free: true},
		{answer: "503 with Retry-After", fault: waiting(status(503)), want: all("available")},
		{answer: "500", fault: times(2, status(500)), want: all("available")},
		{answer: "a status that nobody knows", fault: status(418), want: all("available")},
		{answer: "a redirect", fault: status(302), want: all("available")},
		{answer: "no answer in time", fault: broken(sandbox.KindBlackHole), want: all("available")},
		{answer: "line cut", fault: broken(sandbox.KindCut), want: all("available")},
		{answer: "500 as often as there are attempts", fault: times(rowAttempts, status(500)), want: all("available"), hold: holds.Outage},
	}
}

// registerRows are the answers to registrations. Between two batches that are refused whole for no reason of theirs one goes
// through, or the worker would take it for a limit.
func registerRows() []row {
	const registered, unconfirmed = "registered", "unconfirmed"
	return []row{
		{answer: "200, registered", want: all(registered), free: true},
		{answer: "200, an item refused", label: "refused", want: but(registered, 1, "rejected")},
		{answer: "200, an item failed with 500", label: "flaky", want: all(registered)},
		{answer: "200, items missing", fault: changed(sandbox.KindMissing, 3), want: but(registered, 3, unconfirmed)},
		{answer: "200, items doubled", fault: changed(sandbox.KindDoubled, 3), want: all(registered), free: true},
		{answer: "200, items never asked for", fault: changed(sandbox.KindExtra, 3), want: all(registered), free: true},
		{answer: "200, upper case", fault: changed(sandbox.KindUpper, 3), want: all(registered), free: true},
		{answer: "200, truncated", fault: broken(sandbox.KindTruncate), want: all(unconfirmed)},
		{answer: "200, half of the JSON", fault: broken(sandbox.KindHalfJSON), want: all(unconfirmed)},
		{answer: "200, a web page", fault: broken(sandbox.KindHTML), want: all(unconfirmed)},
		{answer: "taken at the fresh check", label: "taken", want: but(registered, 1, "taken")},
		{answer: "400 for one of ten", label: "badreq", want: but(registered, 1, "rejected")},
		{answer: "422 for one of ten", label: "poison", want: but(registered, 1, "rejected")},
		{answer: "422 for every single one", label: "poison", whole: true, want: all("rejected")},
		{answer: "404, documented", fault: status(404), want: all(registered)},
		{answer: "401 once", fault: status(401), want: all(registered), free: true},
		{answer: "400 after 4 of 10", fault: statusAfter(400, 4), want: but(registered, 4, unconfirmed)},
		{answer: "401 again", fault: times(2, status(401)), want: all(registered), hold: holds.Auth, free: true},
		{answer: "402", fault: status(402), want: all(registered), hold: holds.Payment, free: true},
		{answer: "422 after 4 of 10", fault: statusAfter(422, 4), want: but(registered, 4, unconfirmed)},
		{answer: "402 after 4 of 10", fault: statusAfter(402, 4), want: but(registered, 4, unconfirmed), hold: holds.Payment},
		{answer: "405", fault: status(405), want: all(registered), hold: holds.Contract, free: true},
		{answer: "404 on the operation", fault: bare(404), want: all(registered), hold: holds.Contract, free: true},
		{answer: "429", fault: waiting(status(429)), want: all(registered), free: true},
		{answer: "503 with Retry-After", fault: waiting(status(503)), want: all(registered)},
		{answer: "500 before any", fault: status(500), want: all(registered)},
		{answer: "500 after 4 of 10", fault: statusAfter(500, 4), want: but(registered, 4, unconfirmed)},
		{answer: "a status that nobody knows, after 4 of 10", fault: statusAfter(418, 4), want: but(registered, 4, unconfirmed)},
		{answer: "a redirect", fault: status(302), want: all(registered)},
		{answer: "line cut before the work", fault: broken(sandbox.KindCut), want: all(registered)},
		{answer: "line cut after the work", fault: brokenAfter(sandbox.KindCut), want: all(unconfirmed)},
		{answer: "no answer in time", fault: brokenAfter(sandbox.KindBlackHole), want: all(unconfirmed)},
		{answer: "WHOIS cannot be had", fault: sandbox.Fault{Op: sandbox.OpWhois, Kind: sandbox.KindStatus, Status: 500, Count: 2}, want: all(registered)},
		{answer: "WHOIS refuses one of ten", label: "whoispoison", want: but(registered, 1, "rejected")},
	}
}

// rowAttempts is MAX_ATTEMPTS of the workers.
const rowAttempts = 5

func TestEveryAnswer(t *testing.T) {
	t.Parallel()
	var plays []play
	for op, rows := range map[sandbox.Op][]row{
		sandbox.OpWhois: whoisRows(), sandbox.OpRegister: registerRows(), sandbox.OpHolder: holderRows(),
	} {
		plays = append(plays, play{string(op), func(t *testing.T) { playRows(t, op, rows) }})
	}
	together(t, len(plays), plays)
}

// playRows plays one row after the other, in one world with one worker.
func playRows(t *testing.T, op sandbox.Op, rows []row) {
	w := newWorld(t, needs{settings: map[string]string{"MAX_ATTEMPTS": fmt.Sprint(rowAttempts), "RETRY_MAX": "200ms"}})
	p := w.worker()
	for i, r := range rows {
		if only := os.Getenv("TEST_ROW"); only != "" && !strings.Contains(r.answer, only) {
			continue
		}
		r.play(w, p, op, i)
	}
	w.stop(p)
	w.judge(expectation{})
}

// play orders ten jobs that get the row's answer, and looks at how they end.
func (r row) play(w *world, p *process, op sandbox.Op, n int) {
	w.t.Helper()
	fail := func(format string, args ...any) {
		w.t.Helper()
		w.t.Errorf("%s, %s: %s", op, r.answer, fmt.Sprintf(format, args...))
	}
	if r.holder != nil {
		r.holder.prepare(w, rowPerson(n))
	}
	fired := func() int { return 1 }
	if r.fault.Kind != "" {
		if r.fault.Op == "" {
			r.fault.Op = op
		}
		fired = w.inject(r.fault)
	}
	before := strings.Count(p.said(w.t), holdLine(r.hold))
	order := r.order(w, op, n)
	w.settled()
	if got := fired(); got < max(r.fault.Count, 1) {
		fail("I12: the fault happened %d times", got)
	}
	r.outcomes(w, order, fail)
	if r.hold != "" && strings.Count(p.said(w.t), holdLine(r.hold)) == before {
		fail("the account was never on hold for %s", r.hold)
	}
	used, err := w.sql(`SELECT max(attempts) FROM jobs WHERE order_id = $1`, order.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	if r.free && used != 1 {
		fail("used up %d attempts, want 1", used)
	}
	if r.holder != nil {
		r.holder.check(w, order, rowPerson(n), fail)
	}
}

func (r row) order(w *world, op sandbox.Op, n int) record.Order {
	w.t.Helper()
	domains := r.domains(fmt.Sprintf("row-%d-%s", n, op))
	if r.holder != nil {
		return r.holder.order(w, r.answer, rowPerson(n), domains)
	}
	kind := queue.Register
	if op == sandbox.OpWhois {
		kind = queue.Whois
	}
	return w.order(kind, r.answer, domains...)
}

func (r row) outcomes(w *world, order record.Order, fail func(string, ...any)) {
	w.t.Helper()
	sum, err := w.store.Orders.Summarize(w.t.Context(), order)
	if err != nil {
		w.t.Fatal(err)
	}
	got := map[string]int{}
	for outcome, jobs := range sum.Outcomes {
		got[string(outcome)] = jobs
	}
	if jobs := sum.Counts[record.Unconfirmed]; jobs > 0 {
		got[string(record.Unconfirmed)] = jobs
	}
	if !maps.Equal(got, r.want) {
		fail("ended as %v, want %v", got, r.want)
	}
}

// holdLine is what a worker logs when it lays a hold; not in any log, if there is no reason.
func holdLine(reason holds.Reason) string {
	return fmt.Sprintf(`"reason":"%s","scope"`, reason)
}

func (r row) domains(fresh string) []string {
	if r.label == "" {
		return names(fresh, rowJobs)
	}
	if r.whole {
		return names(r.label+"-"+fresh, rowJobs)
	}
	return append(names(fresh, rowJobs-1), r.label+"-"+fresh+".nl")
}
