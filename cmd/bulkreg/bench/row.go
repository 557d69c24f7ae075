package bench

import (
	"fmt"
	"math"
	"time"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// Row is one thing to measure.
type Row struct {
	Name    string
	kind    queue.Kind
	latency time.Duration // of a call
	domains int
	// alone is how many orders of one domain are measured while this order, which is not, is worked on; 0: the order
	// itself is measured.
	alone int
	// door says for how long the HTTP API is given orders; 0: it plays no part.
	door time.Duration
}

// Options say how much is measured.
type Options struct {
	Domains int     // in the row without latency
	Seconds float64 // that a row with latency takes at its limit
}

// The bounds of what is measured: an order has at most a million domains.
const (
	MostDomains = 1_000_000
	MostSeconds = 60
)

// How calls are made in every row. They are the defaults of the settings, and stay what they are if those change, so
// that figures of two versions can be compared.
const (
	whoisBatch       = 100
	whoisInFlight    = 4
	registerBatch    = 50
	registerInFlight = 2
	tokenInFlight    = 8 // each of one person: there is no bulk call
)

const (
	registrations = 2000
	aloneOrders   = 10
	// amongShare is how much longer than a measured order the one is that orders of one domain go among: 100,000
	// domains at 50 ms are worth 12.5 s.
	amongShare = 12.5 / 8
	// warmUp is how many domains a row has before its measured ones at most: connections are opened, plans are
	// made, pages are touched.
	warmUp = 2000
)

// Rows are all rows, in the order in which they are measured.
func Rows(o Options) []Row {
	const fast, slow = 50 * time.Millisecond, 200 * time.Millisecond
	rows := []Row{
		{Name: "whois-0ms", kind: queue.Whois, domains: o.Domains},
		{Name: "whois-50ms", kind: queue.Whois, latency: fast},
		{Name: "whois-200ms", kind: queue.Whois, latency: slow},
		{Name: "register-50ms", kind: queue.Register, latency: fast},
		{Name: "token-50ms", kind: queue.Token, latency: fast},
		{Name: "one-domain", kind: queue.Whois, latency: fast, alone: aloneOrders},
		{Name: "api-orders", kind: queue.Whois, door: time.Duration(o.Seconds * float64(time.Second)), domains: 1},
	}
	for i := range rows {
		row := &rows[i]
		switch {
		case row.latency == 0:
		case row.alone > 0:
			row.domains = row.worth(o.Seconds * amongShare)
		case row.kind == queue.Register:
			row.domains = min(row.worth(o.Seconds), registrations)
		default:
			row.domains = row.worth(o.Seconds)
		}
	}
	return rows
}

// calls is how many domains go into a call, and how many calls are in flight.
func (r Row) calls() (batch, inFlight int) {
	switch r.kind {
	case queue.Register:
		return registerBatch, registerInFlight
	case queue.Token:
		return 1, tokenInFlight
	}
	return whoisBatch, whoisInFlight
}

// limit is how many domains a second the measured calls allow, 0 for no limit. The WHOIS check that each registration
// needs besides is not counted in: what it costs is seen in the share.
func (r Row) limit() float64 {
	if r.latency == 0 {
		return 0
	}
	batch, inFlight := r.calls()
	return float64(batch*inFlight) / r.latency.Seconds()
}

// worth is how many domains take so many seconds at the limit, in full calls.
func (r Row) worth(seconds float64) int {
	batch, _ := r.calls()
	return batch * int(math.Ceil(r.limit()*seconds/float64(batch)))
}

// op is what the measured calls ask for.
func (r Row) op() sandbox.Op {
	switch r.kind {
	case queue.Register:
		return sandbox.OpRegister
	case queue.Token:
		return sandbox.OpToken
	}
	return sandbox.OpWhois
}

// About says in words what is measured.
func (r Row) About() string {
	if r.door > 0 {
		return fmt.Sprintf("orders of one domain by %d clients for %s, and one of %s", doorClients, r.door, term.Thousands(largeOrder))
	}
	things := "WHOIS checks"
	switch r.kind {
	case queue.Register:
		things = "registrations"
	case queue.Token:
		things = "tokens"
	}
	order := fmt.Sprintf("%s %s, %s a call", term.Thousands(r.domains), things, r.latency)
	if r.alone > 0 {
		return fmt.Sprintf("%d orders of one domain, among %s", r.alone, order)
	}
	return order
}
