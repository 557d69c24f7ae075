// Package intake is how orders come in: read, checked, planned and submitted, whole or not at all.
//
// Input is spooled to a temporary file first, so that a million lines pass through bounded memory, and nothing reaches
// the database before the last line has been read. The package must never change what is already there: an
// order is taken in once, and the same order again changes nothing.
package intake

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/tracing"
	"github.com/bulkreg/bulkreg/store/seal"
)

// Store is what intake asks of the database.
type Store interface {
	Submit(ctx context.Context, order orders.NewOrder, jobs iter.Seq2[orders.NewJob, error]) (orders.Submitted, error)
	Lookup(ctx context.Context, order orders.NewOrder) (record.Order, bool, error)
	Claimants(ctx context.Context, domains []string) ([]orders.Claimant, error)
}

var _ Store = (*orders.Orders)(nil)

// Order is what a producer asks for at once, but for its jobs.
type Order struct {
	Source    string // the producer: "cli", or the name of an order system
	Reference string // the producer's own name for the order
	Kind      queue.Kind
	Account   string
	// Labels find the order again; names and texts. They are no part of what it asks for.
	Labels map[string]string
	// Charge is booked with the order, once; nil: nobody keeps count.
	Charge orders.Charge
}

// Check checks the order's names and kind.
func (o Order) Check() error {
	if _, err := queue.ParseKind(string(o.Kind)); err != nil {
		return err
	}
	if err := queue.CheckName(o.Reference, queue.MaxReference); err != nil {
		return fmt.Errorf("the order's reference %w", err)
	}
	if strings.HasPrefix(o.Reference, "-") { // no command line could name it
		return errors.New("the order's reference begins with a hyphen: begin it with a letter or a digit")
	}
	if o.Reference == "." || o.Reference == ".." { // no URL could name it
		return errors.New("the order's reference is a dot or two: begin it with a letter or a digit")
	}
	if err := queue.CheckName(o.Source, queue.MaxName); err != nil {
		return fmt.Errorf("the order's source %w", err)
	}
	if err := queue.CheckName(o.Account, queue.MaxName); err != nil {
		return fmt.Errorf("the order's account %w", err)
	}
	if err := checkLabels(o.Labels); err != nil {
		return err
	}
	if !o.Kind.Serves(o.Account) {
		return fmt.Errorf("the account %s cannot have orders of the kind %s: %s is the account of tokens, and of nothing else", o.Account, o.Kind, queue.TokenAccount)
	}
	return nil
}

// Bounds of an order's labels.
const (
	MaxLabels     = 20
	maxLabelName  = 64  // bytes
	maxLabelValue = 256 // bytes
)

func checkLabels(labels map[string]string) error {
	if len(labels) > MaxLabels {
		return fmt.Errorf("the order has %d labels: %d are allowed", len(labels), MaxLabels)
	}
	for name, value := range labels {
		if err := queue.CheckName(name, maxLabelName); err != nil {
			return fmt.Errorf("the name of a label %w", err)
		}
		if err := queue.CheckName(value, maxLabelValue); err != nil {
			return fmt.Errorf("the label %q %w", name, err)
		}
	}
	return nil
}

// Chunks says how many jobs go into a chunk, by kind: as many as a worker puts into a call.
type Chunks struct {
	Whois, Register int
	Token           int // 0: tokens are refused
}

// of is the size for a kind; 0: there is none.
func (c Chunks) of(kind queue.Kind) int {
	switch kind {
	case queue.Whois:
		return c.Whois
	case queue.Register:
		return c.Register
	case queue.Token:
		return c.Token
	}
	return 0
}

// Intake takes orders in. It is safe for concurrent use.
type Intake struct {
	store  Store
	chunks Chunks
	keys   seal.Keys
	told   func(jobs int) // nil: nobody is
}

// New takes orders into st, in chunks of the given sizes; those must be from 1 to queue.MaxJobs.
func New(st Store, chunks Chunks) (*Intake, error) {
	for _, n := range []int{chunks.Whois, chunks.Register} {
		if n < 1 || n > queue.MaxJobs {
			return nil, fmt.Errorf("configure intake: chunk size %d is not from 1 to %d", n, queue.MaxJobs)
		}
	}
	return &Intake{store: st, chunks: chunks}, nil
}

// SealingWith is the same intake, which keeps people with these keys. One without keys takes no tokens.
func (in *Intake) SealingWith(keys seal.Keys) *Intake {
	with := *in
	with.keys = keys
	return &with
}

// Telling is the same intake, which tells while it submits how many jobs were handed to the database so far. Those count when it returns,
// and not before.
func (in *Intake) Telling(told func(jobs int)) *Intake {
	with := *in
	with.told = told
	return &with
}

// toldEvery is how many jobs are handed over between two tellings.
const toldEvery = 5000

