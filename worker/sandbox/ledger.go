package sandbox

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// Op is what a request asked for.
type Op string

// The operations of both upstreams.
const (
	OpAuthenticate Op = "authenticate"
	OpWhois        Op = "whois"    // single and bulk
	OpRegister     Op = "register" // single and bulk
	OpHolder       Op = "holder"
	OpToken        Op = "token" // PMG GetToken
	OpOther        Op = "other" // an unknown path or a wrong verb; counted only
	OpAny          Op = "any"   // in a Fault or a Gate: every one but OpOther
)

// Ledger is what a sandbox received and what it was paid for, up to the moment the ledger was asked for. It is a
// copy: it does not change, and changing it changes nothing.
type Ledger struct {
	Calls      []Call             `json:"calls"` // in order of arrival; no WHOIS calls with Options.LedgerCounts
	Counts     map[Op]int         `json:"counts"`
	BatchSizes map[Op]map[int]int `json:"batch_sizes"` // of whois and register: how many calls had so many items
	Holders    []HolderCreated    `json:"holders"`     // every creation, also of a holder deleted since
	Tokens     map[string]int     `json:"tokens"`      // GetToken tokens issued, by lower-case e-mail address
	Issued     []TokenIssued      `json:"issued"`      // the same tokens, in the order in which they were issued
	Balances   map[string]int     `json:"balances"`    // by account; negative is Unlimited
	Later      int                `json:"later"`       // accepted items that are still to be registered and paid for

	index sync.Once
	paid  map[string]int
}

// Call is one request. It is on record from the moment its body was read, whatever became of it.
type Call struct {
	Seq     int       `json:"seq"` // from 1, in order of arrival, over all operations
	Op      Op        `json:"op"`
	Route   string    `json:"route"`             // as in the contract: "POST /domain/bulk"
	Account string    `json:"account,omitempty"` // client id; empty if the request did not prove one
	At      time.Time `json:"at"`                // of arrival
	Items   []Item    `json:"items,omitempty"`   // in the order received
	PaidAt  time.Time `json:"paid_at,omitzero"`  // of its first paid effect
	Status  int       `json:"status,omitempty"`  // answered; 0 while in flight and when the line was cut
	Fault   string    `json:"fault,omitempty"`   // id of the fault that hit it
}

// Item is one domain of a call.
type Item struct {
	Domain string `json:"domain"`           // lower-case ASCII
	Raw    string `json:"raw,omitempty"`    // as received, where that differs
	Holder string `json:"holder,omitempty"` // of a registration: the DomainHolder's id
	Paid   bool   `json:"paid,omitempty"`   // this item was registered and paid for
	Resent bool   `json:"resent,omitempty"` // the domain was registered and paid for by an earlier item
	// Accepted items were answered 202, or with a word such as pending, and not as registered or failed.
	Accepted bool `json:"accepted,omitempty"`
}

// HolderCreated is one creation of a DomainHolder.
type HolderCreated struct {
	Call    int    `json:"call"`
	Account string `json:"account"`
	ID      string `json:"id"`
	Email   string `json:"email"`
}

// TokenIssued is one token of GetToken.
type TokenIssued struct {
	Call           int    `json:"call"`
	Email          string `json:"email"` // in lower case
	PrivacyConsent bool   `json:"privacy_consent"`
	Token          string `json:"token"`
	RedirectURL    string `json:"redirect_url"`
	AccountURL     string `json:"account_url"`
}

// Received is an item together with the call that brought it.
type Received struct {
	Item
	Call    int
	Account string
	At      time.Time
}

// Paid is how often a domain was paid for. The domain may be in any form.
func (l *Ledger) Paid(domain string) int {
	name, _ := canonical(domain)
	return l.payments()[name]
}

// PaidDomains are the domains paid for at least once, sorted.
func (l *Ledger) PaidDomains() []string { return slices.Sorted(maps.Keys(l.payments())) }

// AllPaidTwice are the domains paid for more than once, sorted. There should be none, ever.
func (l *Ledger) AllPaidTwice() []string {
	var twice []string
	for domain, n := range l.payments() {
		if n > 1 {
			twice = append(twice, domain)
		}
	}
	slices.Sort(twice)
	return twice
}

func (l *Ledger) payments() map[string]int {
	l.index.Do(func() {
		l.paid = map[string]int{}
		for _, r := range l.Received(OpRegister) {
			if r.Paid {
				l.paid[r.Domain]++
			}
		}
	})
	return l.paid
}

// Received are all items of one operation, in order of arrival.
func (l *Ledger) Received(op Op) []Received {
	return l.pick(func(c *Call, _ Item) bool { return c.Op == op })
}

// Sends are all register items of one domain, paid or not. The domain may be in any form.
func (l *Ledger) Sends(domain string) []Received {
	name, _ := canonical(domain)
	return l.pick(func(c *Call, i Item) bool { return c.Op == OpRegister && i.Domain == name })
}

// Resends are the register items of domains that were already registered and paid for when the item was received
// or carried out. Each would be a double payment at an upstream that charges for what it is sent.
func (l *Ledger) Resends() []Received {
	return l.pick(func(_ *Call, i Item) bool { return i.Resent })
}

func (l *Ledger) pick(want func(*Call, Item) bool) []Received {
	var found []Received
	for c := range l.Calls {
		call := &l.Calls[c]
		for _, item := range call.Items {
			if want(call, item) {
				found = append(found, Received{Item: item, Call: call.Seq, Account: call.Account, At: call.At})
			}
		}
	}
	return found
}
