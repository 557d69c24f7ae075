package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/holds"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bulkreg/bulkreg/store"
)

// method is one exported method of a Store, called with something that makes it talk to the database.
type method struct {
	name string
	call func(ctx context.Context, s *store.Store) error
}

func methods() []method {
	id := newID()
	some := []record.DeliveredJob{{ID: id}}
	call := ledger.CallResult{ID: newID()}
	order := func(kind record.Kind) func(ctx context.Context, s *store.Store) error {
		return func(ctx context.Context, s *store.Store) error {
			_, err := s.Orders.Submit(ctx, newOrder(kind, "r"), yielded(newJobs("a.nl")))
			return err
		}
	}
	return []method{
		{"Ping", func(ctx context.Context, s *store.Store) error { return s.Ping(ctx) }},
		{"Submit checks", order(record.Whois)},
		{"Submit registrations", order(record.Register)},
		{"Lookup", func(ctx context.Context, s *store.Store) error {
			_, _, err := s.Orders.Lookup(ctx, newOrder(record.Whois, "r"))
			return err
		}},
		{"AdoptJobs", func(ctx context.Context, s *store.Store) error {
			_, err := s.Orders.AdoptJobs(ctx, newOrder(record.Whois, "own"), newJobs("a.nl"))
			return err
		}},
		{"TakeUndelivered", func(ctx context.Context, s *store.Store) error {
			_, err := s.Delivery.TakeUndelivered(ctx, lotOf(record.Whois), 1, 0)
			return err
		}},
		{"TakeDue", func(ctx context.Context, s *store.Store) error {
			_, err := s.Delivery.TakeDue(ctx, lotOf(record.Whois), 1, 1, 0)
			return err
		}},
		{"Undeliver", func(ctx context.Context, s *store.Store) error { return s.Delivery.Undeliver(ctx, some, 0) }},
		{"RecoverChunks", func(ctx context.Context, s *store.Store) error {
			_, _, err := s.Delivery.RecoverChunks(ctx, 1)
			return err
		}},
		{"Claim", func(ctx context.Context, s *store.Store) error {
			_, err := s.Ledger.Claim(ctx, newClaim(record.Whois), some)
			return err
		}},
		{"StartCall", func(ctx context.Context, s *store.Store) error {
			return s.Ledger.StartCall(ctx, newCall(id, record.OpWhois))
		}},
		{"ExpireClaims", func(ctx context.Context, s *store.Store) error {
			_, err := s.Ledger.ExpireClaims(ctx, 1, 0)
			return err
		}},
		{"Histories", func(ctx context.Context, s *store.Store) error {
			_, err := s.Ledger.Histories(ctx, id, ledger.Proof{})
			return err
		}},
		{"SettleCheck", func(ctx context.Context, s *store.Store) error {
			_, err := s.Ledger.SettleCheck(ctx, id, ledger.CheckResult{Readings: []ledger.Reading{{Job: id, Availability: record.Taken}}})
			return err
		}},
		{"Intend", func(ctx context.Context, s *store.Store) error {
			_, _, err := s.Ledger.Intend(ctx, ledger.Intent{Call: newCall(id, record.OpRegister), Jobs: []uuid.UUID{id}})
			return err
		}},
		{"Settle", func(ctx context.Context, s *store.Store) error {
			_, err := s.Ledger.Settle(ctx, id, call, []ledger.Transition{ledger.Succeed(id, record.Taken)})
			return err
		}},
		{"SettlePaid", func(ctx context.Context, s *store.Store) error {
			_, err := s.Ledger.SettlePaid(ctx, id, call, []ledger.PaidTransition{{Transition: ledger.Stay(id), Attempt: record.AttemptFailed}})
			return err
		}},
		{"Release", func(ctx context.Context, s *store.Store) error {
			_, err := s.Ledger.Release(ctx, id, 0, "")
			return err
		}},
		{"Hold", func(ctx context.Context, s *store.Store) error {
			_, err := s.Holds.Hold(ctx, holds.NewHold{Account: "default", Reason: holds.Auth, Scope: holds.ScopeAll, ProbeEvery: time.Hour})
			return err
		}},
		{"Lift", func(ctx context.Context, s *store.Store) error {
			_, err := s.Holds.Lift(ctx, holds.Probe{Account: "default", Reason: holds.Auth})
			return err
		}},
		{"Resume", func(ctx context.Context, s *store.Store) error {
			_, err := s.Holds.Resume(ctx, "")
			return err
		}},
		{"Stopped", func(ctx context.Context, s *store.Store) error {
			_, err := s.Holds.Stopped(ctx)
			return err
		}},
		{"HoldDue", func(ctx context.Context, s *store.Store) error {
			_, err := s.Delivery.HoldDue(ctx, lotOf(record.Whois), 1)
			return err
		}},
		{"WakeHeld", func(ctx context.Context, s *store.Store) error {
			_, err := s.Holds.WakeHeld(ctx, "default", 1)
			return err
		}},
		{"TakeProbe", func(ctx context.Context, s *store.Store) error {
			_, _, err := s.Holds.TakeProbe(ctx, "default", []record.Kind{record.Whois}, time.Hour, time.Hour)
			return err
		}},
		{"FindOrder", func(ctx context.Context, s *store.Store) error {
			_, err := s.Orders.Find(ctx, "test", "r")
			return err
		}},
		{"ListOrders", func(ctx context.Context, s *store.Store) error {
			_, err := s.Orders.List(ctx, "", 1)
			return err
		}},
		{"Summarize", func(ctx context.Context, s *store.Store) error {
			_, err := s.Orders.Summarize(ctx, record.Order{ID: 1})
			return err
		}},
		{"Jobs", func(ctx context.Context, s *store.Store) error {
			for _, err := range s.Orders.Jobs(ctx, 1, orders.JobFilter{}) {
				return err
			}
			return nil
		}},
		{"FindJob", func(ctx context.Context, s *store.Store) error {
			_, _, err := s.Orders.FindJob(ctx, id)
			return err
		}},
		{"Claimants", func(ctx context.Context, s *store.Store) error {
			_, err := s.Orders.Claimants(ctx, []string{"a.nl"})
			return err
		}},
		{"Listen", func(ctx context.Context, s *store.Store) error { return s.Listen(ctx, func(record.Kind) {}) }},
	}
}

