package worker

import (
	"context"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker/gate"
)

// work is how jobs of one kind are carried out. Each kind has it in a file of its own.
type work struct {
	tuning  func(Options) Tuning
	class   gate.Class                                           // the line that its own calls wait in
	served  func(Account) bool                                   // whether an account has what it takes
	runners func(Options) int                                    // batches that may be under way
	window  int                                                  // tasks that wait in Redis for each call slot, in each lane; 0: the usual
	process func(p *pipeline) func(ctx context.Context, b batch) // carries out one claimed batch
}

// workOf is that of a kind; false: there is no such kind.
func workOf(kind queue.Kind) (work, bool) {
	switch kind {
	case queue.Whois:
		return whoisWork(), true
	case queue.Register:
		return registerWork(), true
	case queue.Token:
		return tokenWork(), true
	}
	return work{}, false
}

// kindsOf are those of the worker's kinds that an account serves.
func (o Options) kindsOf(a Account) []queue.Kind {
	var kinds []queue.Kind
	for _, kind := range o.Kinds {
		if w, known := workOf(kind); known && w.served(a) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// callsRegistrar reports whether an account has a registrar.
func callsRegistrar(a Account) bool { return a.Tokens == nil }

// batchesFor is how many batches of bulk calls may be under way: those in a call, and as many again that talk to Postgres.
func batchesFor(t Tuning) int { return 2*t.Concurrency + 2 }
