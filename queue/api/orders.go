package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bulkreg/bulkreg/queue/api/view"
	"github.com/bulkreg/bulkreg/queue/apikey"
	"github.com/bulkreg/bulkreg/store/fleet"
	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"
)

// OrderDetail is an order as a caller sees it.
type OrderDetail struct {
	view.Order

	Labels         map[string]string `json:"labels,omitempty"`
	NeedsAttention *attention        `json:"needs_attention,omitempty" doc:"Left out where nobody has to do anything"`
	WaitsFor       []view.Still      `json:"waits_for,omitempty" doc:"Why nothing moves, what weighs most first"`
	SecondsLeft    *int              `json:"seconds_left,omitempty" doc:"About how long it still takes, going by how fast its jobs have ended so far; left out where that cannot be told"`
}

// attention is what a person has to do about an order.
type attention struct {
	Jobs int    `json:"jobs" doc:"That somebody must decide on"`
	Why  string `json:"why"`
	Do   string `json:"do" doc:"What to do"`
}

const (
	whyUnconfirmed = "They were sent to the registrar without a definite answer, and WHOIS cannot settle it: the domains are taken now, by us or by somebody else, or are still to come."
	doUnconfirmed  = "Ask the registrar about the domains that jobs?state=unconfirmed lists. Then POST to confirm, with registered true or false and how you know."
)

type orderInput struct{ OrderPath }

type orderOutput struct{ Body OrderDetail }

type listOrdersInput struct {
	Page

	State          string      `query:"state" enum:"open,done" doc:"open: some job is not final; done: every job is"`
	Kind           record.Kind `query:"kind" enum:"whois,register,token"`
	Label          []string    `query:"label,explode" maxItems:"20" doc:"NAME:TEXT; only orders with all these labels" example:"campaign:spring"`
	NeedsAttention bool        `query:"needs_attention" doc:"Only orders with jobs that a person must decide on"`
	CreatedFrom    time.Time   `query:"created_from" doc:"Only orders that came at this time or later"`
	CreatedUntil   time.Time   `query:"created_until" doc:"Only orders that came before this time"`
}

type listOrdersOutput struct {
	Body struct {
		Orders     []OrderDetail `json:"orders" doc:"The newest first"`
		NextCursor string        `json:"next_cursor,omitempty" doc:"Give it as cursor to read on; left out on the last page"`
	}
}

func (a *API) registerOrders() {
	add(a, operation("list-orders", http.MethodGet, "/v1/orders", tagOrders, "The source's orders",
		"A page of orders, the newest first. state and needs_attention may be a moment late; the counts of each order are not.", apikey.Read), a.listOrders)
	add(a, operation("get-order", http.MethodGet, "/v1/orders/{reference}", tagOrders, "One order, and how far it has come",
		"Reading it costs the same whatever its size.", apikey.Read), a.getOrder)
}

func (a *API) listOrders(ctx context.Context, in *listOrdersInput) (*listOrdersOutput, error) {
	before, err := in.after()
	if err != nil {
		return nil, err
	}
	labels, err := labelsOf(in.Label, "query.label", ":")
	if err != nil {
		return nil, err
	}
	f := orders.PageFilter{
		Source: callerOf(ctx).Source, Kind: in.Kind, NeedsAttention: in.NeedsAttention, Labels: labels, From: in.CreatedFrom, Until: in.CreatedUntil,
		Before: before, Limit: in.limit() + 1,
	}
	if in.State != "" {
		done := in.State == "done"
		f.Done = &done
	}
	sums, err := a.options.Store.Orders.Page(ctx, f)
	if err != nil {
		return nil, err
	}
	var out listOrdersOutput
	if len(sums) > in.limit() {
		sums = sums[:in.limit()]
		out.Body.NextCursor = strconv.FormatInt(sums[len(sums)-1].ID, 10)
	}
	out.Body.Orders, err = a.listed(ctx, sums)
	return &out, err
}

// listed are orders in a list: why they wait is told of one by one.
func (a *API) listed(ctx context.Context, sums []record.Summary) ([]OrderDetail, error) {
	ids := make([]int64, len(sums))
	for i, sum := range sums {
		ids[i] = sum.ID
	}
	labels, err := a.options.Store.Orders.Labels(ctx, ids...)
	if err != nil {
		return nil, err
	}
	list := make([]OrderDetail, len(sums))
	for i, sum := range sums {
		list[i] = a.orderOf(sum, labels[sum.ID])
	}
	return list, nil
}

