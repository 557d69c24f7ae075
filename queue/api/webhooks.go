package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/bulkreg/bulkreg/queue/api/endpoint"
	"github.com/bulkreg/bulkreg/queue/api/view"
	"github.com/bulkreg/bulkreg/queue/apikey"
	"github.com/bulkreg/bulkreg/queue/hook"
	"github.com/bulkreg/bulkreg/store/events"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/seal"
	"github.com/bulkreg/bulkreg/store/webhooks"
)

// WebhookPath names a webhook of the caller's.
type WebhookPath struct {
	ID string `path:"id" maxLength:"64" doc:"As webhook_id has it"`
}

type webhookOutput struct{ Body view.Webhook }

type webhooksOutput struct {
	Body struct {
		Webhooks []view.Webhook `json:"webhooks" doc:"The oldest first"`
	}
}

type addWebhookInput struct {
	Body struct {
		URL   string        `json:"url" minLength:"1" maxLength:"2048" doc:"Where events are posted to; it begins with https://"`
		Types []events.Type `json:"types,omitempty" maxItems:"10" doc:"Only events of these types; without them every one but job.finished, which is then written for the source as well" enum:"order.accepted,order.completed,order.needs_attention,hold.placed,hold.lifted,job.finished,webhook.disabled"`
	}
}

// secretBody is what is shown once.
type secretBody struct {
	ID        string `json:"webhook_id"`
	Secret    string `json:"secret" doc:"With which v1 signatures are verified. It is shown this once: keep it"`
	PublicKey string `json:"public_key" doc:"With which v1a signatures are verified"`
}

type secretOutput struct{ Body secretBody }

func secretOf(id string, s hook.Secret) *secretOutput {
	return &secretOutput{secretBody{id, s.Reveal(), hook.PublicText(s.PublicKey())}}
}

type rotateInput struct {
	WebhookPath

	Body struct {
		OverlapHours *int `json:"overlap_hours,omitempty" minimum:"0" maximum:"720" doc:"How long the secret before signs as well; default 24"`
	}
}

type recoverInput struct {
	WebhookPath

	Body struct {
		Since  time.Time `json:"since" doc:"What happened from then on; at most 30 days ago"`
		DryRun bool      `json:"dry_run,omitempty" doc:"Answers what would be sent, and sends nothing"`
	}
}

type recoverOutput struct {
	Body struct {
		DryRun  bool `json:"dry_run"`
		Again   int  `json:"again" doc:"Deliveries that were refused, skipped or given up"`
		Missed  int  `json:"missed" doc:"Events for which there was none, because the webhook was disabled"`
		Enabled bool `json:"enabled" doc:"It was disabled, and is no more"`
	}
}

func (a *API) registerWebhooks() {
	add(a, operation("list-webhooks", http.MethodGet, "/v1/webhooks", tagWebhooks, "Where the source is told of events", "", apikey.Read), a.listWebhooks)
	op := operation("add-webhook", http.MethodPost, "/v1/webhooks", tagWebhooks, "Be told of events",
		"What happens from now on is posted to the URL, after the Standard Webhooks specification: signed as `v1` and `v1a`, retried over 75 hours, and in "+
			"order within an order. Messages are thin: they say what happened, and this API says how things are. The secret is shown in this answer alone; where it "+
			"was lost, rotate makes another one.", apikey.Operate)
	op.DefaultStatus = http.StatusCreated
	op.Errors = append(op.Errors, http.StatusConflict)
	add(a, op, a.addWebhook)
	add(a, operation("get-webhook", http.MethodGet, "/v1/webhooks/{id}", tagWebhooks, "One webhook, and how it fares", "", apikey.Read), a.getWebhook)
	op = operation("remove-webhook", http.MethodDelete, "/v1/webhooks/{id}", tagWebhooks, "Be told no more",
		"Forgets the webhook and its deliveries. What is under way may still arrive.", apikey.Operate)
	op.DefaultStatus = http.StatusNoContent
	add(a, op, a.removeWebhook)
	add(a, operation("rotate-webhook", http.MethodPost, "/v1/webhooks/{id}/rotate", tagWebhooks, "Give a webhook a new secret",
		"Both secrets sign while they overlap, so that the receiver can be changed meanwhile.", apikey.Operate), a.rotateWebhook)
	add(a, operation("recover-webhook", http.MethodPost, "/v1/webhooks/{id}/recover", tagWebhooks, "Send again what was not taken",
		"Sends what was refused, skipped or given up since a time, and enables the webhook if it was disabled. What was delivered is not sent again.",
		apikey.Operate), a.recoverWebhook)
	a.registerDeliveries()
}

