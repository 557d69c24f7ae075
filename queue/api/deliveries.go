package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/bulkreg/bulkreg/queue/api/view"
	"github.com/bulkreg/bulkreg/queue/apikey"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/webhooks"
)

type deliveriesInput struct {
	WebhookPath
	Page

	State   webhooks.State `query:"state" enum:"waiting,delivered,failed" doc:"Only deliveries in this state"`
	Skipped bool           `query:"skipped" doc:"Only those that later ones of their order do not wait for"`
}

type deliveriesOutput struct {
	Body struct {
		Deliveries []view.Delivery `json:"deliveries" doc:"The newest first"`
		NextCursor string          `json:"next_cursor,omitempty" doc:"Give it as cursor to read on; left out on the last page"`
	}
}

// DeliveryPath names a delivery of a webhook.
type DeliveryPath struct {
	WebhookPath

	Delivery string `path:"delivery" maxLength:"20" doc:"As delivery_id has it"`
}

type deliveryOutput struct {
	Body struct {
		view.Delivery

		Tries []view.Attempt `json:"tries" doc:"Every attempt, the oldest first"`
	}
}

type sendOutput struct {
	Body struct {
		DeliveryID string `json:"delivery_id" doc:"What becomes of it is at /v1/webhooks/{id}/deliveries/{delivery}"`
	}
}

func (a *API) registerDeliveries() {
	add(a, operation("list-deliveries", http.MethodGet, "/v1/webhooks/{id}/deliveries", tagWebhooks, "What was sent to a webhook, and what came of it",
		"Deliveries are kept for 30 days after they ended.", apikey.Read), a.listDeliveries)
	add(a, operation("get-delivery", http.MethodGet, "/v1/webhooks/{id}/deliveries/{delivery}", tagWebhooks, "One delivery, with every attempt", "",
		apikey.Read), a.getDelivery)
	op := operation("test-webhook", http.MethodPost, "/v1/webhooks/{id}/test", tagWebhooks, "Send a message to try a webhook",
		"Sends one message of the type `webhook.test`, once, also where the webhook is disabled.", apikey.Operate)
	op.DefaultStatus = http.StatusAccepted
	add(a, op, a.testWebhook)
	op = operation("replay-delivery", http.MethodPost, "/v1/webhooks/{id}/deliveries/{delivery}/replay", tagWebhooks, "Send a delivery again",
		"Sends it again whatever came of it, with the same webhook-id.", apikey.Operate)
	op.DefaultStatus = http.StatusAccepted
	add(a, op, a.replayDelivery)
}

func (a *API) listDeliveries(ctx context.Context, in *deliveriesInput) (*deliveriesOutput, error) {
	e, err := a.webhook(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	before, err := in.after()
	if err != nil {
		return nil, err
	}
	list, err := a.options.Store.Webhooks.Deliveries(ctx, webhooks.DeliveryFilter{
		Endpoint: e.ID, State: in.State, Skipped: in.Skipped, Before: before, Limit: in.limit() + 1,
	})
	if err != nil {
		return nil, err
	}
	var out deliveriesOutput
	out.Body.Deliveries = []view.Delivery{}
	for i, d := range list {
		if i == in.limit() {
			out.Body.NextCursor = strconv.FormatInt(list[i-1].ID, 10)
			break
		}
		out.Body.Deliveries = append(out.Body.Deliveries, view.DeliveryOf(d))
	}
	return &out, nil
}

// delivery finds one of a webhook of the caller's.
func (a *API) delivery(ctx context.Context, in *DeliveryPath) (webhooks.Delivery, error) {
	e, err := a.webhook(ctx, in.ID)
	if err != nil {
		return webhooks.Delivery{}, err
	}
	id, err := strconv.ParseInt(in.Delivery, 10, 64)
	if err != nil {
		return webhooks.Delivery{}, pg.ErrNotFound
	}
	return a.options.Store.Webhooks.Delivery(ctx, e.ID, id)
}

func (a *API) getDelivery(ctx context.Context, in *DeliveryPath) (*deliveryOutput, error) {
	d, err := a.delivery(ctx, in)
	if err != nil {
		return nil, err
	}
	attempts, err := a.options.Store.Webhooks.Attempts(ctx, d.ID)
	if err != nil {
		return nil, err
	}
	var out deliveryOutput
	out.Body.Delivery, out.Body.Tries = view.DeliveryOf(d), make([]view.Attempt, len(attempts))
	for i, one := range attempts {
		out.Body.Tries[i] = view.AttemptOf(one)
	}
	return &out, nil
}

func (a *API) testWebhook(ctx context.Context, in *WebhookPath) (*sendOutput, error) {
	e, err := a.webhook(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	id, err := a.options.Store.Webhooks.Test(ctx, e.ID)
	if err != nil {
		return nil, err
	}
	var out sendOutput
	out.Body.DeliveryID = strconv.FormatInt(id, 10)
	return &out, nil
}

func (a *API) replayDelivery(ctx context.Context, in *DeliveryPath) (*sendOutput, error) {
	d, err := a.delivery(ctx, in)
	if err != nil {
		return nil, err
	}
	var out sendOutput
	out.Body.DeliveryID = strconv.FormatInt(d.ID, 10)
	return &out, a.options.Store.Webhooks.Replay(ctx, d.Endpoint, d.ID)
}