func (a *API) getOrder(ctx context.Context, in *orderInput) (*orderOutput, error) {
	o, err := a.order(ctx, in.Reference)
	if err != nil {
		return nil, err
	}
	full, err := a.wholeOrder(ctx, o)
	return &orderOutput{full}, err
}

// wholeOrder reads all that is told of an order.
func (a *API) wholeOrder(ctx context.Context, o record.Order) (OrderDetail, error) {
	sum, err := a.options.Store.Orders.Summarize(ctx, o)
	if err != nil {
		return OrderDetail{}, err
	}
	labels, err := a.options.Store.Orders.Labels(ctx, o.ID)
	if err != nil {
		return OrderDetail{}, err
	}
	full := a.orderOf(sum, labels[o.ID])
	if sum.Settled() {
		return full, nil
	}
	found, err := a.options.Store.Fleet.Stillness(ctx, sum.Order)
	if err != nil {
		return OrderDetail{}, err
	}
	full.WaitsFor = view.StillOf(view.NotTooSoon(view.WhyStill(sum, found), found.At.Sub(sum.CreatedAt)), stillWords)
	return full, nil
}

func (a *API) orderOf(sum record.Summary, labels map[string]string) OrderDetail {
	o := OrderDetail{Order: view.OrderOf(sum), Labels: labels}
	if n := sum.Counts[record.Unconfirmed]; n > 0 {
		o.NeedsAttention = &attention{Jobs: n, Why: whyUnconfirmed, Do: doUnconfirmed}
	}
	ended := sum.Counts[record.Succeeded] + sum.Counts[record.Failed] + sum.Counts[record.Canceled]
	if left := sum.Total - ended; left > 0 && ended > 0 && sum.Counts[record.Held] == 0 {
		seconds := int(a.options.Clock().Sub(sum.CreatedAt).Seconds() * float64(left) / float64(ended))
		o.SecondsLeft = &seconds
	}
	return o
}

// labelsOf reads labels that are written NAME, a separator and TEXT.
func labelsOf(texts []string, location, separator string) (map[string]string, error) {
	labels := make(map[string]string, len(texts))
	p := kindInvalid.problem("Labels cannot be used.")
	for _, text := range texts {
		name, value, ok := strings.Cut(text, separator)
		if !ok || name == "" || value == "" || strings.ContainsRune(text, 0) || !utf8.ValidString(text) {
			p.add(Fault{Location: location, Message: "is no label: write its name, " + separator + " and its text"})
			continue
		}
		labels[name] = value
	}
	if len(p.Errors) > 0 {
		return nil, p
	}
	return labels, nil
}

// stillWords says in one line why jobs do not move.
func stillWords(r fleet.StillReason) string {
	switch r.Still {
	case fleet.StillPaused:
		return "The order is paused. POST to resume lets it go on."
	case fleet.StillHeld:
		if !r.Hold.EndsAt.IsZero() {
			return fmt.Sprintf("Account %s is on hold (%s) until %s, when it goes on by itself.", r.Hold.Account, r.Hold.Reason,
				r.Hold.EndsAt.UTC().Format(time.RFC3339))
		}
		if r.Hold.Reason.ByPerson() {
			return fmt.Sprintf("Account %s is on hold (%s) until a person lifts it.", r.Hold.Account, r.Hold.Reason)
		}
		if r.Hold.Reason == holds.DailyLimit {
			return fmt.Sprintf("Account %s has registered as many domains today (UTC) as it may: the others wait for the next day.", r.Hold.Account)
		}
		return fmt.Sprintf("Account %s is on hold (%s): one job is tried now and then, and success lifts it.", r.Hold.Account, r.Hold.Reason)
	case fleet.StillNoWorker:
		return "No live worker works on this kind and account."
	case fleet.StillQueuePaused:
		return "A queue was paused in Redis, past bulkreg."
	case fleet.StillTrouble:
		return "The worker is in trouble."
	case fleet.StillSlots:
		return "All calls that may be made at once are under way: the jobs wait in line."
	case fleet.StillRetry:
		return "The next attempt is still to come."
	}
	return string(r.Still)
}
