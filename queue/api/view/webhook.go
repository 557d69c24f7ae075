package view

import (
	"strconv"
	"time"

	"github.com/bulkreg/bulkreg/queue/hook"
	"github.com/bulkreg/bulkreg/store/webhooks"
)

// Webhook is where a source is told of events, and how it fares.
type Webhook struct {
	ID           string            `json:"webhook_id"`
	Source       string            `json:"source"`
	URL          string            `json:"url"`
	Types        []string          `json:"types" doc:"Of events; empty: every one but job.finished"`
	CreatedAt    time.Time         `json:"created_at"`
	CreatedBy    string            `json:"created_by"`
	PublicKeys   []string          `json:"public_keys" doc:"With which v1a signatures are verified, the newest first"`
	FailingSince *time.Time        `json:"failing_since" doc:"Its first failure after its last success; null: it is well"`
	RestsUntil   *time.Time        `json:"rests_until" doc:"Nothing is sent to it before; null: it does not rest"`
	DisabledAt   *time.Time        `json:"disabled_at" doc:"null: it is not"`
	DisabledFor  webhooks.Disabled `json:"disabled_for,omitempty" enum:"gone,failing" doc:"gone: it answered 410; failing: it has failed for five days"`
	Waiting      int               `json:"waiting" doc:"Deliveries that wait for it or are under way"`
	Skipped      int               `json:"skipped" doc:"And of these, those that later ones of their order do not wait for any more"`
	Failed       int               `json:"failed" doc:"Deliveries given up in the last 30 days"`
}

// WebhookOf is an endpoint as it stands.
func WebhookOf(e webhooks.Endpoint) Webhook {
	out := Webhook{
		ID: e.ID, Source: e.Source, URL: e.URL, Types: e.Types, CreatedAt: e.CreatedAt.UTC(), CreatedBy: e.CreatedBy, PublicKeys: []string{},
		FailingSince: Time(e.FailingSince), RestsUntil: Time(e.RestsUntil), DisabledAt: Time(e.DisabledAt), DisabledFor: e.DisabledFor,
		Waiting: e.Waiting, Skipped: e.Skipped, Failed: e.Failed,
	}
	for _, key := range e.PublicKeys {
		out.PublicKeys = append(out.PublicKeys, hook.PublicText(key))
	}
	return out
}

// Delivery is an event on its way to a webhook.
type Delivery struct {
	ID         string         `json:"delivery_id"`
	EventID    string         `json:"event_id,omitempty" doc:"Left out of a test"`
	Type       string         `json:"type,omitempty" doc:"Of the event; left out where it is a test, or the event is not kept any more"`
	Reference  string         `json:"reference,omitempty" doc:"Of the event's order"`
	State      webhooks.State `json:"state" enum:"waiting,delivered,failed"`
	UnderWay   bool           `json:"under_way,omitempty"`
	Attempts   int            `json:"attempts" doc:"Since it was last asked for"`
	NextAt     *time.Time     `json:"next_at" doc:"When it is tried next; null: it ended, or an earlier one of its order comes first"`
	SkippedAt  *time.Time     `json:"skipped_at" doc:"Since then later ones of its order do not wait for it"`
	CreatedAt  time.Time      `json:"created_at"`
	FinishedAt *time.Time     `json:"finished_at"`
	Newest     *Attempt       `json:"newest,omitempty" doc:"What came of its newest attempt"`
}

// Attempt is what came of one attempt.
type Attempt struct {
	At         time.Time `json:"at"`
	DurationMS int64     `json:"duration_ms"`
	Status     int       `json:"status,omitempty" doc:"Of HTTP; left out where no answer came"`
	Error      string    `json:"error,omitempty" doc:"Left out where it went well"`
	Answer     string    `json:"answer,omitempty" doc:"How the answer begins, in the receiver's words"`
}

// AttemptOf is an attempt as it was noted.
func AttemptOf(a webhooks.Attempt) Attempt {
	return Attempt{At: a.At.UTC(), DurationMS: a.Took.Milliseconds(), Status: a.Status, Error: a.Error, Answer: a.Answer}
}

// DeliveryOf is a delivery as it stands.
func DeliveryOf(d webhooks.Delivery) Delivery {
	out := Delivery{
		ID: strconv.FormatInt(d.ID, 10), Type: d.Type, Reference: d.Reference, State: d.State, UnderWay: d.UnderWay, Attempts: d.Attempts,
		SkippedAt: Time(d.SkippedAt), CreatedAt: d.CreatedAt.UTC(), FinishedAt: Time(d.FinishedAt),
	}
	if d.EventID != 0 {
		out.EventID = strconv.FormatInt(d.EventID, 10)
	}
	if !d.UnderWay {
		out.NextAt = Time(d.DueAt)
	}
	if d.Newest != nil {
		newest := AttemptOf(*d.Newest)
		out.Newest = &newest
	}
	return out
}
