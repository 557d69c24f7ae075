package sandbox

import (
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"time"
)

// Where GetToken is served, below the sandbox's base URL. Its documents give the one path, and another in their example.
const (
	TokenPath        = "/v2/token/gettoken"
	TokenExamplePath = "/GetToken"
)

// maxBody bounds a request body; ten thousand registrations need about 2 MiB.
const maxBody = 8 << 20

// task is a request that was read: what it asks for, and how to do it.
type task struct {
	account string // whom it names itself; empty where a bearer token tells
	person  *tokenRequest
	items   []Item
	bulk    bool
	// run carries a request out, as far as its extent says; operations without items ignore that.
	run func(c *Call, x extent) answer
}

// extent is how much of a request is carried out.
type extent struct {
	items   int // the first so many
	promise promise
	refuse  func(domain string) *failure // which items fail alone, beyond those that do anyway; nil for none
}

// answer is what a request is answered with, before a fault changes it.
type answer struct {
	status  int
	failure *failure      // set: the documented error body
	results []result      // of whois and register
	bulk    bool          // results are sent as a list
	value   any           // of the other operations; nil is an empty body
	person  *tokenRequest // whom the request was about; nil where it names nobody
}

func failed(f *failure) answer { return answer{status: f.status, failure: f} }

// failing is a task that can only be refused.
func failing(f *failure) task {
	return task{run: func(*Call, extent) answer { return failed(f) }}
}

func (s *Sandbox) routes() *http.ServeMux {
	mux := http.NewServeMux()
	serve := func(pattern string, op Op, read reader) { mux.Handle(pattern, s.serve(pattern, op, read)) }
	serve("POST /authenticate", OpAuthenticate, s.readAuthenticate)
	serve("GET /whois/{domain}", OpWhois, s.readWhois)
	serve("POST /whois", OpWhois, s.readBulkWhois)
	serve("PUT /domainholder", OpHolder, s.readCreateHolder)
	serve("POST /domainholder", OpHolder, s.readFindHolder)
	serve("PATCH /domainholder/{id}", OpHolder, s.readUpdateHolder)
	serve("DELETE /domainholder/{id}", OpHolder, s.readDeleteHolder)
	serve("POST /domain", OpRegister, s.readRegister)
	serve("POST /domain/bulk", OpRegister, s.readBulkRegister)
	serve("POST "+TokenPath, OpToken, s.readToken)
	serve("POST "+TokenExamplePath, OpToken, s.readToken)

	mux.Handle("/authenticate", s.wrongVerb(OpAuthenticate, "POST"))
	mux.Handle("/whois/{domain}", s.wrongVerb(OpWhois, "GET"))
	mux.Handle("/whois", s.wrongVerb(OpWhois, "POST"))
	mux.Handle("/domainholder", s.wrongVerb(OpHolder, "PUT, POST"))
	mux.Handle("/domainholder/{id}", s.wrongVerb(OpHolder, "PATCH, DELETE"))
	mux.Handle("/domain", s.wrongVerb(OpRegister, "POST"))
	mux.Handle("/domain/bulk", s.wrongVerb(OpRegister, "POST"))
	mux.Handle(TokenPath, s.wrongVerb(OpToken, "POST"))
	mux.Handle(TokenExamplePath, s.wrongVerb(OpToken, "POST"))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.books.other()
		http.NotFound(w, r) // an undocumented path: what answers is a web server, not the API
	})
	s.adminRoutes(mux)
	return mux
}

func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

func (s *Sandbox) wrongVerb(op Op, allow string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.books.other()
		w.Header().Set("Allow", allow)
		f := failure{http.StatusMethodNotAllowed, "the method " + r.Method + " is not allowed here; use " + allow}
		writeJSON(w, f.status, errorBody(op, f))
	}
}

// reader makes a task of a request; what it cannot read becomes a failing task.
type reader func(r *http.Request, body []byte) task

// serve takes a request through its stages: received, held, carried out, held, answered.
func (s *Sandbox) serve(route string, op Op, read reader) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		t := s.read(w, r, read)
		account, refused := s.authorize(op, r)
		if op == OpAuthenticate {
			account = t.account
		}
		call, err := s.books.arrive(op, route, account, t.items)
		if err != nil {
			f := failure{http.StatusInternalServerError, err.Error()}
			writeJSON(w, f.status, errorBody(op, f))
			return
		}
		seen := Request{Seq: call.Seq, Op: op, Account: account, Domains: domains(t.items)}
		if s.opts.OnRequest != nil {
			s.opts.OnRequest(seen)
		}
		s.gates.wait(BeforeEffect, seen)
		if refused != nil {
			s.send(w, call, failed(refused), nil)
			return
		}
		hit := s.faults.pick(op, account, t)
		s.pause(s.opts.Latency.of(op))
		a := s.carryOut(r, call, t, hit)
		a.person = t.person
		s.gates.wait(BeforeReply, seen)
		s.reply(w, r, call, a, hit)
		if hit != nil && hit.fault.Kind == KindAccepted {
			s.keepPromise(call, t, hit.fault)
		}
	}
}

// read takes in the whole body, so that the request counts as received.
func (s *Sandbox) read(w http.ResponseWriter, r *http.Request, read reader) task {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return failing(badRequest("the body is over %d bytes", large.Limit))
	case err != nil:
		return failing(badRequest("the body broke off"))
	}
	return read(r, body)
}

// carryOut does the work of a request as far as its fault lets it.
func (s *Sandbox) carryOut(r *http.Request, c *Call, t task, hit *Injected) answer {
	x := extent{items: len(t.items)}
	if hit == nil {
		return t.run(c, x)
	}
	f := hit.fault
	switch {
	case f.Kind == KindPending:
		x.promise = f.promise()
		return t.run(c, x)
	case f.Kind == KindRefuse:
		x.refuse = f.refusal
		return t.run(c, x)
	case f.effect() == EffectNone, f.Kind == KindAccepted && f.effect() == EffectLate:
		return answer{}
	case f.effect() == EffectFirst:
		x.items = min(f.K, x.items)
	case f.effect() == EffectLate:
		s.waitLate(r, f)
	}
	return t.run(c, x)
}

// pause waits for d, or until the sandbox is closed. It does not end when the client gives up: an upstream that
// has taken in a request carries it out.
func (s *Sandbox) pause(d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.done:
	}
}

// shuffle puts results in an order that depends on the seed and the call only.
func (s *Sandbox) shuffle(c *Call, results []result) []result {
	order := rand.New(rand.NewPCG(s.opts.Seed, uint64(c.Seq)))
	order.Shuffle(len(results), func(i, j int) { results[i], results[j] = results[j], results[i] })
	return results
}

func (s *Sandbox) tooMany(n int) *failure {
	if s.opts.MaxBatch == 0 || n <= s.opts.MaxBatch {
		return nil
	}
	f := badRequest("too many domains: %d in one call, at most %d", n, s.opts.MaxBatch)
	f.status = s.opts.MaxBatchStatus
	return f
}

func domains(items []Item) []string {
	names := make([]string, len(items))
	for i := range items {
		names[i] = items[i].Domain
	}
	return names
}
