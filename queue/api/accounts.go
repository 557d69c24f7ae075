package api

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/bulkreg/bulkreg/store/fleet"
)

// accounts are those that somebody could carry an order out with.
type accounts struct {
	fleet    *fleet.Fleet
	settings []string // of this server
	clock    func() time.Time

	mu    sync.Mutex
	known []string
	read  time.Time
}

// accountsFor is how long an account that was known counts as known. One that is not is always looked up.
const accountsFor = 10 * time.Second

// has reports whether a worker has or had an account, or the settings name it. Where there is none at all, the default one is taken to
// be on its way.
func (a *accounts) has(ctx context.Context, name string) (bool, error) {
	now := a.clock()
	a.mu.Lock()
	known, fresh := a.known, now.Sub(a.read) < accountsFor
	a.mu.Unlock()
	if fresh && slices.Contains(known, name) {
		return true, nil
	}
	known, err := a.fleet.Accounts(ctx)
	if err != nil {
		return false, err
	}
	known = append(known, a.settings...)
	if len(known) == 0 {
		known = []string{defaultAccount}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known, a.read = known, now
	return slices.Contains(known, name), nil
}
