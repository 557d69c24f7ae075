package worker

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/worker/registrar"
)

// registry is the upstream of a simulated world: one that sells a domain again and again, so that every blind call shows.
type registry struct {
	Upstream // nil: no holder comes with its details here
	w        *world
	ours     map[string]owned
	paid     map[string]int
	sales    []sold
	others   map[string]bool // domains of somebody else
	poison   map[string]bool // domains that bring a whole call down
	broke    bool
	mute     bool // it sells, and never answers while all is not calm
	token    uint64
}

// owned is a domain that was sold to us, perhaps only after the caller gave up waiting, and that WHOIS knows about later still.
// Even then it may forget it for one more reading. What was only accepted may be sold days later, but not where the reply that says
// so was lost: no waiting and no reading would be enough.
type owned struct {
	known   time.Time
	forgets int           // readings for which WHOIS still calls it free
	pending time.Duration // that it is sold later still, if we wrote down that it was only accepted
}

// sold is a domain, and when the call came in that it was sold for.
type sold struct {
	domain string
	at     time.Time
}

var (
	errSimLine    = errors.New("simulated: the line broke")
	errSimTimeout = errors.New("simulated: no reply in time")
)

func newRegistry(w *world) *registry {
	return &registry{w: w, ours: map[string]owned{}, paid: map[string]int{}, others: map[string]bool{}, poison: map[string]bool{}, token: 1}
}

// Invalidate implements Upstream.
func (r *registry) Invalidate(uint64) { r.token++ }

func (r *registry) answer(status int) registrar.Answer {
	switch status {
	case 401, 402, 404, 500, 503:
		r.w.held = true
	}
	return registrar.Answer{
		Status: status, StatusCode: status, Documented: status >= 400, Complete: true, Sent: true,
		TokenGeneration: r.token, Started: r.w.db.now, Message: http.StatusText(status),
	}
}

// broken is an answer to a call that was sent and brought nothing.
func (r *registry) broken() registrar.Answer {
	r.w.held = true // it may have been one too many in a row
	return registrar.Answer{Sent: true, TokenGeneration: r.token, Started: r.w.db.now}
}

// CheckBulk implements Upstream.
func (r *registry) CheckBulk(_ context.Context, domains []string, _ ...registrar.Holder) (registrar.CheckReply, error) {
	switch r.w.chance(60, 4, 4, 3, 3, 3, 2) {
	case 1:
		return registrar.CheckReply{Answer: r.answer(500)}, errors.New("simulated: 500")
	case 2:
		return registrar.CheckReply{Answer: r.broken()}, errSimLine
	case 3:
		return registrar.CheckReply{Answer: registrar.Answer{Started: r.w.db.now}}, errSimLine // not sent
	case 4:
		return registrar.CheckReply{Answer: r.answer(429)}, errors.New("simulated: 429")
	case 5:
		return registrar.CheckReply{Answer: r.answer(401)}, errors.New("simulated: 401")
	case 6:
		domains = domains[1:] // one is missing
	}
	reply := registrar.CheckReply{Answer: r.answer(200)}
	for _, d := range domains {
		c := registrar.Check{Domain: d, Availability: registrar.Available}
		if r.others[d] || r.knows(d) {
			c.Availability = registrar.Taken
		}
		reply.Checks = append(reply.Checks, c)
	}
	return reply, nil
}

// knows says whether WHOIS shows, for this reading, that a domain was sold to us.
func (r *registry) knows(domain string) bool {
	o, sold := r.ours[domain]
	if !sold || o.known.After(r.w.db.now) {
		return false
	}
	if o.pending > 0 && r.w.db.accepted(r.w.t, domain) {
		o.known, o.pending = o.known.Add(o.pending), 0
		r.ours[domain] = o
		return r.knows(domain)
	}
	if o.forgets == 0 {
		return true
	}
	o.forgets--
	r.ours[domain] = o
	return false
}

