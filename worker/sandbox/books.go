package sandbox

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// books are what the sandbox knows: its record of calls, who holds which domain, holders and balances. One mutex
// guards them and is held for the work of one call, never while waiting.
type books struct {
	clock  func() time.Time
	counts bool // keep no WHOIS calls

	mu         sync.Mutex
	seq        int
	calls      []*Call
	byOp       map[Op]int
	batchSizes map[Op]map[int]int
	registered map[string]time.Time // domain: when it was last paid for
	taken      map[string]struct{}  // by somebody else
	flaked     map[string]struct{}  // flaky domains and addresses that had their failure
	accounts   map[string]Account
	holders    map[string]*heldHolder // by id
	holderIDs  []string               // in order of creation
	created    []HolderCreated
	tokens     map[string]int
	issued     []TokenIssued
	later      int         // accepted items whose effect is to come
	file       *ledgerFile // nil without a path
}

var errUnknownAccount = errors.New("no such account")

// openBooks makes the books of a new sandbox and takes in what the ledger file holds of an earlier one.
func openBooks(o Options) (*books, error) {
	b := &books{
		clock: o.Clock, counts: o.LedgerCounts,
		byOp:       map[Op]int{},
		batchSizes: map[Op]map[int]int{OpWhois: {}, OpRegister: {}},
		registered: map[string]time.Time{},
		taken:      map[string]struct{}{},
		flaked:     map[string]struct{}{},
		accounts:   maps.Clone(o.Accounts),
		holders:    map[string]*heldHolder{},
		tokens:     map[string]int{},
	}
	for _, h := range o.Holders {
		b.putHolder("", h)
	}
	b.take(o.Taken)
	if o.LedgerPath == "" {
		return b, nil
	}
	file, err := openLedgerFile(o.LedgerPath, b.replayer())
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	b.file = file
	return b, nil
}

func (b *books) close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.file.close()
}

// arrive puts a received request on record.
func (b *books) arrive(op Op, route, account string, items []Item) (*Call, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := &Call{Seq: b.seq + 1, Op: op, Route: route, Account: account, At: b.clock(), Items: items}
	if op == OpRegister {
		for i := range items {
			_, items[i].Resent = b.registered[items[i].Domain]
		}
	}
	if b.keeps(op) {
		if err := b.file.write(event{Event: eventCall, Call: c}); err != nil {
			return nil, err
		}
	}
	b.enter(c)
	return c, nil
}

func (b *books) keeps(op Op) bool { return op != OpWhois || !b.counts }

// enter adds a call, received now or read from the file.
func (b *books) enter(c *Call) {
	b.seq = c.Seq
	b.byOp[c.Op]++
	if sizes := b.batchSizes[c.Op]; sizes != nil {
		sizes[len(c.Items)]++
	}
	if b.keeps(c.Op) {
		b.calls = append(b.calls, c)
	}
}

// answered puts on record what a call was answered with, before the answer leaves.
func (b *books) answered(c *Call, status int, fault string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	c.Status, c.Fault = status, fault
	if !b.keeps(c.Op) {
		return nil
	}
	return b.file.write(event{Event: eventAnswer, Seq: c.Seq, Status: status, Fault: fault})
}

// other counts a request that is none of the contract's.
func (b *books) other() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.byOp[OpOther]++
}

func (b *books) take(domains []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range domains {
		name, _ := canonical(d)
		b.taken[name] = struct{}{}
	}
}

func (b *books) snapshot() *Ledger {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := &Ledger{
		Calls:      make([]Call, len(b.calls)),
		Counts:     maps.Clone(b.byOp),
		BatchSizes: map[Op]map[int]int{},
		Holders:    slices.Clone(b.created),
		Tokens:     maps.Clone(b.tokens),
		Issued:     slices.Clone(b.issued),
		Balances:   map[string]int{},
		Later:      b.later,
	}
	for i, c := range b.calls {
		l.Calls[i] = *c
		l.Calls[i].Items = slices.Clone(c.Items)
	}
	for op, sizes := range b.batchSizes {
		l.BatchSizes[op] = maps.Clone(sizes)
	}
	for id, a := range b.accounts {
		l.Balances[id] = a.Balance
	}
	return l
}

func (b *books) balance(account string) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a, ok := b.accounts[account]
	if !ok {
		return 0, fmt.Errorf("read balance of %q: %w", account, errUnknownAccount)
	}
	return a.Balance, nil
}

func (b *books) setBalance(account string, n int) error {
	return b.setAccount(account, func(a *Account) { a.Balance = n })
}

func (b *books) setDirectDebit(account string, on bool) error {
	return b.setAccount(account, func(a *Account) { a.DirectDebit = on })
}

func (b *books) setAccount(id string, change func(*Account)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	a, ok := b.accounts[id]
	if !ok {
		return fmt.Errorf("change account %q: %w", id, errUnknownAccount)
	}
	change(&a)
	if err := b.file.write(event{Event: eventAccount, Account: id, Balance: a.Balance, DirectDebit: a.DirectDebit}); err != nil {
		return err
	}
	b.accounts[id] = a
	return nil
}
