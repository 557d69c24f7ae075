package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/bulkreg/bulkreg/queue/apikey"
	"github.com/bulkreg/bulkreg/store/events"
)

// event is a row of the log as a caller sees it.
type event struct {
	ID        string          `json:"id" doc:"Greater, as a number, than that of every event before; give the last one as after to read on"`
	Type      events.Type     `json:"type" enum:"order.accepted,order.completed,order.needs_attention,hold.placed,hold.lifted,job.finished,webhook.disabled"`
	At        time.Time       `json:"at"`
	Account   string          `json:"account,omitempty" doc:"Left out where it is about a webhook"`
	Reference string          `json:"reference,omitempty" doc:"The order's; left out where it is about an account"`
	JobID     string          `json:"job_id,omitempty"`
	Domain    string          `json:"domain,omitempty" doc:"The job's"`
	Data      json.RawMessage `json:"data" doc:"order.accepted: kind; order.completed: outcomes; order.needs_attention: unconfirmed; hold.*: reason and scope; job.finished: state and outcome; webhook.disabled: webhook and reason"`
}

func eventOf(e events.Event) event {
	out := event{
		ID: strconv.FormatInt(e.ID, 10), Type: e.Type, At: e.At.UTC(), Account: e.Account, Reference: e.Reference, Domain: e.Domain, Data: e.Data,
	}
	if e.Job != uuid.Nil {
		out.JobID = e.Job.String()
	}
	return out
}

type eventsInput struct {
	After string        `query:"after" maxLength:"20" doc:"The id of the last event that you have; without it from the first"`
	Types []events.Type `query:"types" maxItems:"10" doc:"Only events of these types, with commas" enum:"order.accepted,order.completed,order.needs_attention,hold.placed,hold.lifted,job.finished,webhook.disabled"`
	Limit int           `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Wait  int           `query:"wait" minimum:"0" maximum:"60" doc:"Seconds to wait for an event where there is none"`
}

type eventsOutput struct {
	Body struct {
		Events []event `json:"events" doc:"In the order in which they were committed"`
		Next   string  `json:"next" doc:"Give it as after to read on"`
	}
}

func (a *API) registerEvents() {
	op := operation("list-events", http.MethodGet, "/v1/events", tagEvents, "What has happened, in order",
		"The log of events of the source's orders, and of holds. A reader that gives the id of the last event as after misses none, and gets none "+
			"twice. With wait the answer comes as soon as there is an event. `job.finished` is written for a source only where somebody has chosen so "+
			"(PUT /v1/events/settings). Go on behind next also where there was no event: what is older than this server keeps is answered with 410.", apikey.Read)
	op.Errors = append(op.Errors, http.StatusGone)
	addWaiting(a, op, a.listEvents)
	add(a, operation("get-event-settings", http.MethodGet, "/v1/events/settings", tagEvents, "Which events are written", "", apikey.Read), a.getEventSettings)
	add(a, operation("put-event-settings", http.MethodPut, "/v1/events/settings", tagEvents, "Choose which events are written",
		"With jobs, an event is written for each job of the source that ends from now on.", apikey.Submit), a.putEventSettings)
	a.registerStream()
}

type eventSettings struct {
	Jobs bool `json:"jobs" doc:"An event job.finished for each job that ends"`
}

type eventSettingsInput struct{ Body eventSettings }

type eventSettingsOutput struct{ Body eventSettings }

func (a *API) getEventSettings(ctx context.Context, _ *struct{}) (*eventSettingsOutput, error) {
	wanted, err := a.options.Store.Events.JobsWanted(ctx, callerOf(ctx).Source)
	return &eventSettingsOutput{eventSettings{wanted}}, err
}

func (a *API) putEventSettings(ctx context.Context, in *eventSettingsInput) (*eventSettingsOutput, error) {
	err := a.options.Store.Events.WantJobs(ctx, callerOf(ctx).Source, in.Body.Jobs)
	return &eventSettingsOutput{in.Body}, err
}

func (a *API) listEvents(ctx context.Context, in *eventsInput) (*eventsOutput, error) {
	after, err := eventID(in.After, "query.after")
	if err != nil {
		return nil, err
	}
	if err := a.inTurn(ctx, func() error { return a.kept(ctx, after) }); err != nil {
		return nil, err
	}
	filter := events.Filter{After: after, Source: callerOf(ctx).Source, Types: in.Types, Limit: in.Limit}
	deadline := time.NewTimer(time.Duration(in.Wait) * time.Second)
	defer deadline.Stop()
	for {
		more := a.follower.next(ofSource(filter.Source)) // before the look: what comes after it is not missed
		found, upTo, err := a.lookForEvents(ctx, filter)
		if err != nil {
			return nil, err
		}
		after = max(after, upTo)
		if len(found) > 0 || in.Wait == 0 {
			return eventsPage(found, after), nil
		}
		select {
		case <-more:
			if a.revoked(ctx) {
				return nil, kindUnauthorized.problem("The key is not valid any more.")
			}
		case <-deadline.C:
			return eventsPage(nil, after), nil
		case <-a.follower.stopped():
			return eventsPage(nil, after), nil
		case <-ctx.Done():
			return nil, ctx.Err() //nolint:wrapcheck // nobody reads it
		}
	}
}

// lookForEvents looks once, in turn, and says up to which event that is all there is; 0 where there may be more.
func (a *API) lookForEvents(ctx context.Context, filter events.Filter) (found []events.Event, upTo int64, err error) {
	err = a.inTurn(ctx, func() error {
		// Before the look, which then has all up to it: also where none is the source's own, it need not look at them again.
		if upTo, err = a.options.Store.Events.Newest(ctx); err == nil {
			found, err = a.options.Store.Events.Since(ctx, filter)
		}
		return err
	})
	if len(found) == filter.Limit {
		upTo = 0
	}
	return found, upTo, err
}

// kept is a Problem where events behind one that a reader has are not kept any more, and where the log does not reach that far: ids
// are given anew after a restore, and whoever waited for greater ones would miss some. Who has none yet begins with what there is.
func (a *API) kept(ctx context.Context, after int64) error {
	if after == 0 {
		return nil
	}
	forgotten, newest, err := a.options.Store.Events.Reach(ctx)
	if err != nil {
		return err
	}
	if after > newest {
		return kindEventsGone.problem("You have read up to %d, and there are events up to %d only: the database was set back, as by a restore. "+
			"Go on behind %[2]d, and look at the orders that were in progress.", after, newest)
	}
	if after >= forgotten {
		return nil
	}
	return kindEventsGone.problem("Events up to %d are not kept any more, and you have read up to %d: go on behind %[1]d, and look at the orders that were in progress.",
		forgotten, after)
}

func eventsPage(found []events.Event, after int64) *eventsOutput {
	var out eventsOutput
	out.Body.Events = make([]event, len(found))
	for i, e := range found {
		out.Body.Events[i], after = eventOf(e), max(after, e.ID)
	}
	out.Body.Next = strconv.FormatInt(after, 10)
	return &out
}

// eventID reads the id of an event, 0 for none.
func eventID(text, location string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 0 {
		p := kindInvalid.problem("The id of the event cannot be used.")
		p.add(Fault{Location: location, Message: "is no event's id: give the last one that you got, as it came"})
		return 0, p
	}
	return id, nil
}
