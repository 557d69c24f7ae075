package store_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/bulkreg/bulkreg/store/events"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/webhooks"
)

// hooks is a bench with endpoints.
type hooks struct {
	*bench

	sender uuid.UUID
}

func setupHooks(t *testing.T) *hooks {
	t.Helper()
	return &hooks{setup(t), uuid.New()}
}

// add adds an endpoint of a source, named by a letter.
func (h *hooks) add(letter byte, source string, types ...string) string {
	h.t.Helper()
	id := "aaaaaaaaa" + string(letter)
	key := make([]byte, 32)
	if err := h.store.Webhooks.Add(h.t.Context(), webhooks.NewEndpoint{
		ID: id, Source: source, URL: "https://" + source + ".example/" + string(letter), Types: types, By: "ann", Sealed: []byte("sealed"), PublicKey: key,
	}); err != nil {
		h.t.Fatal(err)
	}
	return id
}

// happen writes an event of an order, which need not exist, into the log.
func (h *hooks) happen(source string, order int, kind events.Type) {
	h.t.Helper()
	h.exec(`INSERT INTO events (type, at, source, order_id, account) VALUES ($1, now(), $2, $3, 'default')`, kind, source, order)
}

func (h *hooks) spread() int {
	h.t.Helper()
	n, err := h.store.Webhooks.Spread(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// claim takes what is due, and shows each as its endpoint's letter and its event.
func (h *hooks) claim() (due []webhooks.Due, shown []string) {
	h.t.Helper()
	due, err := h.store.Webhooks.Claim(h.t.Context(), h.sender, 100, time.Minute, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, d := range due {
		shown = append(shown, fmt.Sprintf("%s %d", d.Endpoint[9:], d.EventID))
	}
	return due, shown
}

func (h *hooks) wantDue(want ...string) []webhooks.Due {
	h.t.Helper()
	due, shown := h.claim()
	if diff := cmp.Diff(want, shown, cmpopts.EquateEmpty(), cmpopts.SortSlices(func(a, b string) bool { return a < b })); diff != "" {
		h.t.Fatalf("due (-want +got):\n%s", diff)
	}
	return due
}

func (h *hooks) settle(d webhooks.Due, r webhooks.Result) webhooks.Settled {
	h.t.Helper()
	r.Delivery, r.Endpoint, r.Sender = d.ID, d.Endpoint, h.sender
	done, err := h.store.Webhooks.Settle(h.t.Context(), r)
	if err != nil {
		h.t.Fatal(err)
	}
	return done
}

// refused is what an endpoint makes of an event that it does not take.
func refused() webhooks.Result {
	return webhooks.Result{Status: 400, Error: "it answers 400", Answer: "no", Retry: time.Hour}
}

func ok() webhooks.Result { return webhooks.Result{Status: 200, OK: true} }

// pass lets time pass for deliveries and endpoints.
func (h *hooks) pass(d time.Duration) {
	h.t.Helper()
	h.exec(`UPDATE webhook_deliveries SET due_at = due_at - $1::interval, tried_at = tried_at - $1::interval, finished_at = finished_at - $1::interval`, d)
	h.exec(`UPDATE webhook_endpoints SET rests_until = rests_until - $1::interval, failing_since = failing_since - $1::interval`, d)
	h.exec(`UPDATE webhook_secrets SET ends_at = ends_at - $1::interval`, d)
}

func (h *hooks) look() int {
	h.t.Helper()
	n, err := h.store.Webhooks.Look(h.t.Context(), 1000)
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

func (h *hooks) find(id string) webhooks.Endpoint {
	h.t.Helper()
	e, err := h.store.Webhooks.Find(h.t.Context(), "", id)
	if err != nil {
		h.t.Fatal(err)
	}
	return e
}

func TestEventsGoToTheEndpointsThatWantThem(t *testing.T) {
	t.Parallel()
	h := setupHooks(t)
	h.happen("shop", 1, events.OrderAccepted) // 1: before there is an endpoint
	h.add('a', "shop")
	h.add('b', "shop", "order.completed", "job.finished")
	h.add('c', "desk")
	h.happen("shop", 1, events.OrderCompleted) // 2
	h.happen("shop", 2, events.JobFinished)    // 3
	h.exec(`INSERT INTO events (type, at, account) VALUES ('hold.placed', now(), 'default')`)
	h.happen("desk", 3, events.OrderCompleted) // 5
	if n := h.spread(); n != 6 {
		t.Errorf("%d deliveries were made", n)
	}
	if n := h.spread(); n != 0 {
		t.Errorf("%d deliveries were made of nothing new", n)
	}
	h.wantDue("a 2", "a 4", "b 2", "b 3", "c 4", "c 5")
	h.wantDue()
	if got := list[string](h.bench, `SELECT source FROM job_event_sources`); len(got) != 1 || got[0] != "shop" {
		t.Errorf("events of jobs are written for %v", got)
	}
}

func TestEventsOfAnOrderGoOneAfterTheOther(t *testing.T) {
	t.Parallel()
	h := setupHooks(t)
	id := h.add('a', "shop")
	for range 2 {
		h.happen("shop", 1, events.OrderAccepted)
		h.happen("shop", 2, events.OrderAccepted)
	}
	h.spread()
	due := h.wantDue("a 1", "a 2")
	h.settle(due[0], ok())
	h.happen("shop", 1, events.OrderCompleted) // 5
	h.spread()
	due = append(due[1:], h.wantDue("a 3")...)
	h.settle(due[0], refused())
	h.settle(due[1], ok())
	h.settle(h.wantDue("a 5")[0], ok())
	h.wantDue()
	h.pass(time.Hour)
	h.settle(h.wantDue("a 2")[0], ok())
	h.settle(h.wantDue("a 4")[0], ok())
	if e := h.find(id); e.Waiting != 0 || !e.FailingSince.IsZero() {
		t.Errorf("at the end: %+v", e)
	}
}

// What one worker settles while others make deliveries never leaves a line in which nothing is due.
func TestNoLineStandsStill(t *testing.T) {
	t.Parallel()
	h := setupHooks(t)
	id := h.add('a', "shop")
	const all = 300
	var g errgroup.Group
	made := make(chan struct{})
	g.Go(func() error {
		defer close(made)
		for i := range all {
			if _, err := h.db.Exec(t.Context(), `INSERT INTO events (type, at, source, order_id, account) VALUES ('order.completed', now(), 'shop', $1, 'default')`, i%3+1); err != nil {
				return err
			}
			if _, err := h.store.Webhooks.Spread(t.Context()); err != nil {
				return err
			}
		}
		return nil
	})
	for range 3 {
		g.Go(func() error {
			me, last := uuid.New(), map[string]int64{}
			for {
				due, err := h.store.Webhooks.Claim(t.Context(), me, 4, time.Minute, nil)
				if err != nil {
					return err
				}
				for _, d := range due {
					if d.EventID <= last[d.Order] {
						return fmt.Errorf("event %d after %d", d.EventID, last[d.Order])
					}
					if _, err := h.store.Webhooks.Settle(t.Context(), webhooks.Result{Delivery: d.ID, Endpoint: d.Endpoint, Sender: me, Status: 200, OK: true}); err != nil {
						return err
					}
				}
				select {
				case <-made:
					if len(due) == 0 {
						return nil
					}
				default:
				}
			}
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for h.spread() > 0 {
	}
	for {
		due, _ := h.claim()
		for _, d := range due {
			h.settle(d, ok())
		}
		if len(due) == 0 {
			break
		}
	}
	if e := h.find(id); e.Waiting != 0 {
		t.Errorf("%d deliveries stand still", e.Waiting)
	}
	if n := get[int](h.bench, `SELECT count(*) FROM webhook_deliveries WHERE state = 'delivered'`); n != all {
		t.Errorf("%d of %d delivered", n, all)
	}
}

func TestWhatIsRefusedForSixHoursIsSkipped(t *testing.T) {
	t.Parallel()
	h := setupHooks(t)
	id := h.add('a', "shop")
	h.happen("shop", 1, events.OrderAccepted)
	h.happen("shop", 1, events.OrderCompleted)
	h.spread()
	h.settle(h.wantDue("a 1")[0], webhooks.Result{Status: 400, Error: "no", Retry: 24 * time.Hour})
	h.pass(webhooks.SkipAfter - time.Minute)
	if n := h.look(); n != 0 {
		t.Errorf("%d skipped too soon", n)
	}
	h.pass(time.Minute)
	if n := h.look(); n != 1 {
		t.Errorf("%d skipped", n)
	}
	h.settle(h.wantDue("a 2")[0], ok())
	if e := h.find(id); e.Skipped != 1 || e.Waiting != 1 {
		t.Errorf("%+v", e)
	}
	h.pass(18 * time.Hour)
	h.settle(h.wantDue("a 1")[0], webhooks.Result{Status: 400, Error: "no"}) // it has no further attempt
	if e := h.find(id); e.Failed != 1 || e.Waiting != 0 {
		t.Errorf("%+v", e)
	}
	before, err := h.store.Webhooks.Recover(t.Context(), id, time.Now().Add(-time.Hour), true)
	if err != nil || before != (webhooks.Recovery{Again: 1}) {
		t.Errorf("plan %+v, %v", before, err)
	}
	h.wantDue()
	if after, err := h.store.Webhooks.Recover(t.Context(), id, time.Now().Add(-time.Hour), false); err != nil || after != before {
		t.Errorf("recovered %+v, %v", after, err)
	}
	if d := h.wantDue("a 1")[0]; d.Attempt != 1 {
		t.Errorf("attempt %d", d.Attempt)
	}
}

// What is sent again keeps the order that it has: of an order one event after the other, whether they were skipped, given up or not tried yet.
func TestRecoveredEventsKeepTheirOrder(t *testing.T) {
	t.Parallel()
	h := setupHooks(t)
	id := h.add('a', "shop")
	for range 5 {
		h.happen("shop", 1, events.OrderCompleted)
	}
	h.happen("shop", 2, events.OrderAccepted) // 6
	h.spread()
	h.settle(h.wantDue("a 1", "a 6")[0], refused())
	h.pass(webhooks.SkipAfter)
	h.look()
	for _, d := range h.wantDue("a 1", "a 2", "a 6") { // 6 was taken, and nobody heard so
		h.settle(d, refused())
	}
	h.pass(webhooks.SkipAfter)
	h.look()
	for _, d := range h.wantDue("a 1", "a 2", "a 3", "a 6") {
		h.settle(d, webhooks.Result{Status: 400, Error: "no", Retry: map[int64]time.Duration{2: time.Hour}[d.EventID]}) // all but one are given up
	}
	for range 2 { // twice is as good as once
		if r, err := h.store.Webhooks.Recover(t.Context(), id, time.Now().Add(-time.Hour), false); err != nil || r.Again < 4 && r.Again != 0 {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	h.settle(h.wantDue("a 1", "a 6")[0], ok())
	for _, next := range []string{"a 2", "a 3", "a 4", "a 5"} {
		h.settle(h.wantDue(next)[0], ok())
	}
}

func TestEndpointsAreDisabled(t *testing.T) {
	t.Parallel()
	h := setupHooks(t)
	gone, failing := h.add('a', "shop"), h.add('b', "shop")
	h.happen("shop", 1, events.OrderAccepted)
	h.spread()
	due := h.wantDue("a 1", "b 1")
	if due[0].Endpoint != gone {
		due[0], due[1] = due[1], due[0]
	}
	if s := h.settle(due[0], webhooks.Result{Status: 410, Error: "it answers 410", Retry: time.Second, Gone: true}); s.Disabled != webhooks.Gone {
		t.Errorf("%+v", s)
	}
	if s := h.settle(due[1], webhooks.Result{Error: "no answer", Retry: time.Hour, Trouble: true}); s.Disabled != "" {
		t.Errorf("%+v", s)
	}
	h.pass(webhooks.DisableAfter)
	if s := h.settle(h.wantDue("b 1")[0], webhooks.Result{Error: "no answer", Retry: time.Hour, Trouble: true}); s.Disabled != webhooks.Failing {
		t.Errorf("%+v", s)
	}
	h.pass(48 * time.Hour)
	h.wantDue()
	h.wantTold(events.Filter{Source: "shop", Types: []events.Type{events.WebhookDisabled}},
		`webhook.disabled {"reason": "gone", "webhook": "aaaaaaaaaa"}`, `webhook.disabled {"reason": "failing", "webhook": "aaaaaaaaab"}`)

	h.happen("shop", 2, events.OrderAccepted) // 4, behind those two
	if n := h.spread(); n != 0 {
		t.Errorf("%d deliveries to disabled endpoints", n)
	}
	plan, err := h.store.Webhooks.Recover(t.Context(), failing, time.Now().Add(-time.Hour), false)
	if err != nil || plan != (webhooks.Recovery{Again: 1, Missed: 3, Enabled: true}) {
		t.Errorf("%+v, %v", plan, err)
	}
	h.spread()
	h.settle(h.wantDue("b 1", "b 2", "b 4")[1], ok())
	h.wantDue("b 3")
}

func TestRestingEndpointsAreLeftAlone(t *testing.T) {
	t.Parallel()
	h := setupHooks(t)
	id := h.add('a', "shop")
	for i := range 12 {
		h.happen("shop", i+1, events.OrderAccepted)
	}
	h.spread()
	due, _ := h.claim()
	if len(due) != 8 {
		t.Fatalf("%d at once", len(due))
	}
	for _, d := range due {
		h.settle(d, webhooks.Result{Status: 429, Error: "it answers 429", Retry: time.Second, Trouble: true, Rest: 10 * time.Minute})
	}
	if e := h.find(id); time.Until(e.RestsUntil) < 9*time.Minute {
		t.Errorf("rests until %s", e.RestsUntil)
	}
	h.pass(9 * time.Minute)
	h.wantDue()
	h.pass(2 * time.Minute)
	due, _ = h.claim()
	if len(due) != 1 {
		t.Fatalf("%d at once to one that fails", len(due))
	}
	h.settle(due[0], ok())
	if due, _ = h.claim(); len(due) != 8 {
		t.Errorf("%d at once when it is well again", len(due))
	}
}

// A source whose receivers take their time, and that has much to be told, leaves room for others, and lets them go first.
func TestSourcesTakeTurnsAtWebhooks(t *testing.T) {
	t.Parallel()
	h := setupHooks(t)
	const receivers, orders = 10, 20
	for i := range receivers {
		h.add(byte('a'+i), "loud")
	}
	h.add('z', "quiet")
	for i := range orders {
		h.happen("loud", i, events.OrderAccepted)
	}
	h.happen("quiet", orders, events.OrderAccepted)
	h.spread()
	h.exec(`UPDATE webhook_deliveries SET due_at = due_at - interval '1 minute' WHERE endpoint_id <> 'aaaaaaaaaz'`)
	due, err := h.store.Webhooks.Claim(t.Context(), h.sender, 5, time.Minute, nil)
	if err != nil || len(due) != 5 || !slices.ContainsFunc(due, func(d webhooks.Due) bool { return d.Source == "quiet" }) {
		t.Errorf("%+v, %v", due, err)
	}
	for range 5 {
		more, _ := h.claim()
		due = append(due, more...)
	}
	if n := len(due) - 1; n != webhooks.MaxUnderWay {
		t.Errorf("%d are under way for one source, want %d", n, webhooks.MaxUnderWay)
	}
	h.happen("quiet", orders, events.OrderCompleted)
	h.settle(due[slices.IndexFunc(due, func(d webhooks.Due) bool { return d.Source == "quiet" })], ok())
	h.spread()
	if more, shown := h.claim(); len(more) != 1 || more[0].Source != "quiet" {
		t.Errorf("then %v", shown)
	}
}

func TestDeliveriesThatNobodySettlesAreTakenAgain(t *testing.T) {
	t.Parallel()
	h := setupHooks(t)
	h.add('a', "shop")
	h.happen("shop", 1, events.OrderAccepted)
	h.spread()
	lost := h.wantDue("a 1")[0]
	h.pass(time.Minute)
	first := h.sender
	h.sender = uuid.New()
	again := h.wantDue("a 1")[0]
	if again.Attempt != 2 {
		t.Errorf("attempt %d", again.Attempt)
	}
	second := h.sender
	h.sender = first
	if s := h.settle(lost, ok()); !s.Late {
		t.Errorf("what somebody else is at was settled: %+v", s)
	}
	if err := h.store.Webhooks.GiveBack(t.Context(), first, []int64{again.ID}); err != nil {
		t.Fatal(err)
	}
	h.wantDue()
	if err := h.store.Webhooks.GiveBack(t.Context(), second, []int64{again.ID}); err != nil {
		t.Fatal(err)
	}
	if d := h.wantDue("a 1")[0]; d.Attempt != 2 {
		t.Errorf("attempt %d after one was given back", d.Attempt)
	}
}

// What is under way is on its way: whoever asks for it once more, again and again, takes no more places than it has.
func TestReplaysOfWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	h := setupHooks(t)
	id := h.add('a', "shop")
	h.happen("shop", 1, events.OrderAccepted)
	h.spread()
	due := h.wantDue("a 1")
	if err := h.store.Webhooks.Replay(t.Context(), id, due[0].ID); err != nil {
		t.Fatal(err)
	}
	h.wantDue()
	if s := h.settle(due[0], ok()); s.Late {
		t.Errorf("%+v", s)
	}
	if err := h.store.Webhooks.Replay(t.Context(), id, due[0].ID); err != nil {
		t.Fatal(err)
	}
	h.wantDue("a 1")
	h.pass(time.Minute) // nobody settles it
	if err := h.store.Webhooks.Replay(t.Context(), id, due[0].ID); err != nil {
		t.Fatal(err)
	}
	h.wantDue("a 1")
}

// What a source has under way counts although its endpoint was removed.
func TestRemovedEndpointsLeaveNoRoom(t *testing.T) {
	t.Parallel()
	h := setupHooks(t)
	h.add('a', "shop")
	h.add('b', "desk")
	for i := range 4 {
		h.happen("shop", i+1, events.OrderAccepted)
		h.happen("desk", i+10, events.OrderAccepted)
	}
	h.spread()
	due, err := h.store.Webhooks.Claim(t.Context(), h.sender, 100, time.Minute, map[string]int{"shop": webhooks.MaxUnderWay - 1, "other": 99})
	shop := 0
	for _, d := range due {
		if d.Source == "shop" {
			shop++
		}
	}
	if err != nil || shop != 1 || len(due) != 5 {
		t.Errorf("%d of %d are shop's, %v", shop, len(due), err)
	}
}

func TestTestsAndReplays(t *testing.T) {
	t.Parallel()
	h := setupHooks(t)
	id := h.add('a', "shop")
	h.happen("shop", 1, events.OrderAccepted)
	h.happen("shop", 1, events.OrderCompleted)
	h.spread()
	h.settle(h.wantDue("a 1")[0], webhooks.Result{Status: 410, Error: "gone", Gone: true, Retry: time.Hour})
	test, err := h.store.Webhooks.Test(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	due := h.wantDue("a 0") // although it is disabled
	if due[0].ID != test || !due[0].Test {
		t.Errorf("%+v", due[0])
	}
	h.settle(due[0], webhooks.Result{Status: 500, Error: "it answers 500", Answer: "oh", Apart: true})
	d, err := h.store.Webhooks.Delivery(t.Context(), id, test)
	if err != nil || d.State != webhooks.Failed || d.Newest == nil || d.Newest.Answer != "oh" || d.Newest.Status != 500 {
		t.Errorf("%+v, %v", d, err)
	}
	if _, err := h.store.Webhooks.Recover(t.Context(), id, time.Now().Add(-time.Hour), false); err != nil {
		t.Fatal(err)
	}
	first := h.wantDue("a 1")
	h.settle(first[0], ok())
	h.settle(h.wantDue("a 2")[0], ok())
	if err := h.store.Webhooks.Replay(t.Context(), id, first[0].ID); err != nil {
		t.Fatal(err)
	}
	h.settle(h.wantDue("a 1")[0], ok())
	attempts, err := h.store.Webhooks.Attempts(t.Context(), first[0].ID)
	if err != nil || len(attempts) != 3 {
		t.Errorf("attempts %+v, %v", attempts, err)
	}
	all, err := h.store.Webhooks.Deliveries(t.Context(), webhooks.DeliveryFilter{Endpoint: id, State: webhooks.Delivered, Limit: 10})
	if err != nil || len(all) != 2 || all[0].ID < all[1].ID {
		t.Errorf("deliveries %+v, %v", all, err)
	}
	for _, err := range []error{h.store.Webhooks.Replay(t.Context(), "aaaaaaaaaz", first[0].ID), h.store.Webhooks.Replay(t.Context(), id, 999)} {
		if !errors.Is(err, pg.ErrNotFound) {
			t.Errorf("%v", err)
		}
	}
}

func TestSecretsOverlap(t *testing.T) {
	t.Parallel()
	h := setupHooks(t)
	id := h.add('a', "shop")
	rotate := func(secret string, overlap time.Duration) {
		t.Helper()
		if err := h.store.Webhooks.Rotate(t.Context(), id, []byte(secret), make([]byte, 32), overlap); err != nil {
			t.Fatal(err)
		}
	}
	h.happen("shop", 1, events.OrderAccepted)
	h.spread()
	wantSecrets := func(want ...string) {
		t.Helper()
		h.exec(`UPDATE webhook_deliveries SET due_at = now()`)
		due := h.wantDue("a 1")
		var got []string
		for _, s := range due[0].Secrets {
			got = append(got, string(s))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("secrets (-want +got):\n%s", diff)
		}
	}
	rotate("second", time.Hour)
	wantSecrets("second", "sealed")
	h.pass(time.Hour)
	wantSecrets("second")
	rotate("third", time.Hour)
	rotate("fourth", time.Hour)
	rotate("fifth", time.Hour)
	wantSecrets("fifth", "fourth", "third")
	rotate("sixth", 0)
	wantSecrets("sixth")
}

func TestWebhooksAreBounded(t *testing.T) {
	t.Parallel()
	h := setupHooks(t)
	id := h.add('a', "shop")
	for i := range webhooks.MaxEndpoints - 1 {
		h.add(byte('b'+i), "shop")
	}
	err := h.store.Webhooks.Add(t.Context(), webhooks.NewEndpoint{ID: "zzzzzzzzzz", Source: "shop", URL: "https://a", By: "ann", Sealed: []byte("s"), PublicKey: make([]byte, 32)})
	if !errors.Is(err, webhooks.ErrTooMany) {
		t.Errorf("one too many: %v", err)
	}
	err = h.store.Webhooks.Add(t.Context(), webhooks.NewEndpoint{ID: "zzzzzzzzzz", Source: "shop", URL: "https://shop.example/a", By: "ann", Sealed: []byte("s"), PublicKey: make([]byte, 32)})
	if exists := (*webhooks.ExistsError)(nil); !errors.As(err, &exists) || exists.ID != id {
		t.Errorf("the same again: %v", err)
	}
	h.exec(`DELETE FROM webhook_endpoints WHERE id <> $1`, id)
	h.exec(`INSERT INTO events (type, at, source, order_id, account) SELECT 'order.accepted', now(), 'shop', n, 'default' FROM generate_series(1, 12000) AS n`)
	for h.spread() > 0 {
	}
	if e := h.find(id); e.Waiting != 10_000 {
		t.Errorf("%d wait", e.Waiting)
	}
	h.exec(`UPDATE webhook_deliveries SET state = 'delivered', due_at = NULL, finished_at = now()`)
	for h.spread() > 0 {
	}
	if e := h.find(id); e.Waiting != 2000 {
		t.Errorf("%d wait after those", e.Waiting)
	}
	h.pass(webhooks.Kept + time.Hour)
	for range 10 {
		h.look()
	}
	if n := get[int](h.bench, `SELECT count(*) FROM webhook_deliveries`); n != 2000 {
		t.Errorf("%d deliveries are kept", n)
	}
}
