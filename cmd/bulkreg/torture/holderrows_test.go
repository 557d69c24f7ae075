package torture

import (
	"context"
	"fmt"
	"strings"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake/input"
	"github.com/bulkreg/bulkreg/worker/registrar"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// holderRow is what is known of the holder of ten registrations that come with the same details, and of nobody else's.
type holderRow struct {
	known string // the street where the upstream's holder with that address lives beforehand; "": it has none
	want  int    // holders with that address that the upstream has made in the end
	says  string // the error of each job, where the jobs fail
}

const (
	ownStreet   = "Kerkstraat"
	otherStreet = "Dorpsstraat"
)

// made is a holder that the upstream makes for the jobs, once.
func made() *holderRow { return &holderRow{want: 1} }

// had is a holder that the upstream has already.
func had() *holderRow { return &holderRow{known: ownStreet, want: 1} }

func refused(says string) *holderRow { return &holderRow{says: says} }

// onCreate lets the search pass, which finds nobody, so that the fault hits the creation.
func onCreate(f sandbox.Fault) sandbox.Fault {
	f.Skip = 1
	return f
}

func saying(words string, f sandbox.Fault) sandbox.Fault {
	f.Message = words
	return f
}

// holderRows are the answers about a holder whose details came with an order: to the search for it, and to its creation.
// Whatever happens, no attempt of a job is used up, and no details reach an error.
func holderRows() []row {
	const quoted, hidden = "no post to Joost at 1234 AB Zonnedorp", "no post to [personal] at [personal] [personal]"
	const refusal = "the holder was refused: "
	well := all("registered")
	rows := []row{
		{answer: "found", want: well, holder: had()},
		{answer: "found, but somebody else", want: well, holder: &holderRow{known: otherStreet, want: 2}},
		{answer: "not found, created", want: well, holder: made()},

		{answer: "search: 400", fault: saying(quoted, status(400)), want: all("rejected"), holder: refused(refusal + hidden)},
		{answer: "search: 422", fault: saying(quoted, status(422)), want: all("rejected"), holder: refused(refusal + hidden)},
		{answer: "search: truncated", fault: broken(sandbox.KindTruncate), want: well, holder: had()},
		{answer: "search: half of the JSON", fault: broken(sandbox.KindHalfJSON), want: well, holder: had()},
		{answer: "search: 500 as often as there are attempts", fault: saying(quoted, times(rowAttempts, status(500))), want: well,
			hold: holds.Outage, holder: made()},

		{answer: "creation: 400", fault: onCreate(saying(quoted, status(400))), want: all("rejected"), holder: refused(refusal + hidden)},
		{answer: "creation: 404", fault: onCreate(saying(quoted, status(404))), want: all("rejected"), holder: refused(refusal + hidden)},
		{answer: "creation: 422", fault: onCreate(saying(quoted, status(422))), want: all("rejected"), holder: refused(refusal + hidden)},
		{answer: "creation: a status that nobody knows", fault: onCreate(status(418)), want: well, holder: made()},
		{answer: "creation: a redirect", fault: onCreate(status(302)), want: well, holder: made()},
		{answer: "creation: truncated", fault: onCreate(broken(sandbox.KindTruncate)), want: well, holder: made()},
		{answer: "creation: half of the JSON", fault: onCreate(broken(sandbox.KindHalfJSON)), want: well, holder: made()},
		{answer: "creation: 500 after the work", fault: onCreate(after(status(500))), want: well, holder: made()},
		{answer: "creation: line cut after the work", fault: onCreate(brokenAfter(sandbox.KindCut)), want: well, holder: made()},
		{answer: "creation: no answer in time after the work", fault: onCreate(brokenAfter(sandbox.KindBlackHole)), want: well, holder: made()},
	}
	for _, call := range []struct {
		name string
		to   func(sandbox.Fault) sandbox.Fault
	}{{"search", func(f sandbox.Fault) sandbox.Fault { return f }}, {"creation", onCreate}} {
		for _, a := range passingAnswers() {
			a.answer, a.fault, a.want, a.holder = call.name+": "+a.answer, call.to(a.fault), well, made()
			rows = append(rows, a)
		}
	}
	for i := range rows {
		rows[i].free = true
	}
	return rows
}

// passingAnswers are those that both calls may get, that say nothing of the holder, and after which all goes well.
func passingAnswers() []row {
	return []row{
		{answer: "500", fault: times(2, status(500))},
		{answer: "503 with Retry-After", fault: waiting(status(503))},
		{answer: "429", fault: waiting(status(429))},
		{answer: "401 once", fault: status(401)},
		{answer: "401 again", fault: times(2, status(401)), hold: holds.Auth},
		{answer: "402", fault: status(402), hold: holds.Payment},
		{answer: "405", fault: status(405), hold: holds.Contract},
		{answer: "404 on the operation", fault: bare(404), hold: holds.Contract},
		{answer: "a web page", fault: broken(sandbox.KindHTML)},
		{answer: "line cut", fault: broken(sandbox.KindCut)},
		{answer: "no answer in time", fault: broken(sandbox.KindBlackHole)},
	}
}

// after is an answer that comes although all of the work was done.
func after(f sandbox.Fault) sandbox.Fault {
	f.Effect = sandbox.EffectAll
	return f
}

// rowPerson is the holder of a row's domains.
func rowPerson(n int) registrar.Holder {
	return registrar.Holder{
		FirstName: "Joost", LastName: fmt.Sprintf("Jansen%d", n), Email: fmt.Sprintf("joost.jansen%d@example.nl", n), Phone: "+31612345678",
		Street: ownStreet, HouseNumber: "12", PostalCode: "1234 AB", City: "Zonnedorp", Country: "NL",
	}
}

// prepare has the upstream make the holder that it is to have beforehand.
func (h holderRow) prepare(w *world, person registrar.Holder) {
	w.t.Helper()
	if h.known != "" {
		person.Street = h.known
		w.createHolder(person)
	}
}

// order orders registrations whose lines carry the holder's details.
func (holderRow) order(w *world, reference string, person registrar.Holder, domains []string) record.Order {
	w.t.Helper()
	order, err := w.submitDetails(w.t.Context(), reference, person, domains)
	if err != nil {
		w.t.Fatal(err)
	}
	w.orders = append(w.orders, order)
	return order
}

func (w *world) submitDetails(ctx context.Context, reference string, p registrar.Holder, domains []string) (record.Order, error) {
	text := "domain,firstname,lastname,email,phone,street,housenumber,postalcode,city,country\n"
	for _, d := range domains {
		text += strings.Join([]string{
			d, p.FirstName, p.LastName, p.Email, p.Phone, p.Street, p.HouseNumber, p.PostalCode, p.City, p.Country,
		}, ",") + "\n"
	}
	reader, err := input.NewReader(strings.NewReader(text), input.Options{Kind: string(queue.Register)})
	if err != nil {
		return record.Order{}, err
	}
	return w.take(ctx, "default", queue.Register, reference, reader)
}

// createHolder has the upstream make a holder, past the workers.
func (w *world) createHolder(h registrar.Holder) {
	w.t.Helper()
	client, err := registrar.New(registrar.Config{
		BaseURL: w.remote.BaseURL, ClientID: sandbox.DefaultClientID, ClientSecret: sandbox.DefaultClientSecret,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.CreateHolder(w.t.Context(), h); err != nil {
		w.t.Fatal(err)
	}
}

// check compares the row with the upstream's ledger, and looks for the holder's details where they do not belong.
func (h holderRow) check(w *world, order record.Order, person registrar.Holder, fail func(string, ...any)) {
	w.t.Helper()
	ledger, err := w.remote.Ledger(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	var ids []string
	for _, made := range ledger.Holders {
		if strings.EqualFold(made.Email, person.Email) {
			ids = append(ids, made.ID)
		}
	}
	if len(ids) != h.want {
		fail("the upstream made %d holders, want %d", len(ids), h.want)
		return
	}
	for j, err := range w.store.Orders.Jobs(w.t.Context(), order.ID, orders.JobFilter{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		sends, paid := ledger.Sends(j.Domain), ledger.Paid(j.Domain)
		switch {
		case h.says != "" && (j.LastError != h.says || len(sends) > 0):
			fail("%s: sent %d times, error %q, want %q", j.Domain, len(sends), j.LastError, h.says)
		case h.says == "" && (paid != 1 || sends[0].Holder != ids[len(ids)-1]):
			fail("%s: paid %d times, sent as %v, want one of holder %s", j.Domain, paid, sends, ids)
		}
	}
	h.keptPrivate(w, order, person, fail)
}

// keptPrivate looks for details of the holder in what is stored of jobs, calls and refusals.
func (holderRow) keptPrivate(w *world, order record.Order, p registrar.Holder, fail func(string, ...any)) {
	w.t.Helper()
	for _, detail := range []string{p.FirstName, p.LastName, p.Email, p.Phone, p.Street, p.PostalCode, p.City} {
		n, err := w.sql(`
			SELECT (SELECT count(*) FROM jobs j WHERE j.order_id = $1 AND j::text ILIKE '%' || $2 || '%')
				+ (SELECT count(*) FROM calls c WHERE c::text ILIKE '%' || $2 || '%')
				+ (SELECT count(*) FROM holders h WHERE h.words ILIKE '%' || $2 || '%')
				+ (SELECT count(*) FROM holds h WHERE h::text ILIKE '%' || $2 || '%')`, order.ID, detail)
		if err != nil {
			w.t.Fatal(err)
		}
		if n > 0 {
			fail("%q is in %d rows where it does not belong", detail, n)
		}
	}
}
