package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

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
	if p.New > 0 {
		client, err := newClient(r.cfg, r.accountSettings, r.cfg.WhoisConcurrency)
		if err != nil {
			return err
		}
		defer client.Close()
		c := checks{upstream: client, batch: r.cfg.WhoisBatchSize, calls: r.cfg.WhoisConcurrency, notes: r.stderr, account: p.account}
		if err := c.run(ctx, freshDomains(ctx, in.store, in.spool)); err != nil {
			return refused(ctx, err)
		}
		result.Barred, result.BarredBy = c.barred, c.barredBy
		result.Available, result.Taken, result.Unknown = c.found[registrar.Available], c.found[registrar.Taken], c.found[registrar.Unknown]
	}
	if err := r.printRehearsal(result); err != nil {
		return err
	}
	if result.Unknown > 0 {
		return fmt.Errorf("WHOIS gave no answer about %s of %s: try again before you order them",
			thousands(result.Unknown), counted(result.New, "new domain", "new domains"))
	}
	return nil
}

func (r *registering) printRehearsal(result rehearsal) error {
	fmt.Fprintln(r.stderr, "This was a dry run: nothing was stored.")
	if r.out.json() {
		return printJSON(r.stdout, result)
	}
	t := newTable(r.stdout)
	t.row("New", thousands(result.New))
	t.row("Available", thousands(result.Available))
	t.row("Taken", thousands(result.Taken))
	t.row("Unknown", thousands(result.Unknown))
	for _, words := range slices.Sorted(maps.Keys(result.BarredBy)) {
		remedy := "not sent unless --allow-status " + shellWord(words)
		if words == otherWords {
			remedy = "not sent: WHOIS says other words of them"
		}
		t.row("Barred", thousands(result.BarredBy[words]), words+": "+remedy)
	}
	return t.end()
}

// freshDomains yields the domains of an order that no other job has.
func freshDomains(ctx context.Context, st *store.Store, spool *intake.Spool) iter.Seq2[intake.Wanted, error] {
	const batch = 5000
	return func(yield func(intake.Wanted, error) bool) {
		for wanted, err := range batches(spool.Wanted(), batch) {
			var claimed []store.Claimant
			if err == nil {
				claimed, err = st.Claimants(ctx, domainsOf(wanted))
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

// run checks all domains. It fails when ctx ends or the domains cannot be read.
func (c *checks) run(ctx context.Context, all iter.Seq2[intake.Wanted, error]) error {
	c.found, c.barredBy = map[registrar.Availability]int{}, map[string]int{}
	var group errgroup.Group
	group.SetLimit(c.calls)
	err := func() error {
		for batch, err := range batches(all, c.batch) {
			if err != nil {
				return err
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			group.Go(func() error {
				reply, err := c.upstream.CheckBulk(ctx, domainsOf(batch))
				c.take(batch, reply, err)
				return ctx.Err()
			})
		}
		return nil
	}()
	if failed := group.Wait(); err == nil {
		err = failed
	}
	if more := c.failed - shownFailures; err == nil && more > 0 {
		fmt.Fprintf(c.notes, "... and %s that failed\n", counted(more, "more WHOIS call", "more WHOIS calls"))
	}
	return err
}

// take counts what a call brought.
func (c *checks) take(asked []intake.Wanted, reply registrar.CheckReply, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.found[registrar.Unknown] += len(asked)
		if c.failed++; c.failed <= shownFailures {
			fmt.Fprintf(c.notes, "WHOIS call for %s: %v\n", counted(len(asked), "domain", "domains"), withRemedy(err, c.account))
		}
		return
	}
	names := make([]domainname.Name, len(asked))
	for i, w := range asked {
		names[i] = domainname.Name{ASCII: w.Domain, Unicode: w.Domain}
	}
	for i, answer := range matchChecks(names, reply.Checks) {
		c.found[answer.Availability]++
		c.bar(registrar.Check{Availability: answer.Availability, Status: answer.Status}, asked[i].AllowStatus)
	}
}

// bar counts a domain that would not be sent.
func (c *checks) bar(check registrar.Check, allowed []string) {
	if _, barred := registrar.Barred(check, allowed); !barred {
		return
	}
	words := strings.Join(check.Bars(), ",")
	if _, known := c.barredBy[words]; !known && len(c.barredBy) >= maxBarredBy {
		words = otherWords
	}
	c.barred++
	c.barredBy[words]++
}
