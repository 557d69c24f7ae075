package webhook

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/queue/hook"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/seal"
	"github.com/bulkreg/bulkreg/store/webhooks"
)

const (
	busyEvery = 100 * time.Millisecond
	restEvery = 2 * time.Second // for whoever finds nothing
	idleEvery = 6 * time.Second // where nobody wants to be told of anything
	lookEvery = time.Minute
	// forgetBatch bounds how many old deliveries are forgotten at a time.
	forgetBatch = 5000
	// databaseTime bounds one exchange with the database.
	databaseTime = 30 * time.Second
)

// Deliverer sends what is due. Any number may be at it, in as many processes.
type Deliverer struct {
	options Options
	sender  *sender
	free    chan struct{} // a slot for each attempt under way
	ended   chan struct{} // told when one has ended: the next of its line is due
	looked  time.Time

	mu     sync.Mutex
	counts map[string]int // of attempts under way, by source
}

// New makes a Deliverer.
func New(o Options) *Deliverer {
	return &Deliverer{options: o, sender: newSender(o), free: make(chan struct{}, inFlight), ended: make(chan struct{}, 1), counts: map[string]int{}}
}

// count counts attempts of a source that begin, 1, or end, -1.
func (d *Deliverer) count(source string, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.counts[source] += n; d.counts[source] == 0 {
		delete(d.counts, source)
	}
}

func (d *Deliverer) underWay() map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.counts)
}

// Run delivers until ctx ends, and sees attempts under way through, for a short time.
func (d *Deliverer) Run(ctx context.Context) {
	attempts, breakOff := context.WithCancel(context.WithoutCancel(ctx))
	defer breakOff()
	var underWay sync.WaitGroup
	wait := busyEvery
	for ctx.Err() == nil {
		found, err := d.round(ctx, attempts, &underWay)
		if ctx.Err() == nil {
			d.options.Troubled(err)
		}
		switch {
		case err == nil && found == busy:
			wait = busyEvery
		case err == nil && found == idle:
			wait = idleEvery
		default:
			wait = min(2*wait, restEvery)
		}
		select {
		case <-ctx.Done():
		case <-d.ended:
		case <-time.After(wait):
		}
	}
	d.seeThrough(&underWay, breakOff)
	d.sender.close()
}

// seeThrough waits for what is under way, and breaks it off where that takes long.
func (d *Deliverer) seeThrough(underWay *sync.WaitGroup, breakOff func()) {
	done := make(chan struct{})
	go func() { underWay.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(grace):
		breakOff()
		<-done
	}
}

// load is what a round has found to do.
type load int

const (
	rest load = iota // nothing now
	busy             // something, and there may be more
	idle             // there is no webhook
)

// round makes deliveries of new events, and begins with those that are due.
func (d *Deliverer) round(ctx, attempts context.Context, underWay *sync.WaitGroup) (load, error) {
	asking, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	if wanted, err := d.options.Store.Any(asking); err != nil || !wanted {
		return idle, err //nolint:wrapcheck // the store says what it did
	}
	made, err := d.options.Store.Spread(asking)
	if err != nil {
		return rest, err //nolint:wrapcheck // the store says what it did
	}
	if now := d.options.Clock(); now.Sub(d.looked) >= lookEvery {
		skipped, err := d.options.Store.Look(asking, forgetBatch)
		if err != nil {
			return rest, err //nolint:wrapcheck // the store says what it did
		}
		d.looked = now
		if skipped > 0 {
			d.options.Log.Warn().Int("deliveries", skipped).Msg("webhooks refused events for six hours: later ones go on without them")
		}
	}
	room := inFlight - len(d.free)
	if room == 0 || d.options.Seal.Empty() {
		return loadOf(made), nil
	}
	who := uuid.New()
	due, err := d.options.Store.Claim(asking, who, room, lease, d.underWay())
	if err != nil {
		return loadOf(made), err //nolint:wrapcheck // the store says what it did
	}
	return loadOf(made + len(due)), d.begin(attempts, underWay, who, due)
}

func loadOf(n int) load {
	if n > 0 {
		return busy
	}
	return rest
}

