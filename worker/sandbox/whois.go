package sandbox

import "net/http"

// The values of WhoisResult.status that the sandbox gives.
const (
	whoisFree   = "free"
	whoisActive = "active"
)

func (s *Sandbox) readWhois(r *http.Request, _ []byte) task {
	return s.whois([]string{r.PathValue("domain")}, false)
}

func (s *Sandbox) readBulkWhois(r *http.Request, body []byte) task {
	var request whoisRequest
	if f := decode(r, body, &request); f != nil {
		return failing(f)
	}
	return s.whois(request.Domains, true)
}

func (s *Sandbox) whois(raw []string, bulk bool) task {
	items := make([]Item, len(raw))
	valid := make([]bool, len(raw))
	for i, name := range raw {
		items[i], valid[i] = item(name)
	}
	return task{items: items, bulk: bulk, run: func(c *Call, x extent) answer {
		if f := s.refuseWhois(items); f != nil {
			return failed(f)
		}
		results := make([]result, x.items)
		s.books.whois(results, items, valid, s.opts)
		for i := range results {
			if f := x.refusal(items[i].Domain); f != nil {
				results[i] = result{Domain: items[i].Domain, Error: f.message}
			}
		}
		return answer{status: http.StatusOK, results: s.shuffle(c, results), bulk: bulk}
	}}
}

func item(raw string) (Item, bool) {
	name, ok := canonical(raw)
	if name == raw {
		return Item{Domain: name}, ok
	}
	return Item{Domain: name, Raw: raw}, ok
}

// refuseWhois is the failure of a whole WHOIS call, nil for none.
func (s *Sandbox) refuseWhois(items []Item) *failure {
	if len(items) == 0 {
		return badRequest("domains is required and holds at least one domain")
	}
	if f := s.tooMany(len(items)); f != nil {
		return f
	}
	for i := range items {
		if s.opts.label(items[i].Domain) == labelWhoisPoison {
			return unprocessable("a domain in the request failed validation")
		}
	}
	return nil
}

func (b *books) whois(results []result, items []Item, valid []bool, o Options) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range results {
		domain := items[i].Domain
		label := o.label(domain)
		switch {
		case !valid[i]:
			results[i] = result{Domain: domain, Error: "this is not a valid domain name"}
		case label == labelUnknown:
			results[i] = result{Domain: domain, Error: "the registry did not answer"}
		default:
			results[i] = labelled(whoisResult(domain, !b.looksTaken(domain, label, o)), label)
		}
	}
}

func whoisResult(domain string, available bool) result {
	if available {
		return result{Domain: domain, Available: &available, Status: whoisFree}
	}
	return result{Domain: domain, Available: &available, Status: whoisActive}
}

// labelled is a result with what WHOIS says besides of an available domain with that label.
func labelled(r result, label string) result {
	if !*r.Available {
		return r
	}
	switch label {
	case labelPremium:
		r.Status, r.Premium, r.Price, r.Currency = label, true, "1200.00", "EUR"
	case labelReserved, labelQuarantine:
		r.Status = label
	case labelPriced:
		r.Price, r.Currency = "49.00", "EUR"
	}
	return r
}

// looksTaken is what WHOIS says, which for a lagging domain is not yet the truth.
func (b *books) looksTaken(domain, label string, o Options) bool {
	if b.takenElsewhere(domain, label) {
		return true
	}
	since, ours := b.registered[domain]
	if ours && label == labelLag {
		return b.clock().Sub(since) >= o.LagTime
	}
	return ours
}

func (b *books) takenElsewhere(domain, label string) bool {
	_, taken := b.taken[domain]
	return taken || label == labelTaken
}
