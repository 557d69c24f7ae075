package main

import (
	"fmt"
	"math"
	"time"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// benchRow is one thing to measure.
type benchRow struct {
	name    string
	kind    queue.Kind
	latency time.Duration // of a call
	domains int
	// alone is how many orders of one domain are measured while this order, which is not, is worked on; 0: the order
	// itself is measured.
	alone int
}

// How calls are made in every row. They are the defaults of the settings, and stay what they are if those change, so
// that figures of two versions can be compared.
const (
	benchWhoisBatch       = 100
	benchWhoisInFlight    = 4
	benchRegisterBatch    = 50
	benchRegisterInFlight = 2
	benchTokenInFlight    = 8 // each of one person: there is no bulk call
)

const (
	benchRegistrations = 2000
	benchAlone         = 10
	// benchAmongShare is how much longer than a measured order the one is that orders of one domain go among: 100,000
	// domains at 50 ms are worth 12.5 s.
	benchAmongShare = 12.5 / 8
	// benchWarmUp is how many domains a row has before its measured ones at most: connections are opened, plans are
	// made, pages are touched.
	benchWarmUp = 2000
)

// benchRows are all rows, in the order in which they are measured.
func benchRows(o benchOptions) []benchRow {
	const fast, slow = 50 * time.Millisecond, 200 * time.Millisecond
	rows := []benchRow{
		{name: "whois-0ms", kind: queue.Whois, domains: o.domains},
		{name: "whois-50ms", kind: queue.Whois, latency: fast},
		{name: "whois-200ms", kind: queue.Whois, latency: slow},
		{name: "register-50ms", kind: queue.Register, latency: fast},
		{name: "token-50ms", kind: queue.Token, latency: fast},
		{name: "one-domain", kind: queue.Whois, latency: fast, alone: benchAlone},
	}
	for i := range rows {
		row := &rows[i]
		switch {
		case row.latency == 0:
		case row.alone > 0:
			row.domains = row.worth(o.seconds * benchAmongShare)
		case row.kind == queue.Register:
			row.domains = min(row.worth(o.seconds), benchRegistrations)
		default:
			row.domains = row.worth(o.seconds)
		}
	}
	return rows
}

// calls is how many domains go into a call, and how many calls are in flight.
func (r benchRow) calls() (batch, inFlight int) {
	switch r.kind {
	case queue.Register:
		return benchRegisterBatch, benchRegisterInFlight
	case queue.Token:
		return 1, benchTokenInFlight
	}
	return benchWhoisBatch, benchWhoisInFlight
}

// limit is how many domains a second the measured calls allow, 0 for no limit. The WHOIS check that each registration
// needs besides is not counted in: what it costs is seen in the share.
func (r benchRow) limit() float64 {
	if r.latency == 0 {
		return 0
	}
	batch, inFlight := r.calls()
	return float64(batch*inFlight) / r.latency.Seconds()
}

// worth is how many domains take so many seconds at the limit, in full calls.
func (r benchRow) worth(seconds float64) int {
	batch, _ := r.calls()
	return batch * int(math.Ceil(r.limit()*seconds/float64(batch)))
}

// op is what the measured calls ask for.
func (r benchRow) op() sandbox.Op {
	switch r.kind {
	case queue.Register:
		return sandbox.OpRegister
	case queue.Token:
		return sandbox.OpToken
	}
	return sandbox.OpWhois
}

// about says in words what is measured.
func (r benchRow) about() string {
	things := "WHOIS checks"
	switch r.kind {
	case queue.Register:
		things = "registrations"
	case queue.Token:
		things = "tokens"
	}
	order := fmt.Sprintf("%s %s, %s a call", thousands(r.domains), things, r.latency)
	if r.alone > 0 {
		return fmt.Sprintf("%d orders of one domain, among %s", r.alone, order)
	}
	return order
}
