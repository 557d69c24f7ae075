// Package orderlog tells the log how orders fare as a whole, whichever way they came in.
//
// Whoever keeps the books does so: a worker or the HTTP API, one of all at a time, so that each is told once.
package orderlog

import (
	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/queue/tracing"
	"github.com/bulkreg/bulkreg/store/events"
)

// Tell writes a line for each event of an order: that it was accepted, is completed, or needs a person.
func Tell(log zerolog.Logger, told []events.OrderEvent) {
	for _, e := range told {
		line, words := log.Info(), ""
		switch e.Type {
		case events.OrderAccepted:
			words = "order accepted"
		case events.OrderCompleted:
			words = "order completed"
		case events.OrderNeedsAttention:
			line, words = log.Warn(), "order needs a person"
		default:
			continue
		}
		if id := tracing.IDOf(e.Trace); id != "" {
			line = line.Str("trace", id)
		}
		line.Str("source", e.Source).Str("order", e.Reference).Str("kind", string(e.Kind)).Str("account", e.Account).Int("jobs", e.Total).Msg(words)
	}
}