// begin starts an attempt of each delivery. Where the secrets cannot be opened, it gives all of the endpoint back.
func (d *Deliverer) begin(ctx context.Context, underWay *sync.WaitGroup, who uuid.UUID, due []webhooks.Due) (err error) {
	var locked []int64
	for _, one := range due {
		secrets, failed := d.open(one)
		if failed != nil {
			locked, err = append(locked, one.ID), failed
			continue
		}
		d.free <- struct{}{}
		d.count(one.Source, 1)
		underWay.Go(func() {
			defer func() {
				d.count(one.Source, -1)
				<-d.free
				select {
				case d.ended <- struct{}{}:
				default:
				}
			}()
			d.attempt(ctx, who, one, secrets)
		})
	}
	if len(locked) > 0 {
		giving, cancel := context.WithTimeout(ctx, databaseTime)
		defer cancel()
		if failed := d.options.Store.GiveBack(giving, who, locked); failed != nil {
			return failed //nolint:wrapcheck // the store says what it did
		}
	}
	return err
}

func (d *Deliverer) open(one webhooks.Due) ([]hook.Secret, error) {
	secrets := make([]hook.Secret, len(one.Secrets))
	for i, sealed := range one.Secrets {
		kept, err := d.options.Seal.OpenSecret(sealed, seal.Endpoint{Source: one.Source, ID: one.Endpoint})
		if err != nil {
			return nil, fmt.Errorf("open secret of webhook %s: %w", one.Endpoint, err)
		}
		if secrets[i], err = hook.SecretOf(kept); err != nil {
			return nil, fmt.Errorf("read secret of webhook %s: %w", one.Endpoint, err)
		}
	}
	return secrets, nil
}

// attempt makes one attempt, and writes down what came of it.
func (d *Deliverer) attempt(ctx context.Context, who uuid.UUID, one webhooks.Due, secrets []hook.Secret) {
	log := d.options.Log.With().Str("webhook", one.Endpoint).Int64("delivery", one.ID).Logger()
	m, err := messageOf(one, d.options.Clock())
	a := answer{failure: "its event is not kept any more"}
	if err == nil && !one.Gone {
		a = d.sender.send(ctx, one.URL, m, secrets)
	}
	settling, cancel := context.WithTimeout(context.WithoutCancel(ctx), databaseTime)
	defer cancel()
	if ctx.Err() != nil && !a.ok() && a.status == 0 {
		// It was broken off by the stop, which says nothing of the endpoint.
		if err := d.options.Store.GiveBack(settling, who, []int64{one.ID}); err != nil {
			log.Warn().Err(err).Msg("cannot give a delivery back: it is made again once its time is over")
		}
		return
	}
	d.measure(err != nil || one.Gone, a)
	done, err := d.options.Store.Settle(settling, d.result(who, one, a))
	switch {
	case errors.Is(err, pg.ErrNotFound): // the endpoint was removed meanwhile
	case err != nil:
		// Nobody knows of the attempt: it is made again, and the receiver knows it by its id.
		log.Warn().Err(err).Msg("cannot write down what came of a delivery: it is made again once its time is over")
	case done.Disabled != "":
		log.Error().Str("source", one.Source).Str("reason", string(done.Disabled)).Msg("a webhook is disabled: nothing is sent to it until it is recovered")
	case !a.ok():
		log.Info().Str("type", one.Type).Int("attempt", one.Attempt).Int("status", a.status).Str("failure", a.failure).Msg("a webhook was not taken")
	}
}

// result says what follows from an attempt.
func (d *Deliverer) result(who uuid.UUID, one webhooks.Due, a answer) webhooks.Result {
	r := webhooks.Result{
		Delivery: one.ID, Endpoint: one.Endpoint, Sender: who, Took: a.took, Status: a.status, Error: a.failure, Answer: a.begins, OK: a.ok(),
	}
	if r.Apart = one.Test || one.Gone; r.OK || r.Apart {
		return r // a test is tried once
	}
	r.Retry = retryAfter(one.Attempt, d.options.Jitter(), a.retryAfter)
	r.Trouble, r.Rest, r.Gone = a.trouble(), a.retryAfter, a.status == http.StatusGone
	return r
}
