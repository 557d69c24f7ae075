package api

import "sync"

// underWay counts the requests that are being served, by source, so that no source takes the connections of all others.
type underWay struct {
	most int // of one source

	mu     sync.Mutex
	counts map[string]int
}

// defaultAtOnce is a third of the connections that the door holds.
const defaultAtOnce = connectionsAtOnce / 3

func newUnderWay(most int) *underWay { return &underWay{most: most, counts: map[string]int{}} }

// begin counts a request of a source, until end is called. It returns false where there are as many as there may be.
func (u *underWay) begin(source string) (end func(), ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.counts[source] >= u.most {
		return nil, false
	}
	u.counts[source]++
	return func() { u.end(source) }, true
}

func (u *underWay) end(source string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.counts[source]--; u.counts[source] == 0 {
		delete(u.counts, source)
	}
}