// telling is the same jobs, and tells of them.
func (in *Intake) telling(jobs iter.Seq2[orders.NewJob, error]) iter.Seq2[orders.NewJob, error] {
	if in.told == nil {
		return jobs
	}
	return func(yield func(orders.NewJob, error) bool) {
		n := 0
		for job, err := range jobs {
			if !yield(job, err) {
				return
			}
			if n++; n%toldEvery == 0 {
				in.told(n)
			}
		}
		if n%toldEvery != 0 {
			in.told(n)
		}
	}
}

// ErrEmpty says that an order has no jobs.
var ErrEmpty = errors.New("the order is empty: there is nothing in it")

// Find finds the order that this one would repeat, if it was taken in before. It fails as Submit would.
func (in *Intake) Find(ctx context.Context, o Order, s *Spool) (existing record.Order, found bool, err error) {
	n, err := in.newOrder(o, s)
	if err != nil {
		return record.Order{}, false, err
	}
	return in.store.Lookup(ctx, n)
}

// Submit takes in the order whose jobs were spooled. The same order again changes nothing, and the answer says so. An
// order of that reference with other content fails with a *store.ReferenceConflictError.
func (in *Intake) Submit(ctx context.Context, o Order, s *Spool) (orders.Submitted, error) {
	n, err := in.newOrder(o, s)
	if err != nil {
		return orders.Submitted{}, err
	}
	n.Trace = tracing.Of(ctx)
	return in.store.Submit(ctx, n, in.telling(s.jobs(o, in.keys)))
}

func (in *Intake) newOrder(o Order, s *Spool) (orders.NewOrder, error) {
	if err := o.Check(); err != nil {
		return orders.NewOrder{}, err
	}
	switch {
	case s.Len() == 0:
		return orders.NewOrder{}, ErrEmpty
	case o.Kind.OfPeople() && in.keys.Empty():
		return orders.NewOrder{}, seal.ErrNoKey
	case in.chunks.of(o.Kind) == 0:
		return orders.NewOrder{}, fmt.Errorf("take order in: there is no size of chunks for %s", o.Kind)
	}
	n := orders.NewOrder{
		Source: o.Source, Reference: o.Reference, Kind: record.Kind(o.Kind), Lane: record.Plain,
		Account: o.Account, Digest: s.Digest(), ChunkSize: in.chunks.of(o.Kind), Jobs: s.Len(), Labels: o.Labels, Charge: o.Charge,
	}
	most := n.ChunkSize
	if o.Kind.OfPeople() { // each of them is a call, in chunks of any size
		most = max(most, fewPeople)
	}
	if s.Len() > most {
		n.Lane = record.Bulk // it fills calls by itself, and must not stand before those that do not
	}
	return n, nil
}

// fewPeople is how many people an order may have that does not stand behind small ones.
const fewPeople = 50

// Plan says what a registration order would do, before it does.
type Plan struct {
	Total      int
	New        int // would be sent to the registrar, if WHOIS calls them available
	Registered int // registered by an earlier order already
	Live       int // in progress in another order
	// Claimed holds the first of the domains that are not new, at most maxClaimed.
	Claimed []orders.Claimant
}

const (
	maxClaimed = 20
	planBatch  = 5000
)

// Plan compares spooled registrations with what is registered or in progress. Jobs of the order itself, taken in
// before, count as claimed like any other.
func (in *Intake) Plan(ctx context.Context, s *Spool) (Plan, error) {
	p, _, err := in.PlanToBuy(ctx, s)
	return p, err
}

// PlanToBuy is Plan, and says what the new domains are.
func (in *Intake) PlanToBuy(ctx context.Context, s *Spool) (Plan, Bought, error) {
	p := Plan{Total: s.Len()}
	batch, domains := make([]entry, 0, planBatch), make([]string, 0, planBatch)
	buying := newBuying()
	look := func() error {
		claimed, err := in.store.Claimants(ctx, domains)
		if err != nil {
			return err
		}
		others := make(map[string]bool, len(claimed))
		for _, c := range claimed {
			others[c.Domain] = true
			if c.Registered {
				p.Registered++
			} else {
				p.Live++
			}
			if len(p.Claimed) < maxClaimed {
				p.Claimed = append(p.Claimed, c)
			}
		}
		for _, e := range batch {
			if !others[e.Domain] {
				buying.add(e)
			}
		}
		batch, domains = batch[:0], domains[:0]
		return nil
	}
	for e, err := range s.entries() {
		if err != nil {
			return p, Bought{}, err
		}
		batch = append(batch, e)
		if domains = append(domains, e.Domain); len(domains) == planBatch {
			if err := look(); err != nil {
				return p, Bought{}, err
			}
		}
	}
	if err := look(); err != nil {
		return p, Bought{}, err
	}
	p.New = p.Total - p.Registered - p.Live
	return p, buying.result(), nil
}
