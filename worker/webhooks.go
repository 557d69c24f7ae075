package worker

import (
	"cmp"
	"context"

	"github.com/bulkreg/bulkreg/worker/webhook"
)

// newDeliverer makes what sends webhooks. Every worker has one, whatever it works on.
func newDeliverer(o Options) *webhook.Deliverer {
	log := o.Log.With().Str("role", "webhooks").Logger()
	down := outage{log: log, what: "sending webhooks", troubles: o.troubles}
	return webhook.New(webhook.Options{
		Store: o.Store.Webhooks, Seal: o.Seal, Allowed: o.Networks, Agent: "bulkreg/" + cmp.Or(o.Version, "dev"), Jitter: o.Luck, Clock: o.Clock, Log: log, Meter: o.Measures.Hooks,
		Troubled: func(err error) { down.note(context.Background(), err) },
	})
}
