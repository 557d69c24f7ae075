package registrar

import (
	"context"
	"net/http"
)

// Registration is one domain to pay for. PeriodMonths 0 leaves the period to the upstream, whose default is 12
// months. Known is what the caller knows of the holder: it is not sent; it is hidden in the upstream's words. So are Others: who
// else the upstream may speak of, because it was told of them lately.
type Registration struct {
	Domain       string
	HolderID     string
	PeriodMonths int
	Nameservers  []string
	Known        Holder
	Others       []Holder
}

// Outcome is what the upstream said of one registration.
type Outcome string

// The outcomes. wire.go has the table of them.
const (
	Registered Outcome = "registered"
	Failed     Outcome = "failed"
	// Accepted: the upstream will carry it out later, or says so in a word that nobody knows. No WHOIS reading can show that
	// it never will.
	Accepted Outcome = "accepted"
	// OutcomeUnknown: the item was unreadable, or contradicted itself.
	OutcomeUnknown Outcome = "unknown"
)

// Result is what the upstream said of one registration. Domain is as it came, and cleaned where the call is not about it.
// StatusCode says as in the error table why it failed: from 100 to 599, or 0 when it is missing or none of these. Message is in
// the upstream's words, cleaned; it quotes a statusCode that is none, and the status of an item that was accepted.
type Result struct {
	Domain     string
	Outcome    Outcome
	StatusCode int
	Message    string
}

// RegisterReply holds the results in the order in which they came. Matching them to what was sent is the caller's.
//
// A call that was Accepted as a whole comes with an error, since nothing was registered yet. Its Results hold only what the
// upstream has refused for certain: items that failed with a statusCode of the error table, or 429. Everything else that
// was sent is accepted, whatever the reply says of it, and whether it could be read or not.
type RegisterReply struct {
	Answer
	Results []Result
}

// Accepted reports that the upstream answered 202: it will carry the call out later, if at all.
func (r RegisterReply) Accepted() bool { return r.Status == http.StatusAccepted }

// refusedForCertain are the results of an accepted call that are definite all the same.
func refusedForCertain(results []Result) []Result {
	var refused []Result
	for _, r := range results {
		switch r.StatusCode {
		case http.StatusBadRequest, http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusNotFound,
			http.StatusMethodNotAllowed, http.StatusUnprocessableEntity, http.StatusTooManyRequests:
			if r.Outcome == Failed {
				refused = append(refused, r)
			}
		}
	}
	return refused
}

// Register registers and pays for one domain. When it fails and Answer.Sent is true, the registration may have
// happened, whatever the status: the contract does not say what an error leaves behind.
func (c *Client) Register(ctx context.Context, r Registration) (RegisterReply, error) {
	var reply RegisterReply
	why := r.problem()
	var body []byte
	var err error
	if why == "" {
		if body, err = encodeRegistration(r); err != nil {
			why = err.Error()
		}
	}
	if why != "" {
		reply.Answer, err = c.refuse(OpRegister, why)
		return reply, err
	}
	return c.doRegister(ctx, request{
		op: OpRegister, path: c.paths.Register, body: body, limit: replyLimit(1),
		personal: personalOf(append([]Holder{r.Known}, r.Others...), r.Domain), domains: []string{r.Domain},
	}, decodeResult)
}

// RegisterBulk registers and pays for several domains at once; each can fail alone. When it fails as a whole and
// Answer.Sent is true, any of the registrations may have happened, whatever the status.
func (c *Client) RegisterBulk(ctx context.Context, rs []Registration) (RegisterReply, error) {
	var reply RegisterReply
	body, why := encodeList(rs, Registration.problem, encodeRegistrations)
	var err error
	if why != "" {
		reply.Answer, err = c.refuse(OpRegisterBulk, why)
		return reply, err
	}
	var known []Holder
	domains := make([]string, len(rs))
	for i, r := range rs {
		known, domains[i] = append(append(known, r.Known), r.Others...), r.Domain
	}
	return c.doRegister(ctx, request{
		op: OpRegisterBulk, path: c.paths.RegisterBulk, body: body, limit: replyLimit(len(rs)),
		personal: personalOf(known, domains...), domains: domains,
	}, decodeRegistrations)
}

// doRegister sends r, which costs money, and reads the results.
func (c *Client) doRegister(ctx context.Context, r request, decode func([]byte) ([]Result, error)) (RegisterReply, error) {
	var reply RegisterReply
	r.method, r.success = http.MethodPost, isOKOrCreated
	r.decode = func(body []byte) (err error) {
		reply.Results, err = decode(body)
		return err
	}
	r.accepted = func(body []byte) {
		results, err := decode(body)
		if err != nil {
			return // what it does not refuse is accepted
		}
		reply.Results = refusedForCertain(results)
	}
	var err error
	reply.Answer, err = c.do(ctx, r)
	c.cleanResults(reply.Results, r.hidden, r.domains...)
	return reply, err
}

func (c *Client) cleanResults(results []Result, hidden func() terms, asked ...string) {
	known := domainsOf(asked)
	for i := range results {
		result := &results[i]
		result.Message = c.cleanLazily(result.Message, hidden)
		result.Domain = c.cleanDomain(result.Domain, known, hidden)
	}
}

func (r Registration) problem() string {
	switch {
	case r.Domain == "":
		return "the domain is missing"
	case r.HolderID == "":
		return "the holder id is missing"
	case r.PeriodMonths < 0:
		return "the period is negative"
	}
	return ""
}
