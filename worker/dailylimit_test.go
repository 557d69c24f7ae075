package worker_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/queue/intake"
	"github.com/bulkreg/bulkreg/worker"
	"github.com/bulkreg/bulkreg/worker/registrar"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

func (b *bench) summaries(orders []record.Order) []record.Summary {
	b.t.Helper()
	sums := make([]record.Summary, len(orders))
	for i, o := range orders {
		var err error
		if sums[i], err = b.store.Orders.Summarize(b.t.Context(), o); err != nil {
			b.t.Fatal(err)
		}
	}
	return sums
}

// usedUp waits until the day is used up and nothing is under way any more. Days that the test does not make pass must not: it is
// skipped when the real one does.
func (b *bench) usedUp() {
	b.t.Helper()
	began := time.Now().UTC().Day()
	b.eventually(func() bool {
		return slices.ContainsFunc(b.holds(), func(h holds.View) bool { return h.Reason == holds.DailyLimit }) &&
			b.sql(`SELECT count(*) FROM jobs WHERE state = 'running'`) == 0
	})
	if time.Now().UTC().Day() != began {
		b.t.Skip("a day has passed by itself")
	}
}

// dayPasses makes yesterday of today, and waits until a worker has noticed.
func (b *bench) dayPasses() {
	b.t.Helper()
	conn, err := pgx.Connect(b.t.Context(), b.url)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = conn.Close(b.t.Context()) }()
	if _, err := conn.Exec(b.t.Context(), `
		CREATE TEMP TABLE moved AS SELECT * FROM registration_days;
		DELETE FROM registration_days;
		INSERT INTO registration_days SELECT account, day - 1, reserved, resumed FROM moved;
		UPDATE attempts SET opened_at = opened_at - interval '1 day';
		UPDATE holds SET ends_at = ends_at - interval '1 day' WHERE reason = 'daily_limit'`); err != nil {
		b.t.Fatal(err)
	}
	b.eventually(func() bool { return b.sql(`SELECT count(*) FROM holds WHERE ends_at <= now()`) == 0 })
}

// Two workers and a registrar that fails in many ways: on no day is more bought than the limit, and in the end everything is.
func TestDailyLimit(t *testing.T) {
	t.Parallel()
	const limit, orders, each = 60, 2, 100
	b := setup(t, sandbox.Options{})
	b.inject(sandbox.Fault{
		Op: sandbox.OpRegister, Kind: sandbox.KindStatus, Status: http.StatusUnprocessableEntity, Domain: "shop0-0007.nl", Count: sandbox.Always,
	})
	for i, f := range []sandbox.Fault{
		{Kind: sandbox.KindStatus, Status: http.StatusInternalServerError, Effect: sandbox.EffectAll},
		{Kind: sandbox.KindCut},
		{Kind: sandbox.KindTruncate},
		{Kind: sandbox.KindStatus, Status: http.StatusUnprocessableEntity, Effect: sandbox.EffectFirst, K: 3},
		{Kind: sandbox.KindMissing, Items: 2},
	} {
		f.Op, f.Skip = sandbox.OpRegister, 2*i
		b.inject(f)
	}
	for i := range 2 {
		o := b.options()
		o.Name, o.DailyLimit = fmt.Sprint("worker ", i), limit
		o.Register.BatchSize = 20
		b.work(o)
	}
	var all []record.Order
	for i := range orders {
		all = append(all, b.submitChunked(queue.Register, fmt.Sprint("r", i), names(fmt.Sprint("shop", i), each), intake.Chunks{Whois: 100, Register: 20}))
	}
	bought := 0
	for day := 1; ; day++ {
		settled := false
		b.eventually(func() bool {
			settled = !slices.ContainsFunc(b.summaries(all), func(s record.Summary) bool { return !s.Settled() })
			return settled || len(b.holds()) > 0
		})
		if !settled {
			b.usedUp()
		}
		paid := len(b.sandbox.Ledger().PaidDomains())
		if paid-bought > limit {
			t.Errorf("on day %d %d were bought, of at most %d", day, paid-bought, limit)
		}
		if bought = paid; settled {
			break
		}
		if day > 20 {
			t.Fatal("days go by, and the orders do not end")
		}
		b.dayPasses()
	}
	registered, unconfirmed := 0, 0
	for _, s := range b.summaries(all) {
		registered, unconfirmed = registered+s.Outcomes[record.Registered], unconfirmed+s.Counts[record.Unconfirmed]
	}
	if rejected := b.sql(`SELECT count(*) FROM jobs WHERE outcome = 'rejected'`); rejected != 1 || registered+unconfirmed != orders*each-1 || bought != orders*each-1 {
		t.Errorf("%d registered, %d unconfirmed, %d rejected, %d bought", registered, unconfirmed, rejected, bought)
	}
	b.invariants()
}

