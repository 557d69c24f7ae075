package pgserver

import (
	"errors"
	"fmt"
	"strings"
	"sync"
)

// tailSize bounds how much of a log is kept to explain a failure.
const tailSize = 8 << 10

// tail keeps the last bytes written to it.
type tail struct {
	mu    sync.Mutex
	bytes []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bytes = append(t.bytes, p...)
	if excess := len(t.bytes) - tailSize; excess > 0 {
		t.bytes = append(t.bytes[:0], t.bytes[excess:]...)
	}
	return len(p), nil
}

// explain turns the log of a failed start into an error.
func (t *tail) explain() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return explain(string(t.bytes))
}

// explain picks the lines that say what went wrong, or the last ones, and knows what can be tried again. Postgres
// speaks English here because it runs with LC_ALL=C.
func explain(log string) error {
	var telling, all []string
	for line := range strings.Lines(strings.ToValidUTF8(log, "?")) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		all = append(all, line)
		for _, mark := range []string{"FATAL:", "PANIC:", "ERROR:", "HINT:", " error: ", " hint: ", "could not"} {
			if strings.Contains(line, mark) {
				telling = append(telling, line)
				break
			}
		}
	}
	if len(telling) == 0 {
		telling = all[max(0, len(all)-5):]
	}
	if len(telling) == 0 {
		return errors.New("it ended without a word")
	}
	words := strings.Join(telling, "; ")
	switch {
	case strings.Contains(log, "Address already in use"):
		return fmt.Errorf("%w: %s", errPortTaken, words)
	case strings.Contains(log, `lock file "postmaster.pid" already exists`),
		strings.Contains(log, "pre-existing shared memory block"):
		return fmt.Errorf("%w: %s", errStillRunning, words)
	}
	return errors.New(words)
}
