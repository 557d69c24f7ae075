package sandbox

import (
	"net/http"
	"slices"
	"time"
)

const (
	statusRegistered = "registered"
	statusFailed     = "failed"
)

func (s *Sandbox) readRegister(r *http.Request, body []byte) task {
	var request registration
	if f := decode(r, body, &request); f != nil {
		return failing(f)
	}
	return s.register([]registration{request}, false)
}

func (s *Sandbox) readBulkRegister(r *http.Request, body []byte) task {
	var request bulkRegisterRequest
	if f := decode(r, body, &request); f != nil {
		return failing(f)
	}
	return s.register(request.Domains, true)
}

func (s *Sandbox) register(wanted []registration, bulk bool) task {
	items := make([]Item, len(wanted))
	valid := make([]bool, len(wanted))
	for i, w := range wanted {
		items[i], valid[i] = item(w.Domain)
		items[i].Holder = w.Holder
	}
	return task{items: items, bulk: bulk, run: func(c *Call, x extent) answer {
		n := x.items
		if f := s.refuseRegister(wanted, items[:n]); f != nil {
			return failed(f)
		}
		results, later, f := s.books.register(c, wanted[:n], valid, x, s.opts)
		if f != nil {
			return failed(f)
		}
		for _, l := range later {
			s.afterwards(l.after, func() { s.books.fulfil(c, l.item, wanted[l.item], s.opts) })
		}
		if !bulk && n == 1 && results[0].Status == statusFailed {
			return failed(&failure{results[0].StatusCode, results[0].Message})
		}
		return answer{status: http.StatusOK, results: s.shuffle(c, results), bulk: bulk}
	}}
}

// refuseRegister is the failure of a whole register call before any effect, nil for none.
func (s *Sandbox) refuseRegister(wanted []registration, items []Item) *failure {
	if len(wanted) == 0 {
		return badRequest("domains is required and holds at least one domain")
	}
	if f := s.tooMany(len(wanted)); f != nil {
		return f
	}
	for i, w := range wanted {
		if w.Domain == "" || w.Holder == "" {
			return badRequest("domains[%d]: domain and domainholder_id are required", i)
		}
	}
	for i := range items {
		switch s.opts.label(items[i].Domain) {
		case labelPoison:
			return unprocessable("a domain in the request failed validation")
		case labelBadRequest:
			return badRequest("a domain in the request has invalid parameters")
		}
	}
	return nil
}

// plan is what a register call will do, found out before any of it is done.
type plan struct {
	results []result
	pay     []int // indexes of the items to be paid for
	resent  []int // indexes of items whose domain is ours already
	flaked  []string
	// promised are indexes of items that are said to follow, later those of them that do.
	promised []int
	later    []laterItem
}

// register carries out the wanted items of a call, or refuses it as a whole for want of money.
func (b *books) register(c *Call, wanted []registration, valid []bool, x extent, o Options) ([]result, []laterItem, *failure) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.plan(c, wanted, valid, x, o)
	short := b.cannotPay(c.Account, len(p.pay))
	if short != nil {
		p.cut(c, b.affordable(c.Account, len(p.pay), o.PartialOn402), b.registered)
	}
	at := b.clock()
	if len(p.pay)+len(p.resent) > 0 {
		if err := b.file.write(event{Event: eventPaid, Seq: c.Seq, At: at, Paid: p.pay, Resent: p.resent}); err != nil {
			return nil, nil, &failure{http.StatusInternalServerError, err.Error()}
		}
	}
	if err := b.accept(c, p.promised, len(p.later)); err != nil {
		return nil, nil, &failure{http.StatusInternalServerError, err.Error()}
	}
	b.enterEffects(c, at, p.pay, p.resent)
	for _, domain := range p.flaked {
		b.flaked[domain] = struct{}{}
	}
	return p.results, p.later, short
}

