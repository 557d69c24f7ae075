package worker

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/rs/zerolog"
)

// outage logs the beginning and the end of a time in which something fails, not each failure.
type outage struct {
	log      zerolog.Logger
	what     string    // what fails; several outages may share it
	troubles *troubles // told of both as well; nil: only the log is
	down     bool
}

func (o *outage) note(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil:
	case err != nil && !o.down:
		o.down = true
		o.log.Error().Err(err).Msg(o.what + " fails; trying again until it works")
		o.troubles.begin(o.what, err)
	case err == nil && o.down:
		o.down = false
		o.log.Info().Msg(o.what + " works again")
		o.troubles.end(o.what)
	}
}

// troubles is what fails in a worker now. It is safe for concurrent use; nil keeps nothing.
type troubles struct {
	told func(what string, err error) // nil: nobody is
	mu   sync.Mutex
	now  map[string]trouble
}

// trouble is one thing that fails.
type trouble struct {
	outages int   // that share its name
	err     error // the first one's
}

func newTroubles(told func(what string, err error)) *troubles {
	return &troubles{told: told, now: map[string]trouble{}}
}

func (t *troubles) begin(what string, err error) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	found := t.now[what]
	found.outages++
	if found.outages == 1 {
		found.err = err
		t.tell(what, err)
	}
	t.now[what] = found
}

func (t *troubles) end(what string) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	found := t.now[what]
	if found.outages--; found.outages > 0 {
		t.now[what] = found
		return
	}
	delete(t.now, what)
	t.tell(what, nil)
}

func (t *troubles) tell(what string, err error) {
	if t.told != nil {
		t.told(what, err)
	}
}

// words says in one line what fails and why; "" if nothing does.
func (t *troubles) words() string {
	if t == nil {
		return ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var parts []string
	for what, found := range t.now {
		parts = append(parts, what+" fails: "+found.err.Error())
	}
	slices.Sort(parts)
	return strings.Join(parts, "; ")
}
