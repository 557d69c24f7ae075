package worker

import (
	"context"

	"github.com/rs/zerolog"

	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/worker/upstream"
)

// logCall tells the log of a call that was made, in one line however many jobs it was for. The upstream's words are not for the log:
// they are with the call in Postgres.
func (p *pipeline) logCall(ctx context.Context, b batch, op record.Op, call uuid.UUID, a upstream.Answer, err error) {
	line := b.about(traced(ctx, p.log.Info())).Str("op", string(op)).Stringer("call", call).Stringer("claim", b.claim).
		Int("status", a.Status).Dur("took_ms", a.Duration)
	if err != nil {
		line = line.Str("why", whyFailed(a.Status, err))
	}
	line.Msg("called the upstream")
}

// about says whom a line is about: the order where there is only one, the job where there is only one, and how many there are. The
// attempt is the latest that any of them is at.
func (b batch) about(line *zerolog.Event) *zerolog.Event {
	orders, attempt := map[int64]bool{}, 0
	for _, j := range b.jobs {
		orders[j.OrderID] = true
		attempt = max(attempt, j.Attempts)
	}
	if len(b.jobs) == 1 {
		line = line.Stringer("job", b.jobs[0].ID)
	}
	if len(orders) == 1 {
		if of, known := b.orders[b.jobs[0].OrderID]; known {
			line = line.Str("source", of.Source).Str("order", of.Reference)
		}
	}
	return line.Int("orders", len(orders)).Int("jobs", len(b.jobs)).Int("attempt", attempt)
}

// ordersOf are the orders of claimed jobs, as their deliveries name them.
func (b batch) ordersOf(delivered []record.DeliveredJob) map[int64]record.Origin {
	of := make(map[uuid.UUID]record.Origin, len(delivered))
	for _, d := range delivered {
		of[d.ID] = d.Of
	}
	orders := map[int64]record.Origin{}
	for _, j := range b.jobs {
		if o := of[j.ID]; o.Reference != "" {
			orders[j.OrderID] = o
		}
	}
	return orders
}