func (a *API) desk() endpoint.Desk {
	return endpoint.Desk{Store: a.options.Store.Webhooks, Seal: a.options.Seal, Own: a.options.OwnNetworks, Random: a.options.Random}
}

// webhook finds one of the caller's.
func (a *API) webhook(ctx context.Context, id string) (webhooks.Endpoint, error) {
	if !hook.IsID(id) {
		return webhooks.Endpoint{}, pg.ErrNotFound
	}
	return a.options.Store.Webhooks.Find(ctx, callerOf(ctx).Source, id)
}

func (a *API) listWebhooks(ctx context.Context, _ *struct{}) (*webhooksOutput, error) {
	list, err := a.options.Store.Webhooks.List(ctx, callerOf(ctx).Source)
	if err != nil {
		return nil, err
	}
	var out webhooksOutput
	out.Body.Webhooks = make([]view.Webhook, len(list))
	for i, e := range list {
		out.Body.Webhooks[i] = view.WebhookOf(e)
	}
	return &out, nil
}

func (a *API) getWebhook(ctx context.Context, in *WebhookPath) (*webhookOutput, error) {
	e, err := a.webhook(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &webhookOutput{view.WebhookOf(e)}, nil
}

func (a *API) addWebhook(ctx context.Context, in *addWebhookInput) (*secretOutput, error) {
	caller := callerOf(ctx)
	made, err := a.desk().Add(ctx, endpoint.New{Source: caller.Source, URL: in.Body.URL, Types: in.Body.Types, By: caller.operator()})
	if err != nil {
		return nil, webhookProblem(err)
	}
	return secretOf(made.ID, made.Secret), nil
}

func (a *API) removeWebhook(ctx context.Context, in *WebhookPath) (*struct{}, error) {
	e, err := a.webhook(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return nil, a.options.Store.Webhooks.Remove(ctx, e.ID)
}

func (a *API) rotateWebhook(ctx context.Context, in *rotateInput) (*secretOutput, error) {
	e, err := a.webhook(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	overlap := endpoint.DefaultOverlap
	if in.Body.OverlapHours != nil {
		overlap = time.Duration(*in.Body.OverlapHours) * time.Hour
	}
	secret, err := a.desk().Rotate(ctx, e, overlap)
	if err != nil {
		return nil, webhookProblem(err)
	}
	return secretOf(e.ID, secret), nil
}

func (a *API) recoverWebhook(ctx context.Context, in *recoverInput) (*recoverOutput, error) {
	e, err := a.webhook(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	found, err := a.desk().Recover(ctx, e.ID, in.Body.Since, a.options.Clock(), in.Body.DryRun)
	if err != nil {
		return nil, webhookProblem(err)
	}
	var out recoverOutput
	out.Body.DryRun, out.Body.Again, out.Body.Missed, out.Body.Enabled = in.Body.DryRun, found.Again, found.Missed, found.Enabled
	return &out, nil
}

// webhookProblem says what cannot be done with a webhook.
func webhookProblem(err error) error {
	var (
		input  *endpoint.InputError
		exists *webhooks.ExistsError
	)
	switch {
	case errors.As(err, &input):
		p := kindInvalid.problem("The webhook cannot be used so.")
		p.add(Fault{Location: "body." + input.Field, Message: input.Error()})
		return p
	case errors.As(err, &exists):
		return kindWebhookExists.problem("The webhook %s has this URL. Where its secret was lost, rotate makes another one.", exists.ID)
	case errors.Is(err, webhooks.ErrTooMany):
		return kindLimit.problem("A source may have 20 webhooks, and has them: remove one first.")
	case errors.Is(err, seal.ErrNoKey):
		return kindInvalid.problem("This server has no webhooks: it has no key with which secrets are kept.")
	}
	return err
}
