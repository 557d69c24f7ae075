// Package webhook sends events to the endpoints that sources have given, after the Standard Webhooks specification
// (https://github.com/standard-webhooks/standard-webhooks): signed, retried for 75 hours, and in order within an order.
//
// What is due is known by the store alone, so that nothing is lost with a process or with Redis. The package must never connect to an
// address that is not public, unless its network is allowed, never follow a redirect, and never let a URL or a secret into a log or an
// error.
package webhook

import (
	"net"
	"net/netip"
	"time"

	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/store/seal"
	"github.com/bulkreg/bulkreg/store/webhooks"
)

const (
	// timeout is how long one attempt may take; the specification asks for 15 to 30 s.
	timeout = 20 * time.Second
	// lease is how long a delivery belongs to who has claimed it.
	lease = timeout + 40*time.Second
	// grace is what attempts under way get when the worker stops. One that is broken off is made again.
	grace = 3 * time.Second
	// inFlight bounds the attempts under way in one worker.
	inFlight = 64
)

// Options make a Deliverer.
type Options struct {
	Store    *webhooks.Webhooks
	Seal     seal.Keys      // that secrets are sealed with; none: others send
	Allowed  []netip.Prefix // networks to which is sent although they are not public
	Agent    string         // User-Agent
	Resolver *net.Resolver  // nil: the system's
	Jitter   func() float64 // in [0, 1)
	Clock    func() time.Time
	Log      zerolog.Logger
	Meter    Meter           // nil: nobody measures
	Troubled func(err error) // what goes wrong with the database or the keys, nil when it goes well again
}
