package operator

import (
	"context"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/record"
)

// cancelWords say why an order is paused that is being canceled.
const cancelWords = "being canceled"

// stopDelivery pauses the orders that a cancel takes more than one page for, so that what is canceled last is not delivered, and
// paid for, meanwhile. It returns those that the cancel has to resume at its end: also one that an earlier cancel was broken off in.
// Whoever paused an order before has it stay paused.
func (s *Operator) stopDelivery(ctx context.Context, r Request) ([]record.Order, error) {
	var stopped []record.Order
	for _, o := range r.Orders {
		if r.Act != Cancel || o.Total <= jobsPerPage {
			continue
		}
		h, placed, err := s.holds.PauseOrder(ctx, o, holds.Pause{By: r.Operator, Words: cancelWords})
		if err != nil {
			return stopped, err
		}
		if placed || h.Words == cancelWords {
			stopped = append(stopped, o)
		}
	}
	return stopped, nil
}

// endCancel clears up behind a cancel whose pages are done.
func (s *Operator) endCancel(ctx context.Context, r Request, stopped []record.Order) error {
	if r.Act != Cancel {
		return nil
	}
	if err := s.dropIdleChunks(ctx, r.Orders); err != nil {
		return err
	}
	for _, o := range stopped {
		if _, _, err := s.holds.ResumeOrder(ctx, o); err != nil {
			return err
		}
	}
	return nil
}
