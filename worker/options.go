package worker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake/domainname"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/seal"
	"github.com/bulkreg/bulkreg/worker/gate"
)

// Tuning is how calls of one kind are made.
type Tuning struct {
	BatchSize   int           // jobs per call at most
	Linger      time.Duration // how long a batch that is not full waits for more
	Concurrency int           // calls in flight, per account and process
}

// Options is what a Worker is made of.
type Options struct {
	Store    *store.Store
	RedisURL string
	Accounts []Account
	Kinds    []queue.Kind // which kinds to work on
	Whois    Tuning
	Register Tuning
	Token    Tuning // see TokenTuning; may be zero where no account has tokens

	// ProducerKeys are those with which producers sign their chunks; none: they need not.
	ProducerKeys queue.Keys

	UpstreamTimeout time.Duration // of one upstream call
	ReconcileAfter  time.Duration // from an unanswered paid call's deadline to the first WHOIS reading
	ReconcileEvery  time.Duration // between two readings
	ReconcileChecks int           // readings that must all say available
	RetryBase       time.Duration
	RetryMax        time.Duration
	MaxAttempts     int
	KeepEvents      time.Duration       // how long the log of events keeps one; 0: for ever
	KeepWhois       time.Duration       // how long jobs of WHOIS orders are kept after the last has ended; 0: for ever
	KeepTokens      time.Duration       // the same of orders of tokens
	HoldInterval    time.Duration       // from a hold to its first probe
	DailyLimit      int                 // registrations of an account on a day, in UTC, over the whole fleet; 0: no limit
	Suffixes        domainname.Suffixes // under which producers' domains can be registered besides the public ones
	Languages       []string            // that producers' tokens may have; none: the usual ones
	Seal            seal.Keys           // with which people, tokens and the secrets of webhooks are kept; none: no webhook is sent
	Networks        []netip.Prefix      // to which webhooks are sent although they are not public
	Rate            float64             // requests a second, per account, over the whole fleet; 0: no limit

	Measures Measures // who measures what happens
	// Traces is where calls and what goes before and after them show, with links to the orders that they are for; nil: nowhere.
	Traces trace.TracerProvider

	Version string // of this program, which receivers of webhooks are told

	Name  string           // of this process, for claims; default host and pid
	Log   zerolog.Logger   // default: nothing
	Clock func() time.Time // default time.Now
	Luck  func() float64   // random numbers in [0, 1); default math/rand
	// Reached is told of each step, on the goroutine that takes it; nil: nobody is. Tests kill and stop workers there.
	Reached func(Step)
	// Troubled is told when a role of the worker begins to fail, and with nil when it works again; nil: nobody is. It must not
	// block.
	Troubled func(role string, err error)

	tracer     trace.Tracer // of New's making, like the next
	troubles   *troubles
	standstill *standstill
	// Simulations take their time here: await waits until something is ready or ctx ends, rest waits before something is tried
	// again, and pace hands out an account's times. nil: they are as one expects.
	await func(ctx context.Context, ready <-chan struct{})
	rest  func(ctx context.Context, d time.Duration)
	pace  func(account string) gate.Pacer
}

// Margins around a call, see the package documentation of how the times relate.
const (
	// databaseTime is what one statement may take.
	databaseTime = 15 * time.Second
	// leaseMargin is what a lease outlasts its call by: the reply is settled well within it.
	leaseMargin = 15 * time.Second
	// longestRedelivery is how long a delivered job may stay unclaimed at most.
	longestRedelivery = 30 * time.Second
)

// lease is how long a claim lasts from each call that is started under it.
func (o Options) lease() time.Duration { return o.UpstreamTimeout + leaseMargin }

// redelivery is how long a delivered job may stay unclaimed: not longer than one that was claimed by a worker that died.
func (o Options) redelivery() time.Duration { return min(longestRedelivery, o.lease()) }

