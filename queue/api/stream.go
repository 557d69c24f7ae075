package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bulkreg/bulkreg/queue/api/view"
	"github.com/bulkreg/bulkreg/queue/apikey"
	"github.com/bulkreg/bulkreg/store/events"
	"github.com/bulkreg/bulkreg/store/record"
)

func (a *API) registerStream() {
	op := operation("stream-order", http.MethodGet, "/v1/orders/{reference}/events", tagEvents, "Follow an order as it goes",
		"Server-sent events (text/event-stream): the order's events with their ids, those that are there already first, and between them "+
			"progress, which has the order's counts and no id. A client that comes back with Last-Event-ID goes on behind it. The stream ends when "+
			"the order is settled: done, or waiting for a person.", apikey.Read)
	op.Parameters = []*huma.Param{
		{Name: "reference", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}},
		{Name: "Last-Event-ID", In: "header", Description: "The id of the last event that you have", Schema: &huma.Schema{Type: huma.TypeString}},
	}
	op.Responses = map[string]*huma.Response{statusText(http.StatusOK): {
		Description: "Events as they come", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}},
	}}
	a.addPlain(op, a.streamOrder)
}

const (
	// progressEvery is how often progress is told at most, and streamsASecond how many streams are looked after in that time: with more
	// of them, each is told less often.
	progressEvery  = time.Second
	streamsASecond = 200
	// quietLooks is after how many looks without an event a settled order's stream ends: the last event comes a moment after the end.
	quietLooks = 5
	// streamPage is how many events are read at once.
	streamPage = 100
)

// stream is one that is under way.
type stream struct {
	api     *API
	w       http.ResponseWriter
	control *http.ResponseController
	filter  events.Filter
	order   record.Order
	shown   string // the progress that was told last
	quiet   int    // looks at a settled order that brought no event
	more    bool   // there may be more events, which were not read yet
}

func (a *API) streamOrder(w http.ResponseWriter, r *http.Request) error {
	after, err := eventID(r.Header.Get("Last-Event-ID"), "header.Last-Event-ID")
	if err != nil {
		return err
	}
	var o record.Order
	err = a.inTurn(r.Context(), func() error {
		if o, err = a.order(r.Context(), r.PathValue("reference")); err != nil || after == 0 {
			return err
		}
		_, newest, err := a.options.Store.Events.Reach(r.Context())
		if after > newest {
			after = 0 // of a log that a restore has set back: all of it is told again, and none waited for in vain
		}
		return err
	})
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // proxies would keep events back
	s := &stream{api: a, w: w, control: http.NewResponseController(w), order: o, filter: events.Filter{After: after, Order: o.ID, Limit: streamPage}}
	w.WriteHeader(http.StatusOK)
	s.follow(r)
	return nil
}

// follow tells of the order until it is settled, the reader is gone, or the server stops.
func (s *stream) follow(r *http.Request) {
	ctx := r.Context()
	heartbeat := time.NewTicker(s.api.options.Heartbeat)
	defer heartbeat.Stop()
	s.api.streams.Add(1)
	defer s.api.streams.Add(-1)
	for {
		more := s.api.follower.next(ofOrder(s.order.ID))
		over, err := s.tell(r)
		if err != nil || over {
			return
		}
		progress := time.NewTimer(s.pause())
		select {
		case <-more:
		case <-progress.C:
		case <-heartbeat.C:
			if s.write(": still there\n\n") != nil || s.api.revoked(ctx) {
				return
			}
		case <-s.api.follower.stopped():
			return
		case <-ctx.Done():
			return
		}
		progress.Stop()
	}
}

// pause is how long it waits for news until it looks by itself.
func (s *stream) pause() time.Duration {
	if s.more {
		return 0
	}
	return progressEvery * time.Duration(1+s.api.streams.Load()/streamsASecond)
}

// tell writes what is new, and reports whether that was all there will be.
func (s *stream) tell(r *http.Request) (over bool, err error) {
	ctx := r.Context()
	var (
		sum   record.Summary
		found []events.Event
	)
	err = s.api.inTurn(ctx, func() error {
		if sum, err = s.api.options.Store.Orders.Summarize(ctx, s.order); err == nil {
			found, err = s.api.options.Store.Events.Since(ctx, s.filter)
		}
		return err
	})
	if err != nil {
		return false, s.failed(r, err)
	}
	for _, e := range found {
		if err := s.event(string(e.Type), fmt.Sprintf("id: %d\n", e.ID), eventOf(e)); err != nil {
			return false, err
		}
		s.filter.After = e.ID
	}
	s.more = len(found) == s.filter.Limit
	progress := view.OrderOf(sum)
	if text := fmt.Sprint(progress.Counts, progress.Calls); text != s.shown {
		s.shown = text
		if err := s.event("progress", "", progress); err != nil {
			return false, err
		}
	}
	if !sum.Settled() {
		s.quiet = 0
		return false, nil
	}
	if len(found) == 0 {
		s.quiet++
	}
	last := len(found) > 0 && !s.more && ends(found[len(found)-1], sum)
	return last || s.quiet >= quietLooks, nil
}

// endSlack is how much older than the last job's end the event of an order's end may look: it has the time at which its round began.
const endSlack = time.Second

// ends reports whether an event tells of the end that a settled order has: not of one before it was tried again, whose next end is
// about to come.
func ends(e events.Event, of record.Summary) bool {
	return (e.Type == events.OrderCompleted || e.Type == events.OrderNeedsAttention) && !e.At.Before(of.FinishedAt.Add(-endSlack))
}

func (s *stream) failed(r *http.Request, err error) error {
	if r.Context().Err() == nil {
		s.api.log(r.Context()).Warn().Err(err).Msg("a stream of events broke off")
	}
	return err
}

func (s *stream) event(name, id string, data any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	return s.write(fmt.Sprintf("event: %s\n%sdata: %s\n\n", name, id, text))
}

func (s *stream) write(text string) error {
	if _, err := s.w.Write([]byte(text)); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	if err := s.control.Flush(); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	return nil
}
