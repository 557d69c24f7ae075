package worker

import "time"

// lotLoad is how much of a pipeline is in use.
type lotLoad struct {
	slots   int           // calls in flight at most
	busy    int           // calls in flight
	waiting int           // jobs that wait in line
	waited  time.Duration // how long the first of them has
}

// load is how much of the pipeline is in use now.
func (p *pipeline) load() lotLoad {
	l := lotLoad{slots: p.tuning.Concurrency, busy: p.slots.busy()}
	l.waiting, l.waited = p.batches.line()
	return l
}
