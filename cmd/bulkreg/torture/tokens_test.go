package torture

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake/input"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"
	"github.com/bulkreg/bulkreg/store/seal"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// tokenFaults are scenarios of orders of tokens. Every one of them must be issued, and its newest token kept; registrations that
// are ordered beside them end as ever.
func tokenFaults() []scenario {
	all := []scenario{
		{name: "token: worker killed with calls in flight", quick: true, run: tokenCrash, want: expectation{redelivered: true}},
		{name: "token: COMMIT's reply lost at settle", run: tokenCommitLost},
		{name: "token: Postgres away while replies come", run: tokenWithoutPostgres, want: expectation{redelivered: true}},
		{name: "token: FLUSHALL", run: tokenFlushed, want: expectation{redelivered: true}},
		{name: "token: access token refused for a while", run: tokenUnauthorized},
	}
	for _, f := range []struct {
		name  string
		fault sandbox.Fault
	}{
		{"cut before it is issued", sandbox.Fault{Kind: sandbox.KindCut}},
		{"cut when it is issued", sandbox.Fault{Kind: sandbox.KindCut, Effect: sandbox.EffectAll}},
		{"never answered", sandbox.Fault{Kind: sandbox.KindBlackHole, Effect: sandbox.EffectAll}},
		{"half a reply", sandbox.Fault{Kind: sandbox.KindHalfJSON}},
		{"a page", sandbox.Fault{Kind: sandbox.KindHTML}},
		{"500", sandbox.Fault{Kind: sandbox.KindStatus, Status: 500}},
		{"429", sandbox.Fault{Kind: sandbox.KindStatus, Status: 429, RetryAfter: 1}},
	} {
		f.fault.Op, f.fault.Count = sandbox.OpToken, 3
		all = append(all, scenario{name: "token: " + f.name, run: func(w *world) { tokenFails(w, f.name, f.fault) }})
	}
	return all
}

// orderTokens orders tokens for n people.
func (w *world) orderTokens(reference string, n int) {
	w.t.Helper()
	order, err := w.submitTokens(reference, n)
	if err != nil {
		w.t.Fatal(err)
	}
	w.orders = append(w.orders, order)
}

// servesTokens gives workers that are started from now on a key and access to GetToken.
func (w *world) servesTokens() {
	w.t.Helper()
	if w.settings["TOKEN_ENCRYPTION_KEY"] != "" {
		return
	}
	w.settings["TOKEN_ENCRYPTION_KEY"] = seal.NewKey()
	w.settings["PMG_TOKEN_URL"] = w.settings["REGISTRAR_BASE_URL"] + sandbox.TokenPath
	w.settings["PMG_ACCESS_TOKEN"] = sandbox.DefaultAccessToken
}

// submitTokens takes in an order of tokens.
func (w *world) submitTokens(reference string, n int) (record.Order, error) {
	var lines strings.Builder
	lines.WriteString("email,originator,languageCode,firstname,lastname,privacyConsent\n")
	for i := range n {
		fmt.Fprintf(&lines, "%s-%04d.vandenberg@example.nl,shop,nl,Marieke,Vandenberg,%t\n", reference, i, i%2 == 0)
	}
	reader, err := input.NewReader(strings.NewReader(lines.String()), input.Options{Kind: string(queue.Token)})
	if err != nil {
		return record.Order{}, err
	}
	return w.take(w.t.Context(), queue.TokenAccount, queue.Token, reference, reader)
}

// keys are those of the world's workers; none before it serves tokens.
func (w *world) keys() (seal.Keys, error) {
	if w.settings["TOKEN_ENCRYPTION_KEY"] == "" {
		return seal.Keys{}, nil
	}
	return seal.ParseKeys(w.settings["TOKEN_ENCRYPTION_KEY"])
}

