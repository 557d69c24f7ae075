package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/bulkreg/bulkreg/cmd/bulkreg/term"
	"github.com/bulkreg/bulkreg/store/orders"

	"golang.org/x/sync/errgroup"

	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/queue/intake/domainname"
	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/worker/registrar"
)

// rehearsal is the result of a dry run as programs read it. Its names are part of the interface.
type rehearsal struct {
	Reference  string `json:"reference"`
	Account    string `json:"account"`
	Exists     bool   `json:"exists"` // the same order is there already; nothing was checked
	Total      int    `json:"total"`
	New        int    `json:"new"`
	Registered int    `json:"registered"`
	InProgress int    `json:"in_progress"`
	Invalid    int    `json:"invalid"`
	Duplicates int    `json:"duplicates"`
	Available  int    `json:"available"` // of the new ones, by WHOIS
	Taken      int    `json:"taken"`
	Unknown    int    `json:"unknown"`

	// Barred are those of the available ones that would not be sent, because of what WHOIS says of them besides.
	Barred   int            `json:"barred"`
	BarredBy map[string]int `json:"barred_by,omitempty"` // by the words that bar, separated by commas
}

// rehearse checks by WHOIS what the plan calls new, and prints what it found.
func (r *registering) rehearse(ctx context.Context, in incoming, p plan) error {
	result := rehearsal{
		Reference: p.reference, Account: p.account, Exists: p.exists, Total: p.Total, New: p.New,
		Registered: p.Registered, InProgress: p.Live, Invalid: p.invalid, Duplicates: p.duplicates,
	}
	report, err := r.newFindings()
	if err != nil {
		return err
	}
	found := []foundHolder{}
	if p.New > 0 {
		found, err = r.rehearseNew(ctx, in, report, &result)
	}
	if err := errors.Join(err, report.close()); err != nil {
		return refused(ctx, err)
	}
	fmt.Fprintln(r.stderr, "This was a dry run: nothing was stored.")
	if err := report.end(result, p.bought, found); err != nil {
		return err
	}
	if result.Unknown > 0 {
		return fmt.Errorf("WHOIS gave no answer about %s of %s: try again before you order them",
			term.Thousands(result.Unknown), term.Counted(result.New, "new domain", "new domains"))
	}
	return nil
}

// rehearseNew asks the registrar about the new domains and their holders. What it says of each domain goes to the report.
func (r *registering) rehearseNew(ctx context.Context, in incoming, report *findings, result *rehearsal) ([]foundHolder, error) {
	client, err := newClient(r.cfg, r.accountSettings, r.cfg.WhoisConcurrency)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	c := checks{
		upstream: client, batch: r.cfg.WhoisBatchSize, calls: r.cfg.WhoisConcurrency, notes: r.stderr, account: result.Account,
		tell: report.add,
	}
	if err := c.run(ctx, freshDomains(ctx, in.store, in.spool)); err != nil {
		return nil, err
	}
	result.Barred, result.BarredBy = c.barred, c.barredBy
	result.Available, result.Taken, result.Unknown = c.found[registrar.Available], c.found[registrar.Taken], c.found[registrar.Unknown]
	return lookUpHolders(ctx, client, in.spool.Holders(), r.stderr)
}

func printRehearsal(w io.Writer, result rehearsal) error {
	t := newTable(w)
	t.row("New", term.Thousands(result.New))
	t.row("Available", term.Thousands(result.Available))
	t.row("Taken", term.Thousands(result.Taken))
	t.row("Unknown", term.Thousands(result.Unknown))
	for _, words := range slices.Sorted(maps.Keys(result.BarredBy)) {
		remedy := "not sent unless --allow-status " + shellWord(words)
		if words == otherWords {
			remedy = "not sent: WHOIS says other words of them"
		}
		t.row("Barred", term.Thousands(result.BarredBy[words]), words+": "+remedy)
	}
	return t.end()
}

// freshDomains yields the domains of an order that no other job has.
func freshDomains(ctx context.Context, st *store.Store, spool *intake.Spool) iter.Seq2[intake.Wanted, error] {
	const batch = 5000
	return func(yield func(intake.Wanted, error) bool) {
		for wanted, err := range batches(spool.Wanted(), batch) {
			var claimed []orders.Claimant
			if err == nil {
				claimed, err = st.Orders.Claimants(ctx, domainsOf(wanted))
			}
			if err != nil {
				yield(intake.Wanted{}, err)
				return
			}
			others := make(map[string]bool, len(claimed))
			for _, c := range claimed {
				others[c.Domain] = true
			}
			for _, w := range wanted {
				if !others[w.Domain] && !yield(w, nil) {
					return
				}
			}
		}
	}
}

func domainsOf(wanted []intake.Wanted) []string {
	domains := make([]string, len(wanted))
	for i, w := range wanted {
		domains[i] = w.Domain
	}
	return domains
}

