package api

import (
	"context"
	"errors"

	"github.com/bulkreg/bulkreg/store/keys"
	"github.com/bulkreg/bulkreg/store/record"
)

// charge notes with an order what it costs its key, or refuses it. Where the day is used up it looks for the order once more: somebody
// may have stored this very one meanwhile, and what is used up be so by it.
func (a *API) charge(ctx context.Context, in *incoming) (existing record.Order, found bool, err error) {
	if in.order.Charge, err = a.options.Keys.Charge(ctx, callerOf(ctx), in.spool.Len(), in.registers()); err == nil {
		return existing, false, nil
	}
	existing, found, again := a.options.Intake.Find(ctx, in.order, in.spool)
	switch {
	case again != nil:
		return existing, false, submitProblem(again, in)
	case found:
		return existing, true, nil
	}
	return existing, false, limitProblem(err)
}

// limitProblem is why a key may not order that much.
func limitProblem(err error) error {
	var daily *keys.LimitError
	if !errors.As(err, &daily) {
		return err
	}
	if daily.Never() { // no day brings it: whoever waited would wait for ever
		return kindLimit.problem("%s. Nothing was stored.", upperFirst(daily.Error()))
	}
	p := kindDailyLimit.problem("%s. Nothing was stored.", upperFirst(daily.Error()))
	p.retryAfter = daily.Until
	return p
}
