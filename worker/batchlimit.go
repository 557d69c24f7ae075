package worker

import "sync"

// batchLimit finds out how many jobs the upstream takes in one call, which is not documented. A batch that was refused whole,
// although all its parts went through, may have been too large, or the upstream may have been in a mood: only the
// second one in a row, with no batch of that size going through in between, proves it.
type batchLimit struct {
	mu      sync.Mutex
	suspect int // the size that was refused; 0: none
}

// took notes that a batch of n went through whole.
func (l *batchLimit) took(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n >= l.suspect {
		l.suspect = 0
	}
}

// refused notes that a batch of n was refused whole although its parts went through, and says whether that proves a limit.
func (l *batchLimit) refused(n int) (proven bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	proven = l.suspect != 0
	l.suspect = n
	if proven {
		l.suspect = 0
	}
	return proven
}
