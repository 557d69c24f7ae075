package api_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/bulkreg/bulkreg/queue/api"
	"github.com/bulkreg/bulkreg/store/orders"
)

// interrupted are keys whose first charge is kept waiting.
type interrupted struct {
	api.Keys

	meanwhile func()
}

func (k interrupted) Charge(ctx context.Context, c api.Caller, jobs int, register bool) (orders.Charge, error) {
	k.meanwhile()
	return k.Keys.Charge(ctx, c, jobs, register)
}

// An order that was stored, and booked, between two looks at it is there: what is used up of the day is used up by itself.
func TestRepeatsOfAnOrderThatUsesUpTheDay(t *testing.T) {
	t.Parallel()
	const order = `{"reference": "day", "kind": "register", "holder_id": "H-1", "jobs": ["a.nl", "b.nl", "c.nl"]}`
	var d *door
	var done atomic.Bool
	d = setup(t, func(o *api.Options) {
		o.Keys = interrupted{o.Keys, func() {
			if !done.Swap(true) {
				d.as("daily").post("/v1/orders", order).want(http.StatusAccepted)
			}
		}}
	})
	d.as("daily").post("/v1/orders", order).want(http.StatusOK)
	d.as("daily").post("/v1/orders", `{"reference": "more", "kind": "register", "holder_id": "H-1", "jobs": ["d.nl"]}`).want(http.StatusTooManyRequests).problem("daily-limit-reached")
}
