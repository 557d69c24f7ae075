package worker

import (
	"context"
	"fmt"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/ledger"
)

// holdForDay makes jobs wait that an intent did not take because the day's registrations are used up. The hold is laid before, so
// that no job waits for one that is not there; where something was given back meanwhile there is none, and they go again at once.
func (p *pipeline) holdForDay(ctx context.Context, b batch, over []ledger.ClaimedJob) {
	if len(over) == 0 {
		return
	}
	words := fmt.Sprintf("the daily limit of the account is reached: %d registrations (UTC)", p.options.DailyLimit)
	p.settle(ctx, batch{claim: b.claim}, func(ctx context.Context) (int, error) {
		laid, err := p.options.Store.Holds.HoldForDay(ctx, p.account, p.options.DailyLimit, words)
		if laid {
			p.log.Warn().Str("reason", string(holds.DailyLimit)).Int("limit", p.options.DailyLimit).
				Msg("the account has used up its registrations of this day: the others wait for the next one")
		}
		return 0, err
	})
	p.holdWith(ctx, b.of(over), words)
}

// liftForDay ends the hold of a daily limit that is over, or that is none under this worker's limit.
func (p *prober) liftForDay(ctx context.Context) error {
	lifting, cancel := context.WithTimeout(ctx, databaseTime)
	defer cancel()
	lifted, err := p.store.Holds.LiftForDay(lifting, p.account, p.dailyLimit)
	if lifted {
		p.log.Info().Str("reason", string(holds.DailyLimit)).Msg("there are registrations left for today: hold lifted")
	}
	return err
}
