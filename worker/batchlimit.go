package worker

import "sync"

// batchLimit finds out how many jobs the upstream takes in one call, which is not documented. A batch that was refused whole,
// although all its parts went through, may have been too large, or the upstream may have been in a mood: only the
// second one in a row, with no batch of that size going through in between, proves it. What was found may change: after many
// full batches a larger one is tried, up to what the settings allow.
type batchLimit struct {
	mu      sync.Mutex
	most    int // by the settings
	size    int // of batches now
	suspect int // the size that was refused; 0: none
	full    int // batches of the size that went through in a row
	after   int // how many of them it takes until a larger one is tried
}

// growAfter is how many full batches in a row must go through until a larger one is tried: twice as many each time that
// this was in vain, up to growAtLast.
const (
	growAfter  = 100
	growAtLast = 10_000
)

func newBatchLimit(most int) *batchLimit {
	return &batchLimit{most: most, size: most, after: growAfter}
}

// took notes that a batch of n went through whole. It returns the size for batches from now on, and whether that changed.
func (l *batchLimit) took(n int) (size int, changed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n >= l.suspect {
		l.suspect = 0
	}
	if n < l.size || l.size == l.most {
		return l.size, false
	}
	if l.full++; l.full < l.after {
		return l.size, false
	}
	l.size, l.full = min(2*l.size, l.most), 0
	return l.size, true
}

// refused notes that a batch of n was refused whole although its parts went through, of up to taken jobs. It returns the size
// for batches from now on, and whether a limit was proven.
func (l *batchLimit) refused(n, taken int) (size int, proven bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.full = 0
	if l.suspect == 0 {
		l.suspect = n
		return l.size, false
	}
	if l.size < l.most {
		l.after = min(2*l.after, growAtLast)
	}
	l.suspect, l.size = 0, min(l.size, taken)
	return l.size, true
}