// tokensAreKept judges orders of tokens: each was issued, what is kept is a token that the upstream issued for that person, and
// no process ever said one.
func (w *world) tokensAreKept() {
	w.t.Helper()
	keys, err := w.keys()
	if err != nil {
		w.t.Fatal(err)
	}
	ledger, err := w.remote.Ledger(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	issued := map[string][]string{}
	for _, i := range ledger.Issued {
		subject := queue.Subject(i.Email)
		issued[subject] = append(issued[subject], i.Token)
		w.neverSaid(i.Token)
	}
	for _, o := range w.orders {
		if o.Kind == record.Token {
			w.tokensOf(o, keys, issued)
		}
	}
}

// tokensOf judges one order. issued are the tokens by subject.
func (w *world) tokensOf(o record.Order, keys seal.Keys, issued map[string][]string) {
	w.t.Helper()
	live, err := w.store.Tokens.Live(w.t.Context(), o.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	for j, err := range w.store.Orders.Jobs(w.t.Context(), o.ID, orders.JobFilter{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		if j.Outcome == record.TokenExpired && time.Since(o.CreatedAt) > record.TokenLife {
			continue
		}
		if j.Outcome != record.Issued {
			w.t.Errorf("token of %s: state %s, outcome %q, error %q", j.Domain, j.State, j.Outcome, j.LastError)
			continue
		}
		token, err := keys.OpenToken(live[j.ID].Sealed, seal.Job{Source: o.Source, Reference: o.Reference, ID: j.ID})
		if err != nil || !slices.Contains(issued[j.Domain], token.Token) {
			w.t.Errorf("what is kept of %s is no token that was issued for it: %v", j.Domain, err)
		}
	}
}

func (w *world) neverSaid(token string) {
	w.t.Helper()
	for _, p := range w.processes {
		if p != w.upstream && strings.Contains(p.said(w.t), token) {
			w.t.Errorf("%s said a token", p.name)
		}
	}
}

// tokenCrash kills a worker whose calls the upstream has carried out and not answered.
func tokenCrash(w *world) {
	w.servesTokens()
	fired := w.inject(sandbox.Fault{Op: sandbox.OpToken, Kind: sandbox.KindSlow, Delay: 800 * time.Millisecond, Effect: sandbox.EffectAll, Count: 4})
	crasher := w.workerOf("token")
	w.orderTokens("crash", 40)
	w.hit(fired)
	w.signal(crasher, syscall.SIGKILL)
	w.crashed(crasher, "worker killed with calls for tokens in flight")
	w.worker()
	w.register("beside", names("a", batchSize)...)
}

func tokenCommitLost(w *world) {
	w.servesTokens()
	w.toDatabase.DropCommit("INSERT INTO tokens")
	w.worker()
	w.orderTokens("commit", 40)
	w.settled()
	w.proveCount("reply to a COMMIT of tokens dropped", w.toDatabase.Counts().Dropped)
}

func tokenWithoutPostgres(w *world) {
	w.servesTokens()
	fired := w.inject(sandbox.Fault{Op: sandbox.OpToken, Kind: sandbox.KindSlow, Delay: 500 * time.Millisecond, Count: 4})
	w.worker()
	w.orderTokens("away", 60)
	w.hit(fired)
	w.toDatabase.Refuse()
	pass(w.t, 2*time.Second)
	w.toDatabase.Heal()
	w.proveCount("Postgres away while tokens are issued", w.toDatabase.Counts().Cut)
}

func tokenFlushed(w *world) {
	w.servesTokens()
	fired := w.inject(sandbox.Fault{Op: sandbox.OpToken, Kind: sandbox.KindSlow, Delay: 300 * time.Millisecond, Count: 4})
	w.worker()
	w.orderTokens("flushed", 120)
	w.hit(fired)
	if err := w.redis.FlushAll(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.prove("FLUSHALL while tokens are asked for")
}

// The access token is refused; the hold is of the tokens' account alone, and a probe lifts it.
func tokenUnauthorized(w *world) {
	w.servesTokens()
	fired := w.inject(sandbox.Fault{Op: sandbox.OpToken, Kind: sandbox.KindStatus, Status: 401, Count: 5})
	w.worker()
	w.orderTokens("unauthorized", 30)
	w.register("beside", names("a", batchSize)...)
	w.settled()
	w.proveCount("token: 401", fired())
}

func tokenFails(w *world, name string, f sandbox.Fault) {
	w.servesTokens()
	fired := w.inject(f)
	w.worker()
	w.orderTokens("fails", 30)
	w.settled()
	w.proveCount("token: "+name, fired())
}
