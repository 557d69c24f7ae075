// Package webhooks keeps where sources want to be told of events, which deliveries are under way to them, and what came of each.
//
// Deliveries are made of the log of events, whose cursor each endpoint has: what waits beyond a bound stays in the log. Those of
// one order go one after the other. It must never hold a secret in the clear, and sends nothing by itself.
package webhooks

import (
	"errors"
	"time"

	"github.com/bulkreg/bulkreg/store/pg"
)

// Webhooks are the endpoints of one database. Use is safe from several goroutines.
type Webhooks struct {
	db *pg.DB
}

// New returns the Webhooks of the database.
func New(db *pg.DB) *Webhooks { return &Webhooks{db: db} }

const (
	// MaxEndpoints is how many endpoints a source may have.
	MaxEndpoints = 20
	// maxWaiting is how many deliveries wait for one endpoint. What comes after them stays in the log until then.
	maxWaiting = 10_000
	// MaxAnswer is how much of an answer is kept, in characters.
	MaxAnswer = 512
)

const (
	// SkipAfter is how long an endpoint may refuse an event before later ones of its order go on without it.
	SkipAfter = 6 * time.Hour
	// DisableAfter is how long an endpoint may fail, without one success, before nothing is sent to it any more.
	DisableAfter = 5 * 24 * time.Hour
	// Kept is how long a delivery that ended stays on record, and so how far back one can be recovered.
	Kept = 30 * 24 * time.Hour
)

// ExistsError says that a source has an endpoint with that URL.
type ExistsError struct{ ID string }

func (e *ExistsError) Error() string {
	return "the source has a webhook with this URL already: " + e.ID
}

// ErrTooMany says that a source has as many endpoints as it may have.
var ErrTooMany = errors.New("the source has 20 webhooks, which is as many as it may have: remove one first")

// Disabled says why nothing is sent to an endpoint.
type Disabled string

// Why endpoints are disabled.
const (
	Gone    Disabled = "gone"    // it answered 410
	Failing Disabled = "failing" // it has failed for DisableAfter
)

// Endpoint is where a source is told of events.
type Endpoint struct {
	ID           string
	Source       string
	URL          string
	Types        []string // of events; none: all but job.finished
	CreatedAt    time.Time
	CreatedBy    string
	FailingSince time.Time // its first failure after its last success; zero: the last attempt was one, or there was none
	RestsUntil   time.Time // nothing is sent to it before; zero: it does not rest
	DisabledAt   time.Time // zero: it is not
	DisabledFor  Disabled
	PublicKeys   [][]byte // with which it verifies: the newest first
	Waiting      int      // deliveries that wait for it or are under way, of at most 10,000
	Skipped      int      // and of these, those that were overtaken
	Failed       int      // given up in the last 30 days
}

// NewEndpoint is an endpoint to be made.
type NewEndpoint struct {
	ID        string
	Source    string
	URL       string
	Types     []string
	By        string // who makes it, on record
	Sealed    []byte // its secret
	PublicKey []byte
}

// State is how a delivery stands.
type State string

// The states of a delivery.
const (
	Waiting   State = "waiting" // or under way
	Delivered State = "delivered"
	Failed    State = "failed" // given up
)