// wantOurs fails if an error of the driver shows through.
func wantOurs(t *testing.T, name string, err error) {
	t.Helper()
	var (
		refusal  *pgconn.PgError
		connect  *pgconn.ConnectError
		parse    *pgconn.ParseConfigError
		prepared *pgconn.PrepareError
	)
	if errors.As(err, &refusal) || errors.As(err, &connect) || errors.As(err, &parse) || errors.As(err, &prepared) ||
		errors.Is(err, pgx.ErrNoRows) || errors.Is(err, pgx.ErrTxClosed) {
		t.Errorf("%s: an error of the driver: %#v", name, err)
	}
}

func TestClosedStoreIsUnavailable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.store.Close()
	for _, m := range methods() {
		err := m.call(t.Context(), b.store)
		if !errors.Is(err, pg.ErrUnavailable) {
			t.Errorf("%s: %v", m.name, err)
		}
		wantOurs(t, m.name, err)
	}
}

func TestCanceledContextSaysSo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, m := range methods() {
		err := m.call(ctx, b.store)
		if !errors.Is(err, context.Canceled) || errors.Is(err, pg.ErrUnavailable) {
			t.Errorf("%s: %v", m.name, err)
		}
		wantOurs(t, m.name, err)
	}
}

// While a migration is under way a table may be missing: that passes, and whatever Postgres says tells its SQLSTATE.
func TestWhatPassesKeepsItsCode(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, table := range list[string](b, `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'`) {
		b.exec(`DROP TABLE ` + pgx.Identifier{table}.Sanitize() + ` CASCADE`)
	}
	for _, m := range methods() {
		if m.name == "Ping" || m.name == "Listen" {
			continue // they ask no table
		}
		err := m.call(t.Context(), b.store)
		var later *pg.UnavailableError
		if !errors.As(err, &later) || !errors.Is(err, pg.ErrUnavailable) || later.Code != "42P01" || later.Action == "" ||
			!strings.HasPrefix(err.Error(), later.Action+": ") || !strings.HasSuffix(err.Error(), "(SQLSTATE 42P01)") {
			t.Errorf("%s: %v", m.name, err)
		}
		wantOurs(t, m.name, err)
	}
}

