package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bulkreg/bulkreg/queue/apikey"
	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/bulkreg/bulkreg/store/record"
)

// ActBody says why something is done, and to which jobs.
type ActBody struct {
	Reason string `json:"reason,omitempty" maxLength:"500" doc:"Why, for the record"`
	DryRun bool   `json:"dry_run,omitempty" doc:"Answers what would change, and changes nothing"`
}

type retryInput struct {
	OrderPath

	Body struct {
		ActBody

		Outcome record.Outcome `json:"outcome,omitempty" enum:"taken,rejected,duplicate,exhausted,expired" doc:"Only jobs with this outcome"`
		Now     bool           `json:"now,omitempty" doc:"Jobs that wait for their next attempt go at once, in place of those that ended"`
	}
}

type cancelInput struct {
	OrderPath

	Body struct {
		ActBody

		State record.State `json:"state,omitempty" enum:"queued,retrying,held,running" doc:"Only jobs in this state"`
	}
}

type confirmInput struct {
	OrderPath

	Body struct {
		Registered bool   `json:"registered" required:"true" doc:"Whether the registrar says that the domains are ours"`
		Reason     string `json:"reason" minLength:"1" maxLength:"500" doc:"How you know, for the record"`
		DryRun     bool   `json:"dry_run,omitempty" doc:"Answers what would change, and changes nothing"`
	}
}

type pauseInput struct {
	OrderPath

	Body ActBody
}

// actOutput is what an act changes, or has changed.
type actOutput struct {
	Body struct {
		DryRun  bool                  `json:"dry_run"`
		Changed int                   `json:"changed" doc:"Jobs that change, or have changed"`
		Later   int                   `json:"later,omitempty" doc:"Of these, registrations that a cancel ends only once WHOIS has shown that no call had an effect"`
		Left    map[operator.Skip]int `json:"left" doc:"Jobs that stay as they are, by reason"`
	}
}

// holdOutput is a pause that begins, or ends.
type holdOutput struct {
	Body struct {
		DryRun  bool `json:"dry_run"`
		Changed bool `json:"changed" doc:"false: the order was so before"`
		Jobs    int  `json:"jobs,omitempty" doc:"Of resume: jobs that go on"`
	}
}

func (a *API) registerActs() {
	const recorded = " It is on record with every job who did it and why, and it may be repeated: what was done is not done again."
	act := func(name, summary, about string) (id, method, path, tag, title, description string, needed apikey.Role) {
		return name + "-order", http.MethodPost, "/v1/orders/{reference}/" + name, tagOrders, summary, about + recorded, apikey.Operate
	}
	onJobs := func(op huma.Operation) huma.Operation {
		op.Errors = append(op.Errors, http.StatusGone)
		return op
	}
	add(a, onJobs(operation(act("retry", "Try jobs again that failed or were canceled", "Gives them a new life, each with a fresh WHOIS check before it is sent."))), a.retry)
	add(a, onJobs(operation(act("cancel", "End jobs that wait", "What may have been sent ends once WHOIS has shown that no call had an effect."))), a.cancel)
	add(a, onJobs(operation(act("confirm", "Settle jobs that nobody but the registrar can settle",
		"Says of all unconfirmed jobs of the order whether the domains are ours. Ask the registrar first: what is confirmed as not registered may be sent again, and is paid for then."))), a.confirm)
	add(a, operation(act("pause", "Let an order wait", "Its jobs wait until it is resumed; what is under way is seen through.")), a.pause)
	add(a, operation(act("resume", "Let a paused order go on", "Ends the order's pause; holds of its account stay.")), a.resume)
}

// actOn carries an act out on an order of the caller's, or plans it.
func (a *API) actOn(ctx context.Context, reference string, dry bool, r operator.Request) (*actOutput, error) {
	o, err := a.keptOrder(ctx, reference)
	if err != nil {
		return nil, err
	}
	r.Orders, r.Operator = []record.Order{o}, callerOf(ctx).operator()
	if err := r.Check(); err != nil {
		p := kindInvalid.problem("It cannot be done so.")
		p.add(Fault{Location: "body", Message: err.Error()})
		return nil, p
	}
	do := a.options.Store.Operator.CarryOut
	if dry {
		do = a.options.Store.Operator.Plan
	}
	report, err := do(ctx, r)
	if err != nil {
		return nil, err
	}
	var out actOutput
	out.Body.DryRun, out.Body.Changed, out.Body.Later, out.Body.Left = dry, report.Changed(), report.Later(), report.Skipped()
	return &out, nil
}

func (a *API) retry(ctx context.Context, in *retryInput) (*actOutput, error) {
	r := operator.Request{Act: operator.Retry, Reason: in.Body.Reason, Outcome: in.Body.Outcome}
	if in.Body.Now {
		r.Act = operator.RetryNow
	}
	return a.actOn(ctx, in.Reference, in.Body.DryRun, r)
}

func (a *API) cancel(ctx context.Context, in *cancelInput) (*actOutput, error) {
	return a.actOn(ctx, in.Reference, in.Body.DryRun, operator.Request{Act: operator.Cancel, Reason: in.Body.Reason, State: in.Body.State})
}

func (a *API) confirm(ctx context.Context, in *confirmInput) (*actOutput, error) {
	r := operator.Request{Act: operator.ConfirmNotRegistered, Reason: in.Body.Reason}
	if in.Body.Registered {
		r.Act = operator.ConfirmRegistered
	}
	return a.actOn(ctx, in.Reference, in.Body.DryRun, r)
}

func (a *API) pause(ctx context.Context, in *pauseInput) (*holdOutput, error) {
	o, err := a.order(ctx, in.Reference)
	if err != nil {
		return nil, err
	}
	pause := holds.Pause{By: callerOf(ctx).operator(), Words: in.Body.Reason}
	if err := pause.Check(); err != nil {
		p := kindInvalid.problem("It cannot be done so.")
		p.add(Fault{Location: "body.reason", Message: err.Error()})
		return nil, p
	}
	var out holdOutput
	if out.Body.DryRun = in.Body.DryRun; in.Body.DryRun {
		_, paused, err := a.options.Store.Holds.OrderHold(ctx, o)
		out.Body.Changed = !paused
		return &out, err
	}
	_, out.Body.Changed, err = a.options.Store.Holds.PauseOrder(ctx, o, pause)
	return &out, err
}

func (a *API) resume(ctx context.Context, in *pauseInput) (*holdOutput, error) {
	o, err := a.order(ctx, in.Reference)
	if err != nil {
		return nil, err
	}
	resume := a.options.Store.Holds.ResumeOrder
	if in.Body.DryRun {
		resume = a.options.Store.Holds.OrderHold
	}
	h, paused, err := resume(ctx, o)
	var out holdOutput
	out.Body.DryRun, out.Body.Changed, out.Body.Jobs = in.Body.DryRun, paused, h.Jobs
	return &out, err
}
