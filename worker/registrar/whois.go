package registrar

import (
	"context"
	"net/http"
	"strconv"
)

// Availability is what a check found. It is never a bare bool: silence is a third answer, and must not read as one of
// the others.
type Availability string

// A domain is unknown when the upstream said that it could not check it, or did not say.
const (
	Available Availability = "available"
	Taken     Availability = "taken"
	Unknown   Availability = "unknown"
)

// Check is what the upstream said of one domain. Domain is as it came, and cleaned where the call is not about
// it: the upstream may spell it otherwise than it was asked, name others, or one twice. Status ("free", "active", "premium,
// 1200.00 EUR", ...) is all that it said beside available or taken, prices included. Status and Error are the upstream's
// words, cleaned.
type Check struct {
	Domain       string
	Availability Availability
	Status       string
	Error        string
}

// And is what two items of one reply say together of the same domain: all their words, so that none that bars gets lost, or
// that nobody knows, where they contradict each other.
func (c Check) And(other Check) Check {
	if c.Availability != other.Availability {
		return Check{Domain: c.Domain, Availability: Unknown, Error: "the registrar's reply contradicts itself about this domain"}
	}
	switch {
	case c.Status == "":
		c.Status = other.Status
	case other.Status != "" && other.Status != c.Status:
		c.Status = bounded(c.Status + ", " + other.Status)
	}
	if c.Error == "" {
		c.Error = other.Error
	}
	return c
}

// CheckReply holds the checks in the order in which they came. Matching them to what was asked is the caller's.
type CheckReply struct {
	Answer
	Checks []Check
}

// Check asks about one domain.
func (c *Client) Check(ctx context.Context, domain string) (CheckReply, error) {
	var reply CheckReply
	var err error
	if why := checkPathValue("domain", domain); why != "" {
		reply.Answer, err = c.refuse(OpCheck, why)
		return reply, err
	}
	return c.doCheck(ctx, request{
		op: OpCheck, method: http.MethodGet, path: fillPath(c.paths.Check, placeDomain, domain), limit: replyLimit(1),
		domains: []string{domain},
	}, decodeCheck)
}

// CheckBulk asks about several domains at once. What is known of holders is not sent; it is hidden in the upstream's words.
func (c *Client) CheckBulk(ctx context.Context, domains []string, known ...Holder) (CheckReply, error) {
	var reply CheckReply
	body, why := encodeList(domains, func(d string) string {
		if d == "" {
			return "it is empty"
		}
		return ""
	}, encodeChecks)
	var err error
	if why != "" {
		reply.Answer, err = c.refuse(OpCheckBulk, why)
		return reply, err
	}
	return c.doCheck(ctx, request{
		op: OpCheckBulk, method: http.MethodPost, path: c.paths.CheckBulk, body: body, limit: replyLimit(len(domains)),
		personal: personalOf(known, domains...), domains: domains,
	}, decodeChecks)
}

// doCheck sends r and reads the checks.
func (c *Client) doCheck(ctx context.Context, r request, decode func([]byte) ([]Check, error)) (CheckReply, error) {
	var reply CheckReply
	r.success = isOK
	r.decode = func(body []byte) (err error) {
		reply.Checks, err = decode(body)
		return err
	}
	var err error
	reply.Answer, err = c.do(ctx, r)
	c.cleanChecks(reply.Checks, r.hidden, r.domains...)
	return reply, err
}

func (c *Client) cleanChecks(checks []Check, hidden func() terms, asked ...string) {
	known := domainsOf(asked)
	for i := range checks {
		check := &checks[i]
		check.Status, check.Error = c.cleanLazily(check.Status, hidden), c.cleanLazily(check.Error, hidden)
		check.Domain = c.cleanDomain(check.Domain, known, hidden)
	}
}

// encodeList encodes the items of a bulk call, or says which of them cannot be sent and why.
func encodeList[T any](items []T, problem func(T) string, encode func([]T) ([]byte, error)) (body []byte, why string) {
	if len(items) == 0 {
		return nil, "no domain was given"
	}
	for i, item := range items {
		if p := problem(item); p != "" {
			return nil, "item " + strconv.Itoa(i) + ": " + p
		}
	}
	body, err := encode(items)
	if err != nil {
		return nil, err.Error()
	}
	return body, ""
}

// checkPathValue says why value cannot stand in a path: a dot segment would name another resource.
func checkPathValue(name, value string) string {
	switch value {
	case "":
		return name + " is missing"
	case ".", "..":
		return name + " consists of dots"
	}
	return ""
}