// Only what blames the data is final. Everything else is somebody's to set right.
func TestOnlyRefusedDataAreFinal(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`CREATE TABLE says (code text)`)
	b.exec(`CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS $$
		DECLARE said text; BEGIN
			SELECT code INTO said FROM says;
			RAISE EXCEPTION 'as told' USING ERRCODE = said;
		END $$`)
	b.exec(`CREATE TRIGGER say BEFORE INSERT ON holds FOR EACH ROW EXECUTE FUNCTION say()`)
	b.exec(`INSERT INTO says VALUES ('')`)
	hold := func() error {
		_, err := b.store.Holds.Hold(t.Context(), holds.NewHold{Account: "default", Reason: holds.Auth, Scope: holds.ScopeAll, ProbeEvery: time.Hour})
		return err
	}
	for code, final := range map[string]bool{
		"22003": true, "22021": true, "23505": true, "23514": true,
		"25006": false, "25P03": false, "58030": false, "53100": false, "55P03": false, "XX000": false, "XX001": false, "42P01": false,
		"42501": false, "40001": false, "40P01": false, "57P01": false, "57014": false, "P0001": false, "0A000": false, "28P01": false, "3D000": false,
	} {
		b.exec(`UPDATE says SET code = $1`, code)
		err := hold()
		var refused *pg.Error
		if errors.As(err, &refused) != final || errors.Is(err, pg.ErrUnavailable) == final {
			t.Errorf("%s: %v, final should be %v", code, err, final)
		}
		if want := "hold account: as told (SQLSTATE " + code + ")"; err == nil || err.Error() != want {
			t.Errorf("%s: it says %q, want %q", code, err, want)
		}
		wantOurs(t, code, err)
	}
}

// A backend that is gone is an absence, not a refusal. The next statement has a new one.
func TestTerminatedBackendIsUnavailable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.open(store.Options{MaxConns: 1})
	_, err := s.Orders.Submit(t.Context(), newOrder(record.Whois, "r"), func(yield func(orders.NewJob, error) bool) {
		b.terminate()
		for _, j := range newJobs(names("a", 5000)...) {
			if !yield(j, nil) {
				return
			}
		}
	})
	if !errors.Is(err, pg.ErrUnavailable) {
		t.Errorf("error is %v", err)
	}
	wantOurs(t, "Submit", err)
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if n := get[int](b, `SELECT count(*) FROM orders`); n != 0 {
		t.Error("half an order was left")
	}
}