func (b *books) plan(c *Call, wanted []registration, valid []bool, x extent, o Options) plan {
	p := plan{results: make([]result, len(wanted)), pay: make([]int, 0, len(wanted))}
	inCall := make(map[string]struct{}, len(wanted))
	for i := range wanted {
		domain := c.Items[i].Domain
		_, ours := b.registered[domain]
		if _, twice := inCall[domain]; ours || twice {
			ours = true
			p.resent = append(p.resent, i)
		}
		f := x.refusal(domain)
		if f == nil {
			f = b.refuseItem(c.Account, &wanted[i], domain, valid[i], ours, o)
		}
		if f == nil {
			inCall[domain] = struct{}{}
			p.admit(i, domain, x.promise.of(o.label(domain), len(p.promised), o))
			continue
		}
		if f.status == http.StatusInternalServerError {
			p.flaked = append(p.flaked, domain)
		}
		p.results[i] = result{Domain: domain, Status: statusFailed, StatusCode: f.status, Message: f.message}
	}
	return p
}

// admit plans for an item that nothing speaks against: it is registered, or promised.
func (p *plan) admit(i int, domain string, promised promise) {
	if promised.word == "" {
		p.pay = append(p.pay, i)
		p.results[i] = result{Domain: domain, Status: statusRegistered}
		return
	}
	p.results[i] = result{Domain: domain, Status: promised.word}
	p.promised = append(p.promised, i)
	switch promised.effect {
	case EffectAll:
		p.pay = append(p.pay, i)
	case EffectLate:
		p.later = append(p.later, laterItem{i, promised.after})
	}
}

// cut leaves the first n payments of a plan. A second item of a domain in this call is a resend only if the first
// is still paid for.
func (p *plan) cut(c *Call, n int, registered map[string]time.Time) {
	p.pay, p.flaked, p.promised, p.later = p.pay[:n], nil, nil, nil
	paid := make(map[string]struct{}, n)
	for _, i := range p.pay {
		paid[c.Items[i].Domain] = struct{}{}
	}
	p.resent = slices.DeleteFunc(p.resent, func(i int) bool {
		_, before := registered[c.Items[i].Domain]
		_, now := paid[c.Items[i].Domain]
		return !before && !now
	})
}

// refuseItem is why one item fails alone, nil if it will be registered.
func (b *books) refuseItem(account string, w *registration, domain string, valid, ours bool, o Options) *failure {
	label := o.label(domain)
	_, flaked := b.flaked[domain]
	switch {
	case !valid:
		return unprocessable("domain name is not valid")
	case w.Period != nil && *w.Period < 1:
		return unprocessable("period is not a positive number of months")
	case !o.AnyHolder && b.visible(account, w.Holder) == nil:
		return noHolder()
	case b.takenElsewhere(domain, label), ours && !o.ChargeTwice:
		return unprocessable("domain is not available")
	case label == labelRefused:
		return unprocessable("domain was refused by the registry")
	case label == labelQuoting:
		var holder Holder
		if h := b.visible(account, w.Holder); h != nil {
			holder = h.Holder
		}
		return quoting(http.StatusUnprocessableEntity, numberOf(domain), holder)
	case label == labelFlaky && !flaked:
		return &failure{http.StatusInternalServerError, "the registry failed, try again"}
	}
	return nil
}

// cannotPay is the failure of a call that needs n registrations of an account's money, nil if it has them.
func (b *books) cannotPay(account string, n int) *failure {
	a := b.accounts[account]
	switch {
	case !a.DirectDebit:
		return &failure{http.StatusPaymentRequired, "direct debit is not activated"}
	case a.Balance >= 0 && a.Balance < n:
		return &failure{http.StatusPaymentRequired, "insufficient funds"}
	}
	return nil
}

// affordable is how many of n registrations a call that cannot pay for all of them still gets.
func (b *books) affordable(account string, n int, partial bool) int {
	a := b.accounts[account]
	if !partial || !a.DirectDebit || a.Balance < 0 {
		return 0
	}
	return min(a.Balance, n)
}

// enterEffects marks what items of a call did, now or when the file is read again.
func (b *books) enterEffects(c *Call, at time.Time, paid, resent []int) {
	for _, i := range resent {
		c.Items[i].Resent = true
	}
	if len(paid) == 0 {
		return
	}
	for _, i := range paid {
		c.Items[i].Paid = true
		b.registered[c.Items[i].Domain] = at
	}
	c.PaidAt = at
	if a, ok := b.accounts[c.Account]; ok && a.Balance > 0 {
		a.Balance = max(0, a.Balance-len(paid))
		b.accounts[c.Account] = a
	}
}