// batches gathers what comes one by one. A batch is the receiver's to keep.
func batches[T any](all iter.Seq2[T, error], size int) iter.Seq2[[]T, error] {
	return func(yield func([]T, error) bool) {
		batch := make([]T, 0, size)
		for one, err := range all {
			if err != nil {
				yield(nil, err)
				return
			}
			if batch = append(batch, one); len(batch) == size {
				if !yield(batch, nil) {
					return
				}
				batch = make([]T, 0, size)
			}
		}
		if len(batch) > 0 {
			yield(batch, nil)
		}
	}
}

// checker is what a dry run asks of the registrar.
type checker interface {
	CheckBulk(ctx context.Context, domains []string, known ...registrar.Holder) (registrar.CheckReply, error)
}

var _ checker = (*registrar.Client)(nil)

// shownFailures is how many failed calls of a dry run are printed.
const shownFailures = 3

// checks are the WHOIS calls of a dry run. A call that fails is not repeated: its domains are unknown.
type checks struct {
	upstream checker
	batch    int // domains in a call
	calls    int // at once
	notes    io.Writer
	account  string
	tell     func([]whoisAnswer) error // what was said of each domain, in the order of the input; nil: nobody asks

	mu       sync.Mutex // guards what follows
	found    map[registrar.Availability]int
	barred   int
	barredBy map[string]int // by the words that bar
	failed   int
}

// maxBarredBy bounds the words that are told apart; the registrar may say something else of each domain.
const maxBarredBy = 20

// otherWords stands for those beyond.
const otherWords = "other words"

// run checks all domains. It fails when ctx ends, the domains cannot be read or what is said cannot be told.
func (c *checks) run(ctx context.Context, all iter.Seq2[intake.Wanted, error]) error {
	c.found, c.barredBy = map[registrar.Availability]int{}, map[string]int{}
	whole := ctx
	ctx, stop := context.WithCancel(whole)
	defer stop()
	// One place for each call under way, in the order of the input. A slow call holds up those after it, and then the calls.
	waiting := make(chan chan []whoisAnswer, c.calls)
	var calls, telling errgroup.Group
	calls.SetLimit(c.calls)
	telling.Go(func() error {
		err := c.tellAll(ctx, waiting)
		if err != nil {
			stop() // nobody would read what further calls bring
		}
		return err
	})
	err := func() error {
		defer close(waiting)
		for batch, err := range batches(all, c.batch) {
			if err != nil {
				return err
			}
			answered := make(chan []whoisAnswer, 1)
			select {
			case waiting <- answered:
			case <-ctx.Done():
				return ctx.Err()
			}
			calls.Go(func() error {
				reply, err := c.upstream.CheckBulk(ctx, domainsOf(batch))
				answered <- c.take(batch, reply, err)
				return whole.Err()
			})
		}
		return nil
	}()
	untold, failed := telling.Wait(), calls.Wait()
	if err = cmp.Or(untold, err, failed); err != nil {
		return err
	}
	if more := c.failed - shownFailures; more > 0 {
		say(c.notes, "... and %s that failed\n", term.Counted(more, "more WHOIS call", "more WHOIS calls"))
	}
	return nil
}

// tellAll tells what calls bring, one after another. It ends when all are told, or telling fails.
func (c *checks) tellAll(ctx context.Context, waiting <-chan chan []whoisAnswer) error {
	for answered := range waiting {
		select {
		case answers := <-answered:
			if c.tell == nil {
				continue
			}
			if err := c.tell(answers); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// take counts what a call brought, and gives it by domain.
func (c *checks) take(asked []intake.Wanted, reply registrar.CheckReply, err error) []whoisAnswer {
	c.mu.Lock()
	defer c.mu.Unlock()
	names := make([]domainname.Name, len(asked))
	for i, w := range asked {
		names[i] = domainname.Name{ASCII: w.Domain, Unicode: w.Domain}
	}
	answers := matchChecks(names, reply.Checks)
	if err != nil {
		c.found[registrar.Unknown] += len(asked)
		if c.failed++; c.failed <= shownFailures {
			say(c.notes, "WHOIS call for %s: %v\n", term.Counted(len(asked), "domain", "domains"), withRemedy(err, c.account))
		}
		for i := range answers {
			answers[i] = whoisAnswer{Domain: answers[i].Domain, Availability: registrar.Unknown, Error: err.Error()}
		}
		return answers
	}
	for i, answer := range answers {
		c.found[answer.Availability]++
		answers[i].Barred = c.bar(registrar.Check{Availability: answer.Availability, Status: answer.Status}, asked[i].AllowStatus)
	}
	return answers
}

// bar reports whether a domain would not be sent, and counts it.
func (c *checks) bar(check registrar.Check, allowed []string) bool {
	if _, barred := registrar.Barred(check, allowed); !barred {
		return false
	}
	words := strings.Join(check.Bars(), ",")
	if _, known := c.barredBy[words]; !known && len(c.barredBy) >= maxBarredBy {
		words = otherWords
	}
	c.barred++
	c.barredBy[words]++
	return true
}
