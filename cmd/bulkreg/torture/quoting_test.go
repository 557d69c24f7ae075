package torture

import (
	"slices"
	"strings"
	"time"

	"github.com/bulkreg/bulkreg/worker/sandbox"
)

func quotingRegistrars() []scenario {
	return []scenario{{name: "register: quotes holders in every spelling", run: quotesHolders}}
}

// quotesHolders has the upstream quote a holder in items and whole calls. Nothing of it is kept outside the one column for
// details, and after a purge nothing at all.
func quotesHolders(w *world) {
	spellings, person := sandbox.Spellings(), rowPerson(1)
	domains := names("quoting", len(spellings))
	w.worker()
	holderRow{}.order(w, "quoting", person, slices.Concat(domains, names("a", batchSize)))
	w.settled()
	quoted := w.inject(sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindQuote, Status: 422, Count: 2})
	holderRow{}.order(w, "more", person, names("b", batchSize))
	w.settled()
	w.proveCount("register: quotes holders", quoted())

	said, err := w.sql(`SELECT count(*) FROM jobs WHERE last_error LIKE 'cannot serve %[%]%'`)
	if err != nil || said < len(domains) {
		w.t.Errorf("%d jobs say what the upstream said, want %d; %v", said, len(domains), err)
	}
	w.keptNowhere(`jobs.last_error || ' ' || coalesce(jobs.whois_status, '') FROM jobs`, `calls.error FROM calls`, `attempts.message FROM attempts`, `words FROM holds`)
	if purged, err := w.store.Operator.PurgeHolders(w.t.Context(), time.Millisecond); err != nil || purged.Holders != 1 || purged.Words != 2 {
		w.t.Errorf("purged %+v, %v", purged, err)
	}
	w.keptNowhere(`holders::text FROM holders`, `jobs::text FROM jobs`, `calls::text FROM calls`, `attempts::text FROM attempts`)
}

// keptNowhere looks for the person of the row in texts, in every spelling.
func (w *world) keptNowhere(texts ...string) {
	w.t.Helper()
	const shortest = 5
	p := rowPerson(1)
	holder := sandbox.Holder{
		Firstname: p.FirstName, Lastname: p.LastName, Email: p.Email, Phone: p.Phone, Street: p.Street, Postalcode: p.PostalCode, City: p.City,
	}
	for _, spelling := range sandbox.Spellings() {
		for _, quote := range spelling.Quote(holder) {
			if len(quote) < shortest {
				continue
			}
			for _, text := range texts {
				n, err := w.sql(`SELECT count(*) FROM (SELECT `+text+`) AS t (text) WHERE position($1 IN lower(text)) > 0`, strings.ToLower(quote))
				if err != nil {
					w.t.Fatal(err)
				}
				if n > 0 {
					w.t.Errorf("%s, %q, is in %d rows of %s", spelling.Name, quote, n, text)
				}
			}
		}
	}
}