// DrainTime is how long a worker with this UPSTREAM_TIMEOUT may take to stop: a batch under way ends with the call that it is
// in, or with the search for a holder and the creation that belongs to it, and the settling.
func DrainTime(upstreamTimeout time.Duration) time.Duration { return 2*upstreamTimeout + databaseTime }

func (o Options) drainTime() time.Duration { return DrainTime(o.UpstreamTimeout) }

func (o Options) withDefaults() (Options, error) {
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(o.Store != nil, "no store")
	check(len(o.Accounts) > 0, "no account")
	check(len(o.Kinds) > 0, "no kind to work on")
	for _, k := range o.Kinds {
		w, known := workOf(k)
		check(known && slices.ContainsFunc(o.Accounts, w.served), "kind %s cannot be worked on: no account serves it", k)
	}
	tunings := map[string]Tuning{"whois": o.Whois, "register": o.Register}
	for _, a := range o.Accounts {
		check((a.Tokens != nil) == (a.Name == queue.TokenAccount), "account %s has not the upstream that its name says", a.Name)
		if a.Tokens != nil {
			tunings["token"] = o.Token
			check(!o.Seal.Empty(), "account %s has no encryption key", a.Name)
		}
	}
	for name, t := range tunings {
		check(t.BatchSize > 0 && t.BatchSize <= queue.MaxJobs, "%s batch size %d is not from 1 to %d", name, t.BatchSize, queue.MaxJobs)
		check(t.Linger >= 0, "%s linger is negative", name)
		check(t.Concurrency > 0, "%s concurrency %d is not positive", name, t.Concurrency)
	}
	check(o.UpstreamTimeout > 0, "upstream timeout is not positive")
	check(o.ReconcileAfter >= 0 && o.ReconcileEvery >= 0, "a reconcile time is negative")
	check(o.ReconcileChecks > 0, "reconcile checks %d is not positive", o.ReconcileChecks)
	check(o.RetryBase > 0 && o.RetryMax >= o.RetryBase, "retry times must be positive, the largest not below the base")
	check(o.Rate >= 0, "rate %v is negative", o.Rate)
	check(o.KeepEvents >= 0, "keeping events for %v is negative", o.KeepEvents)
	check(o.KeepWhois >= 0 && o.KeepTokens >= 0, "keeping jobs for %v and %v must not be negative", o.KeepWhois, o.KeepTokens)
	check(o.HoldInterval > 0, "hold interval is not positive")
	check(o.DailyLimit >= 0 && o.DailyLimit <= math.MaxInt32, "daily limit %d is not from 0 to %d", o.DailyLimit, math.MaxInt32)
	check(o.MaxAttempts > 0, "max attempts %d is not positive", o.MaxAttempts)
	if err := errors.Join(problems...); err != nil {
		return o, fmt.Errorf("configure worker: %w", err)
	}
	if o.Name == "" {
		host, err := os.Hostname()
		if err != nil {
			return o, fmt.Errorf("name worker: %w", err)
		}
		o.Name = fmt.Sprintf("%s/%d", host, os.Getpid())
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	o.Measures = o.Measures.withDefaults()
	if o.Traces == nil {
		o.Traces = noop.NewTracerProvider()
	}
	o.tracer = o.Traces.Tracer(tracerName)
	if o.rest == nil {
		o.rest = pause
	}
	if o.Luck == nil {
		o.Luck = rand.Float64
	}
	o.troubles, o.standstill = newTroubles(o.Troubled), newStandstill(o.Log)
	return o, nil
}

// since is how much time has passed by the clock that says more: the monotonic one stands still while a machine sleeps, and the
// one on the wall may be set back.
func (o Options) since(begun time.Time) time.Duration {
	now := o.Clock()
	return max(now.Sub(begun), now.Round(0).Sub(begun.Round(0)))
}

// tuning is how calls of a kind are made.
func (o Options) tuning(kind queue.Kind) Tuning {
	w, known := workOf(kind)
	if !known {
		return Tuning{}
	}
	return w.tuning(o)
}
