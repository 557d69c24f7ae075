package torture

import (
	"time"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// upstreamFaults are answers to register calls that are wrong, or say little.
func upstreamFaults() []scenario {
	unanswered := expectation{unconfirmed: batchSize}
	var all []scenario
	for _, f := range []struct {
		name  string
		fault sandbox.Fault
		want  expectation
	}{
		{"500 before any", sandbox.Fault{Kind: sandbox.KindStatus, Status: 500}, expectation{}},
		{"500 after k of n", sandbox.Fault{Kind: sandbox.KindStatus, Status: 500, Effect: sandbox.EffectFirst, K: 4}, expectation{unconfirmed: 4}},
		{"reply dropped after full work", sandbox.Fault{Kind: sandbox.KindCut, Effect: sandbox.EffectAll}, unanswered},
		{"line reset after full work", sandbox.Fault{Kind: sandbox.KindReset, Effect: sandbox.EffectAll}, unanswered},
		{"work done after the client gave up", sandbox.Fault{Kind: sandbox.KindBlackHole, Effect: sandbox.EffectLate}, unanswered},
		{"one byte a second", sandbox.Fault{Kind: sandbox.KindTrickle}, unanswered},
		{"truncated", sandbox.Fault{Kind: sandbox.KindTruncate}, unanswered},
		{"half of the JSON", sandbox.Fault{Kind: sandbox.KindHalfJSON}, unanswered},
		{"not JSON", sandbox.Fault{Kind: sandbox.KindHTML}, unanswered},
		{"200 with missing items", sandbox.Fault{Kind: sandbox.KindMissing, Items: 3}, expectation{unconfirmed: 3}},
		{"200 with extra items", sandbox.Fault{Kind: sandbox.KindExtra, Items: 3}, expectation{}},
		{"200 with doubled items", sandbox.Fault{Kind: sandbox.KindDoubled, Items: 3}, expectation{}},
		{"200 with upper-case items", sandbox.Fault{Kind: sandbox.KindUpper, Items: 3}, expectation{}},
		{"401 at random", sandbox.Fault{Kind: sandbox.KindStatus, Status: 401, Skip: 1}, expectation{}},
		{"404 on the endpoint", sandbox.Fault{Kind: sandbox.KindStatus, Status: 404, Bare: true, Count: 2}, expectation{}},
		{"405 on the endpoint", sandbox.Fault{Kind: sandbox.KindStatus, Status: 405, Bare: true}, expectation{}},
		{"422 after registering some", sandbox.Fault{Kind: sandbox.KindStatus, Status: 422, Effect: sandbox.EffectFirst, K: 3}, expectation{unconfirmed: 3}},
		{"402 after registering some", sandbox.Fault{Kind: sandbox.KindStatus, Status: 402, Effect: sandbox.EffectFirst, K: 3}, expectation{unconfirmed: 3}},
		{"429 with Retry-After", sandbox.Fault{Kind: sandbox.KindStatus, Status: 429, RetryAfter: 1}, expectation{}},
		{"503 with Retry-After after full work", sandbox.Fault{Kind: sandbox.KindStatus, Status: 503, RetryAfter: 1, Effect: sandbox.EffectAll}, unanswered},
		{"202, and nothing comes of it", sandbox.Fault{Kind: sandbox.KindAccepted}, expectation{unconfirmed: batchSize, unpaid: batchSize}},
		{"202, carried out at once", sandbox.Fault{Kind: sandbox.KindAccepted, Effect: sandbox.EffectAll, Message: "accepted"}, unanswered},
		{"202, carried out later", sandbox.Fault{Kind: sandbox.KindAccepted, Effect: sandbox.EffectLate, Delay: 3 * time.Second}, unanswered},
		{"pending items, and nothing comes of them", sandbox.Fault{Kind: sandbox.KindPending, Items: 4}, expectation{unconfirmed: 4, unpaid: 4}},
		{"pending items, carried out at once", sandbox.Fault{Kind: sandbox.KindPending, Items: 4, Effect: sandbox.EffectAll}, expectation{unconfirmed: 4}},
		{"scheduled items, carried out later", sandbox.Fault{
			Kind: sandbox.KindPending, Items: 4, Word: "scheduled", Effect: sandbox.EffectLate, Delay: 3 * time.Second,
		}, expectation{unconfirmed: 4}},
	} {
		f.fault.Op = sandbox.OpRegister
		all = append(all, scenario{
			name: "register: " + f.name, want: f.want,
			run: func(w *world) { upstreamFails(w, f.name, f.fault) },
		})
	}
	return append(all,
		scenario{name: "register: 200 with items in Unicode", run: unicodeItems},
		scenario{name: "422 with one bad of n", run: func(w *world) { badItems(w, "poison-a.nl") }},
		scenario{name: "400 with two bad of n", run: func(w *world) { badItems(w, "badreq-a.nl", "badreq-b.nl") }},
		scenario{name: "422 for every single item", run: everyItemBad},
		scenario{name: "items that fail alone", run: func(w *world) { badItems(w, "refused-a.nl", "flaky-a.nl") },
			want: expectation{unconfirmed: 1}},
	)
}

func upstreamFails(w *world, name string, f sandbox.Fault) {
	fired := w.inject(f)
	w.worker()
	w.register("order", names("a", 3*batchSize)...)
	w.settled()
	w.proveCount("register: "+name, fired())
}

func unicodeItems(w *world) {
	fired := w.inject(sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindUnicode, Count: sandbox.Always})
	w.worker()
	w.register("order", "münchen-1.nl", "zürich-1.nl", "plain-1.nl")
	w.settled()
	w.proveCount("register: items in Unicode", fired())
}

