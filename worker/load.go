package worker

import "time"

// lotLoad is how much of a pipeline is in use.
type lotLoad struct {
	slots   int           // calls in flight at most
	busy    int           // calls in flight
	waiting int           // jobs that wait in line, and batches at the gate
	waited  time.Duration // how long the first of them has
}

// load is how much of the pipeline is in use now.
func (p *pipeline) load() lotLoad {
	at := p.standing.gate.Load(p.class())
	l := lotLoad{slots: at.Slots, busy: at.Busy}
	l.waiting, l.waited = p.batches.line()
	if at.Waiting > 0 {
		l.waiting += at.Waiting
		l.waited = max(l.waited, p.options.Clock().Sub(at.Since))
	}
	return l
}
