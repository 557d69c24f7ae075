// Package api is the HTTP door of bulkreg: order systems give orders, look at them, and follow what happens, without knowing Go, Redis
// or Postgres. Its document is at /openapi.json, and for people at /docs.
//
// Who calls is told by the key alone, never by a body, and sees its own source's orders and nothing else. Every request may be
// repeated. Orders come in through package intake, and never through Redis. Nothing of a person, no key and no token may reach the log.
package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/queue/intake/domainname"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/seal"
)

// Options says what an API works with.
type Options struct {
	Store     *store.Store
	Intake    *intake.Intake
	Keys      Keys
	Seal      seal.Keys // with which tokens are read; empty: none are
	Suffixes  domainname.Suffixes
	Languages []string // that a token may be asked for in
	// Accounts are those of the settings, besides those that workers have.
	Accounts []string
	// OwnNetworks are those to which webhooks may lead although they are not public, also over http.
	OwnNetworks []netip.Prefix
	MaxBody     int64 // of an order, and of what it unpacks to, in bytes; default 256 MiB
	Version     string
	Log         zerolog.Logger
	Clock       func() time.Time // default time.Now
	Random      io.Reader        // of which secrets are made; default that of the system
	// BodyPatience is how long a body may stand still; default 30 s.
	BodyPatience time.Duration
	// RequestsPerMinute is how many requests a key may make that has no limit of its own; default 3,000.
	RequestsPerMinute int
	// Connections is how many connections to the database the store may have; default 20.
	Connections int
	// RequestsAtOnce is how many requests of one source are served at a time, streams and those who wait for events as well; default 1,365.
	RequestsAtOnce int
	// ReadyPatience is how long the database may take to say that it is ready; default 3 s.
	ReadyPatience time.Duration
	// Heartbeat is how often a stream says something, so that nobody between takes it for dead, and asks whether its key is still good;
	// default 15 s.
	Heartbeat time.Duration
	// Meter is told of each request that has ended; nil for nobody.
	Meter Meter
	// Traces is where requests show; nil: nowhere.
	Traces trace.TracerProvider
	// Submitted is called when an order is stored and nobody has been told; nil for nobody.
	Submitted func()
}

const (
	defaultMaxBody      = 256 << 20
	defaultBodyPatience = 30 * time.Second
	defaultHeartbeat    = 15 * time.Second
	defaultConnections  = 20
	// Fifty a second: an order a request, and a look at it, of whoever does so as fast as bulkreg calls a registrar.
	defaultRequestsPerMinute = 3000
	// keysAtOnce bounds the keys whose requests are counted at once.
	keysAtOnce = 100_000
	// Those who probe wait for a second or more, and ask again.
	defaultReadyPatience = 3 * time.Second
)

// maxSmallBody bounds the bodies of all requests but orders.
const maxSmallBody = 64 << 10

// API is the door. It is safe for concurrent use.
type API struct {
	options   Options
	underWay  *underWay
	storing   *storing
	database  *turns
	limits    *limits // of keys
	strangers *limits // of addresses that present no good key
	follower  *follower
	accounts  *accounts
	room      intakeRoom
	streams   atomic.Int64 // open ones
	mux       *http.ServeMux
	huma      huma.API
	handler   http.Handler
	// operations are the ids of operations in the document, by the pattern of their requests.
	operations map[string]string
	tracer     trace.Tracer
}

// New makes the door. Run does its chores.
func New(o Options) (*API, error) {
	if o.Store == nil || o.Intake == nil || o.Keys == nil {
		return nil, errors.New("configure API: it needs a store, an intake and keys")
	}
	o.MaxBody = cmp.Or(o.MaxBody, defaultMaxBody)
	o.Heartbeat = cmp.Or(o.Heartbeat, defaultHeartbeat)
	o.BodyPatience = cmp.Or(o.BodyPatience, defaultBodyPatience)
	o.RequestsPerMinute = cmp.Or(o.RequestsPerMinute, defaultRequestsPerMinute)
	o.ReadyPatience = cmp.Or(o.ReadyPatience, defaultReadyPatience)
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Connections == 0 {
		o.Connections = defaultConnections
	}
	if o.RequestsAtOnce == 0 {
		o.RequestsAtOnce = defaultAtOnce
	}
	if o.Traces == nil {
		o.Traces = noop.NewTracerProvider()
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	a := &API{options: o, tracer: o.Traces.Tracer(tracerName), underWay: newUnderWay(o.RequestsAtOnce), storing: newStoring(o.Connections), database: atDatabase(o.Connections), limits: newLimits(o.Clock, keysAtOnce), strangers: newLimits(o.Clock, addressesAtOnce), follower: newFollower(o), accounts: &accounts{fleet: o.Store.Fleet, settings: o.Accounts, clock: o.Clock}, mux: http.NewServeMux()}
	a.huma = humago.New(a.mux, a.config())
	a.register()
	a.nameOperations()
	browsers := http.NewCrossOriginProtection()
	browsers.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.refuse(w, r, kindCrossOrigin.problem("The request comes from a page of another origin: send it from a server."))
	}))
	a.handler = a.observed(browsers.Handler(a.routed()))
	return a, nil
}

// Handler serves every request.
func (a *API) Handler() http.Handler { return a.handler }

// Run follows the log of events for those who wait for them, and keeps the books, until ctx ends.
func (a *API) Run(ctx context.Context) { a.follower.run(ctx) }

// register adds every operation.
func (a *API) register() {
	a.registerHealth()
	a.registerDocs()
	a.registerOrders()
	a.registerSubmit()
	a.registerJobs()
	a.registerExports()
	a.registerActs()
	a.registerEvents()
	a.registerDomains()
	a.registerHolds()
	a.registerWebhooks()
}