// The bad ones must end alone, and the good ones be registered.
func badItems(w *world, bad ...string) {
	w.worker()
	w.register("order", append(names("a", batchSize-len(bad)), bad...)...)
	w.settled()
	ledger, err := w.remote.Ledger(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, domain := range bad {
		w.proveCount("bad items in a batch", len(ledger.Sends(domain)))
	}
}

func everyItemBad(w *world) { badItems(w, names("poison", batchSize)...) }

// whoisFaults make WHOIS lie, or say nothing.
func whoisFaults() []scenario {
	return []scenario{
		{
			name: "whois: stale, free long after success", run: whoisStale,
			// The sandbox lags for 5 s; what is configured must outlast it.
			needs: needs{settings: map[string]string{"RECONCILE_AFTER": "6s"}},
			want:  expectation{unconfirmed: batchSize},
		},
		{
			name: "whois: wrongly taken", run: func(w *world) { whoisLies(w, sandbox.KindTaken, names("a", batchSize)) },
			want: expectation{outcome: func(string) record.Outcome { return record.Taken }},
		},
		{
			name: "whois: wrongly taken after an unanswered call", run: whoisTakenAfterCut,
			want: expectation{unconfirmed: batchSize, unpaid: batchSize},
		},
		{
			name: "whois: wrongly free", run: func(w *world) { whoisLies(w, sandbox.KindFree, names("taken", batchSize)) },
			want: expectation{unconfirmed: batchSize, unpaid: batchSize, outcome: func(string) record.Outcome { return record.Rejected }},
		},
		{name: "whois: timing out", run: func(w *world) { whoisFails(w, sandbox.Fault{Kind: sandbox.KindBlackHole, Count: 2}) }},
		{name: "whois: 500", run: func(w *world) { whoisFails(w, sandbox.Fault{Kind: sandbox.KindStatus, Status: 500, Count: 3}) }},
		{name: "whois: items missing", run: func(w *world) { whoisFails(w, sandbox.Fault{Kind: sandbox.KindMissing, Items: 3, Count: 3}) }},
		{name: "whois: 401", run: func(w *world) { whoisFails(w, sandbox.Fault{Kind: sandbox.KindStatus, Status: 401}) }},
		{name: "whois: refuses an item", run: func(w *world) { whoisRefuses(w) }},
	}
}

// The registration takes effect, its reply is lost, and WHOIS goes on to say free for a while.
func whoisStale(w *world) {
	w.toUpstream.DropReply(bulkRegister)
	w.worker()
	w.register("order", names("lag", batchSize)...)
	w.settled()
	w.proveCount("reply of the upstream dropped, and WHOIS stale", w.toUpstream.Counts().Dropped)
}

func whoisLies(w *world, kind sandbox.Kind, domains []string) {
	fired := w.inject(sandbox.Fault{Op: sandbox.OpWhois, Kind: kind, Items: batchSize, Count: 1})
	w.worker()
	w.register("order", domains...)
	w.settled()
	w.proveCount("whois: wrongly "+string(kind), fired())
}

// Nothing was paid for, and WHOIS says taken: only a person can tell.
func whoisTakenAfterCut(w *world) {
	cut := w.inject(sandbox.Fault{Op: sandbox.OpRegister, Kind: sandbox.KindCut})
	w.inject(sandbox.Fault{Op: sandbox.OpWhois, Kind: sandbox.KindTaken, Items: batchSize, Skip: 1, Count: sandbox.Always})
	w.worker()
	w.register("order", names("a", batchSize)...)
	w.settled()
	w.proveCount("call cut, and WHOIS wrongly says taken", cut())
}

func whoisFails(w *world, f sandbox.Fault) {
	f.Op = sandbox.OpWhois
	fired := w.inject(f)
	w.worker()
	w.register("order", names("a", batchSize)...)
	w.settled()
	w.proveCount("whois: "+string(f.Kind), fired())
}

func whoisRefuses(w *world) {
	w.worker()
	w.register("order", append(names("a", batchSize-1), "whoispoison-a.nl")...)
	w.prove("whois: an item refused")
}