// accepted says whether we wrote down that the registrar has accepted a domain and will carry it out later.
func (d *simDatabase) accepted(t *testing.T, domain string) (yes bool) {
	t.Helper()
	err := d.conn.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM attempts WHERE domain = $1 AND accepted)`, domain).Scan(&yes)
	if err != nil {
		t.Fatal(err)
	}
	return yes
}

// sale is what a register call will come to, decided when its bytes leave.
type sale struct {
	status  int // 0: no reply
	err     error
	sold    int           // how many of the domains
	late    time.Duration // after which they are sold
	lag     time.Duration // after which WHOIS knows
	forgets int           // readings for which WHOIS calls them free even then
	missing bool          // the reply leaves one out
	pending time.Duration // it is only accepted, and what is sold is sold so much later
}

// decide draws what a call for n domains comes to. What is answered for good is sold at once and known at once; what is not
// may be sold, and known, as long after the caller's deadline as he waits before he asks WHOIS, who may be wrong once more.
func (r *registry) decide(n int) sale {
	part := func() int { return []int{0, n, r.w.rng.IntN(n + 1)}[r.w.rng.IntN(3)] }
	late := func() time.Duration { return time.Duration(r.w.rng.Int64N(int64(simReconcile / 2))) }
	once := func() int { return r.w.rng.IntN(2) }
	if r.broke {
		return sale{status: 402, err: errors.New("simulated: 402"), sold: part() * r.w.rng.IntN(2)}
	}
	if r.mute && !r.w.quiet {
		return sale{err: errSimLine, sold: n, lag: late(), forgets: once()}
	}
	switch r.w.chance(50, 7, 9, 7, 6, 4, 4, 3, 3, 4, 2, 3, 3, 3) {
	case 1:
		return sale{status: 500, err: errors.New("simulated: 500"), sold: part(), late: late(), lag: late(), forgets: once()}
	case 2:
		return sale{err: errSimLine, sold: part(), late: late(), lag: late(), forgets: once()}
	case 3:
		return sale{err: errSimTimeout, sold: part(), late: late(), lag: late(), forgets: once()}
	case 4:
		r.broke = true
		return sale{status: 402, err: errors.New("simulated: 402"), sold: part()}
	case 5:
		return sale{status: 422, err: errors.New("simulated: 422"), sold: part()}
	case 6:
		return sale{status: 429, err: errors.New("simulated: 429")}
	case 7:
		return sale{status: 401, err: errors.New("simulated: 401")}
	case 8:
		return sale{status: 404, err: errors.New("simulated: 404")}
	case 9:
		return sale{status: 200, sold: n, missing: true, lag: late(), forgets: once()}
	case 10:
		return sale{status: 200, err: errors.New("simulated: not JSON"), sold: n, lag: late(), forgets: once()}
	case 11:
		return sale{status: -1, err: errSimLine} // nothing leaves
	case 12:
		days := time.Duration(r.w.rng.Int64N(int64(72 * time.Hour))) // long after any reading
		return sale{status: []int{200, 202}[r.w.rng.IntN(2)], pending: days, sold: part(), late: late(), lag: late(), forgets: once()}
	case 13: // a proxy gave up, and says when to come back
		return sale{status: 503, err: errors.New("simulated: 503"), sold: part(), lag: late(), forgets: once()}
	}
	return sale{status: 200, sold: n}
}

// RegisterBulk implements Upstream. It stands still when the bytes have left: whoever dies then has bought.
func (r *registry) RegisterBulk(_ context.Context, registrations []registrar.Registration) (registrar.RegisterReply, error) {
	domains := make([]string, len(registrations))
	for i, reg := range registrations {
		domains[i] = reg.Domain
	}
	s := r.decide(len(domains))
	if s.status < 0 {
		return registrar.RegisterReply{Answer: registrar.Answer{Started: r.w.db.now}}, s.err
	}
	if !r.broke && slices.ContainsFunc(domains, func(d string) bool { return r.poison[d] }) {
		s = sale{status: 422, err: errors.New("simulated: 422")}
	}
	sent := r.w.db.now
	results := r.sell(domains, s)
	r.w.log("the registry gets %v, answers %d %v, sells %d", domains, s.status, s.err, s.sold)
	r.w.reached(simSent)
	if r.w.db.now.Sub(sent) > simTimeout {
		return registrar.RegisterReply{Answer: r.broken()}, errSimTimeout
	}
	reply := registrar.RegisterReply{Answer: r.broken()}
	if s.status != 0 {
		reply.Answer = r.answer(s.status)
	}
	if s.status == 503 {
		reply.RetryAfter = time.Second
	}
	if s.err != nil {
		reply.Documented = s.status >= 400 && s.status != 404
		reply.Complete = s.status >= 300
		return reply, s.err
	}
	if s.missing {
		results = results[1:]
	}
	if s.pending > 0 {
		for i := range results {
			if results[i].Outcome == registrar.Registered {
				results[i].Outcome, results[i].StatusCode = registrar.Accepted, 0
			}
		}
	}
	if s.status == 202 {
		return registrar.RegisterReply{Answer: reply.Answer}, errors.New("simulated: 202")
	}
	reply.Results = results
	return reply, nil
}

// sell does what a call comes to.
func (r *registry) sell(domains []string, s sale) []registrar.Result {
	results := make([]registrar.Result, len(domains))
	for i, d := range domains {
		results[i] = registrar.Result{Domain: d, Outcome: registrar.Registered, StatusCode: 200}
		switch {
		case r.others[d]:
			results[i] = registrar.Result{Domain: d, Outcome: registrar.Failed, StatusCode: 422, Message: "taken"}
		case i < s.sold:
			r.paid[d]++
			r.sales = append(r.sales, sold{d, r.w.db.now})
			from := r.w.db.now.Add(s.late)
			if _, again := r.ours[d]; !again {
				r.ours[d] = owned{known: from.Add(s.lag), forgets: s.forgets, pending: s.pending}
			}
		}
	}
	return results
}

// settledBy is when everything that was sold is known to WHOIS.
func (r *registry) settledBy() time.Time {
	var last time.Time
	for o := range maps.Values(r.ours) {
		if o.known.After(last) {
			last = o.known
		}
	}
	return last
}