// terminate ends every connection of bulkreg to this database.
func (b *bench) terminate() {
	b.t.Helper()
	b.exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'bulkreg'`)
}

// secret stands in every field that could find its way into an error.
const secret = "jan.jansen@example.be"

// Refused rows are not repeated in the error: they may hold personal data.
func TestErrorsHoldNoRowData(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(record.Register, secret, "b.nl")
	job, other := h.jobs[1].ID, h.jobs[0].ID
	call := b.intend(batch{h.claim, h.jobs[:1]})
	ctx := t.Context()
	submit := func(n orders.NewOrder, j orders.NewJob) error {
		_, err := b.store.Orders.Submit(ctx, n, yielded([]orders.NewJob{j}))
		return err
	}
	long := strings.Repeat(secret, 10)
	known := orders.NewJob{ID: other, Domain: secret}
	settle := func(tr ledger.Transition) error {
		_, err := b.store.Ledger.Settle(ctx, h.claim, ledger.CallResult{ID: call, Error: secret}, []ledger.Transition{tr})
		return err
	}
	paid := func(p ledger.PaidTransition) error {
		_, err := b.store.Ledger.SettlePaid(ctx, h.claim, ledger.CallResult{ID: call, Error: secret}, []ledger.PaidTransition{p})
		return err
	}
	read := func(r ledger.Reading) error {
		_, err := b.store.Ledger.SettleCheck(ctx, h.claim, ledger.CheckResult{Call: ledger.CallResult{ID: call}, Readings: []ledger.Reading{r}})
		return err
	}
	adopt := func(j orders.NewJob) error {
		_, err := b.store.Orders.AdoptJobs(ctx, newOrder(record.Register, "own "+j.ID.String()), []orders.NewJob{j})
		return err
	}
	intend := newCall(h.claim, record.OpRegister)
	intend.ID = call
	for name, c := range map[string]struct {
		err  error
		code string
	}{
		"a reference that is too long":       {submit(newOrder(record.Whois, long), orders.NewJob{ID: newID()}), "23514"},
		"an id that is taken":                {submit(newOrder(record.Whois, "x"), known), "23505"},
		"the same of a registration":         {submit(newOrder(record.Register, "y"), orders.NewJob{ID: other, Domain: "c" + secret}), "23505"},
		"a kind that does not exist":         {submit(newOrder(record.Kind(secret), "z"), known), "23514"},
		"a period of less than nothing":      {submit(newOrder(record.Whois, "p"), orders.NewJob{ID: newID(), Domain: secret, PeriodMonths: -1}), "23514"},
		"a domain with a zero byte":          {submit(newOrder(record.Whois, "q"), orders.NewJob{ID: newID(), Domain: secret + "\x00"}), "22021"},
		"a domain that is no UTF-8":          {submit(newOrder(record.Whois, "s"), orders.NewJob{ID: newID(), Domain: secret + "\xff"}), "22021"},
		"an adopted domain with a zero byte": {adopt(orders.NewJob{ID: newID(), Domain: secret + "\x00", HolderID: secret}), "22P05"},
		"an adopted period":                  {adopt(orders.NewJob{ID: newID(), Domain: secret + ".nl", PeriodMonths: -1}), "23514"},
		"a call twice":                       {b.store.Ledger.StartCall(ctx, intend), "23505"},
		"an operation that does not exist":   {b.store.Ledger.StartCall(ctx, newCall(h.claim, record.Op(secret))), "23514"},
		"an intent twice": {func() error {
			_, _, err := b.store.Ledger.Intend(ctx, ledger.Intent{Call: intend, Jobs: []uuid.UUID{job}})
			return err
		}(), "23505"},
		"an outcome that does not fit": {settle(ledger.Succeed(job, record.Outcome(secret))), "23514"},
		"an attempt's end":             {paid(ledger.PaidTransition{Transition: ledger.Stay(other), Attempt: secret, Message: secret}), "23514"},
		"text with a zero byte":        {settle(ledger.Fail(job, record.Rejected, secret+"\x00")), "22021"},
		"a reading":                    {read(ledger.Reading{Job: job, Availability: secret, Status: secret}), "23514"},
		"a reading of nothing":         {read(ledger.Reading{Job: newID(), Availability: record.Taken, Status: secret}), "23503"},
	} {
		var refused *pg.Error
		if !errors.As(c.err, &refused) || refused.Code != c.code {
			t.Errorf("%s: %v, want SQLSTATE %s", name, c.err, c.code)
			continue
		}
		if strings.Contains(fmt.Sprintf("%v %+v", c.err, *refused), "jansen") {
			t.Errorf("%s: row data in %v", name, c.err)
		}
		if strings.HasPrefix(c.code, "23") != (refused.Constraint != "") {
			t.Errorf("%s: constraint %q", name, refused.Constraint)
		}
		wantOurs(t, name, c.err)
	}
}