// WHOIS goes on while the day is used up. A resume allows as many again, a greater limit the rest.
func TestDailyLimitIsResumedAndRaised(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	o := b.options()
	o.DailyLimit = 5
	stop := b.work(o)
	order := b.submit(queue.Register, "r", names("shop", 20))
	want := func(when string, paid int) {
		t.Helper()
		b.usedUp()
		if got := len(b.sandbox.Ledger().PaidDomains()); got != paid {
			t.Errorf("%s: %d bought, want %d", when, got, paid)
		}
	}
	want("at first", 5)
	h := b.holds()[0]
	if h.Scope != holds.ScopeRegister || h.Jobs != 15 || h.Words != "the daily limit of the account is reached: 5 registrations (UTC)" ||
		!h.EndsAt.Equal(time.Now().UTC().Truncate(24*time.Hour).Add(24*time.Hour)) {
		t.Errorf("the hold is %+v", h)
	}
	b.settled(b.submit(queue.Whois, "w", names("free", 20)))
	if _, err := b.store.Holds.Resume(t.Context(), "default"); err != nil {
		t.Fatal(err)
	}
	b.eventually(func() bool { return len(b.sandbox.Ledger().PaidDomains()) == 10 })
	want("after a resume", 10)
	stop()
	o = b.options()
	o.DailyLimit = 7 // the day began anew at 5
	stop = b.work(o)
	b.eventually(func() bool { return len(b.sandbox.Ledger().PaidDomains()) == 12 })
	want("after the limit was raised", 12)
	stop()
	b.work(b.options())
	if s := b.settled(order)[0]; s.Outcomes[record.Registered] != 20 {
		t.Errorf("without a limit: %v", s.Outcomes)
	}
	b.invariants()
}

// unreachable is a registrar that cannot be connected to for a number of registrations.
type unreachable struct {
	worker.Upstream
	left atomic.Int32
}

func (u *unreachable) RegisterBulk(ctx context.Context, registrations []registrar.Registration) (registrar.RegisterReply, error) {
	if u.left.Add(-1) >= 0 {
		return registrar.RegisterReply{Answer: registrar.Answer{Started: time.Now()}}, errors.New("connection refused")
	}
	return u.Upstream.RegisterBulk(ctx, registrations)
}

// A registrar that is not reached buys nothing: what is not sent uses up no day.
func TestWhatIsNotSentUsesUpNoDay(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	o := b.options()
	o.DailyLimit, o.MaxAttempts = 5, 100
	away := &unreachable{Upstream: o.Accounts[0].Upstream}
	away.left.Store(3)
	o.Accounts[0].Upstream = away
	b.work(o)
	order := b.submit(queue.Register, "r", names("shop", 5))
	if s := b.settled(order)[0]; s.Outcomes[record.Registered] != 5 {
		t.Errorf("ended as %v", s.Outcomes)
	}
	if n := b.sql(`SELECT sum(reserved)::integer FROM registration_days`); n != 5 {
		t.Errorf("%d are counted, want 5", n)
	}
	if n := b.sql(`SELECT count(*) FROM attempts WHERE state = 'not_sent'`); n == 0 {
		t.Error("the fault did not happen")
	}
	b.invariants()
}

// Domains that spoil their batch are found under a limit that is smaller than the batch, and those beside them are registered: what the
// limit keeps back keeps back nothing that was counted already. The bad ones are counted until a check has ended them.
func TestDailyLimitBelowABadBatch(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	const limit = 6
	o := b.options()
	o.DailyLimit = limit
	b.work(o)
	order := b.submit(queue.Register, "one", append(names("poison", 10), names("z", 30)...))
	alone := func() int {
		return b.sql(`SELECT count(DISTINCT a.domain) FROM attempts a JOIN calls k ON k.id = a.call_id WHERE k.size = 1 AND a.state = 'refused'`)
	}
	b.eventually(func() bool {
		return len(b.holds()) == 1 && len(b.sandbox.Ledger().PaidDomains())+alone() == limit && b.sql(`SELECT count(*) FROM jobs WHERE state = 'running'`) == 0
	})
	if n := alone(); n == 0 || n == limit {
		t.Errorf("%d of %d were refused alone, so nothing is shown", n, limit)
	}
	if n := calls(b.sandbox.Ledger(), sandbox.OpRegister); n > 4*limit {
		t.Errorf("%d calls for %d domains", n, limit)
	}
	o.DailyLimit = 0
	b.work(o)
	b.settled(order)
	if paid, bad := len(b.sandbox.Ledger().PaidDomains()), b.sql(`SELECT count(*) FROM jobs WHERE outcome = 'rejected'`); paid != 30 || bad != 10 {
		t.Errorf("%d were paid for and %d rejected, want 30 and 10", paid, bad)
	}
}
