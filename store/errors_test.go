package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

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
	some := []store.DeliveredJob{{ID: id}}
	call := store.CallResult{ID: newID()}
	order := func(kind store.Kind) func(ctx context.Context, s *store.Store) error {
		return func(ctx context.Context, s *store.Store) error {
			_, err := s.Submit(ctx, newOrder(kind, "r"), yielded(newJobs("a.nl")))
			return err
		}
	}
	return []method{
		{"Ping", func(ctx context.Context, s *store.Store) error { return s.Ping(ctx) }},
		{"Submit checks", order(store.Whois)},
		{"Submit registrations", order(store.Register)},
		{"Lookup", func(ctx context.Context, s *store.Store) error {
			_, _, err := s.Lookup(ctx, newOrder(store.Whois, "r"))
			return err
		}},
		{"AdoptJobs", func(ctx context.Context, s *store.Store) error {
			_, err := s.AdoptJobs(ctx, newOrder(store.Whois, "own"), newJobs("a.nl"))
			return err
		}},
		{"TakeFresh", func(ctx context.Context, s *store.Store) error {
			_, err := s.TakeFresh(ctx, lotOf(store.Whois), 1, 0)
			return err
		}},
		{"TakeDue", func(ctx context.Context, s *store.Store) error {
			_, err := s.TakeDue(ctx, lotOf(store.Whois), 1, 1, 0)
			return err
		}},
		{"Undeliver", func(ctx context.Context, s *store.Store) error { return s.Undeliver(ctx, some, 0) }},
		{"RecoverChunks", func(ctx context.Context, s *store.Store) error {
			_, _, err := s.RecoverChunks(ctx, 1)
			return err
		}},
		{"Claim", func(ctx context.Context, s *store.Store) error {
			_, err := s.Claim(ctx, newClaim(store.Whois), some)
			return err
		}},
		{"StartCall", func(ctx context.Context, s *store.Store) error { return s.StartCall(ctx, newCall(id, store.OpWhois)) }},
		{"ExpireClaims", func(ctx context.Context, s *store.Store) error {
			_, err := s.ExpireClaims(ctx, 1, 0)
			return err
		}},
		{"Histories", func(ctx context.Context, s *store.Store) error {
			_, err := s.Histories(ctx, id, store.Proof{})
			return err
		}},
		{"SettleCheck", func(ctx context.Context, s *store.Store) error {
			_, err := s.SettleCheck(ctx, id, store.CheckResult{Readings: []store.Reading{{Job: id, Availability: store.Taken}}})
			return err
		}},
		{"Intend", func(ctx context.Context, s *store.Store) error {
			_, err := s.Intend(ctx, store.Intent{Call: newCall(id, store.OpRegister), Jobs: []uuid.UUID{id}})
			return err
		}},
		{"Settle", func(ctx context.Context, s *store.Store) error {
			_, err := s.Settle(ctx, id, call, []store.Transition{store.Succeed(id, store.Taken)})
			return err
		}},
		{"SettlePaid", func(ctx context.Context, s *store.Store) error {
			_, err := s.SettlePaid(ctx, id, call, []store.PaidTransition{{Transition: store.Stay(id), Attempt: store.AttemptFailed}})
			return err
		}},
		{"Release", func(ctx context.Context, s *store.Store) error {
			_, err := s.Release(ctx, id, 0, "")
			return err
		}},
		{"Hold", func(ctx context.Context, s *store.Store) error {
			_, err := s.Hold(ctx, store.NewHold{Account: "default", Reason: store.HoldAuth, Scope: store.ScopeAll, ProbeEvery: time.Hour})
			return err
		}},
		{"Lift", func(ctx context.Context, s *store.Store) error {
			_, err := s.Lift(ctx, store.Probe{Account: "default", Reason: store.HoldAuth})
			return err
		}},
		{"Resume", func(ctx context.Context, s *store.Store) error {
			_, err := s.Resume(ctx, "")
			return err
		}},
		{"Stopped", func(ctx context.Context, s *store.Store) error {
			_, err := s.Stopped(ctx)
			return err
		}},
		{"HoldDue", func(ctx context.Context, s *store.Store) error {
			_, err := s.HoldDue(ctx, lotOf(store.Whois), 1)
			return err
		}},
		{"WakeHeld", func(ctx context.Context, s *store.Store) error {
			_, err := s.WakeHeld(ctx, "default", 1)
			return err
		}},
		{"TakeProbe", func(ctx context.Context, s *store.Store) error {
			_, _, err := s.TakeProbe(ctx, "default", []store.Kind{store.Whois}, time.Hour, time.Hour)
			return err
		}},
		{"FindOrder", func(ctx context.Context, s *store.Store) error {
			_, err := s.FindOrder(ctx, "test", "r")
			return err
		}},
		{"ListOrders", func(ctx context.Context, s *store.Store) error {
			_, err := s.ListOrders(ctx, "", 1)
			return err
		}},
		{"Summarize", func(ctx context.Context, s *store.Store) error {
			_, err := s.Summarize(ctx, store.Order{ID: 1})
			return err
		}},
		{"Jobs", func(ctx context.Context, s *store.Store) error {
			for _, err := range s.Jobs(ctx, 1, store.JobFilter{}) {
				return err
			}
			return nil
		}},
		{"FindJob", func(ctx context.Context, s *store.Store) error {
			_, _, err := s.FindJob(ctx, id)
			return err
		}},
		{"Claimants", func(ctx context.Context, s *store.Store) error {
			_, err := s.Claimants(ctx, []string{"a.nl"})
			return err
		}},
		{"Listen", func(ctx context.Context, s *store.Store) error { return s.Listen(ctx, func(store.Kind) {}) }},
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
		if !errors.Is(err, store.ErrUnavailable) {
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
		if !errors.Is(err, context.Canceled) || errors.Is(err, store.ErrUnavailable) {
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
		var later *store.UnavailableError
		if !errors.As(err, &later) || !errors.Is(err, store.ErrUnavailable) || later.Code != "42P01" || later.Action == "" ||
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
		_, err := b.store.Hold(t.Context(), store.NewHold{Account: "default", Reason: store.HoldAuth, Scope: store.ScopeAll, ProbeEvery: time.Hour})
		return err
	}
	for code, final := range map[string]bool{
		"22003": true, "22021": true, "23505": true, "23514": true,
		"25006": false, "25P03": false, "58030": false, "53100": false, "55P03": false, "XX000": false, "XX001": false, "42P01": false,
		"42501": false, "40001": false, "40P01": false, "57P01": false, "57014": false, "P0001": false, "0A000": false, "28P01": false, "3D000": false,
	} {
		b.exec(`UPDATE says SET code = $1`, code)
		err := hold()
		var refused *store.Error
		if errors.As(err, &refused) != final || errors.Is(err, store.ErrUnavailable) == final {
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
	_, err := s.Submit(t.Context(), newOrder(store.Whois, "r"), func(yield func(store.NewJob, error) bool) {
		b.terminate()
		for _, j := range newJobs(names("a", 5000)...) {
			if !yield(j, nil) {
				return
			}
		}
	})
	if !errors.Is(err, store.ErrUnavailable) {
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
	h := b.running(store.Register, secret, "b.nl")
	job, other := h.jobs[1].ID, h.jobs[0].ID
	call := b.intend(batch{h.claim, h.jobs[:1]})
	ctx := t.Context()
	submit := func(n store.NewOrder, j store.NewJob) error {
		_, err := b.store.Submit(ctx, n, yielded([]store.NewJob{j}))
		return err
	}
	long := strings.Repeat(secret, 10)
	known := store.NewJob{ID: other, Domain: secret}
	settle := func(tr store.Transition) error {
		_, err := b.store.Settle(ctx, h.claim, store.CallResult{ID: call, Error: secret}, []store.Transition{tr})
		return err
	}
	paid := func(p store.PaidTransition) error {
		_, err := b.store.SettlePaid(ctx, h.claim, store.CallResult{ID: call, Error: secret}, []store.PaidTransition{p})
		return err
	}
	read := func(r store.Reading) error {
		_, err := b.store.SettleCheck(ctx, h.claim, store.CheckResult{Call: store.CallResult{ID: call}, Readings: []store.Reading{r}})
		return err
	}
	adopt := func(j store.NewJob) error {
		_, err := b.store.AdoptJobs(ctx, newOrder(store.Register, "own "+j.ID.String()), []store.NewJob{j})
		return err
	}
	intend := newCall(h.claim, store.OpRegister)
	intend.ID = call
	for name, c := range map[string]struct {
		err  error
		code string
	}{
		"a reference that is too long":       {submit(newOrder(store.Whois, long), store.NewJob{ID: newID()}), "23514"},
		"an id that is taken":                {submit(newOrder(store.Whois, "x"), known), "23505"},
		"the same of a registration":         {submit(newOrder(store.Register, "y"), store.NewJob{ID: other, Domain: "c" + secret}), "23505"},
		"a kind that does not exist":         {submit(newOrder(store.Kind(secret), "z"), known), "23514"},
		"a period of less than nothing":      {submit(newOrder(store.Whois, "p"), store.NewJob{ID: newID(), Domain: secret, PeriodMonths: -1}), "23514"},
		"a domain with a zero byte":          {submit(newOrder(store.Whois, "q"), store.NewJob{ID: newID(), Domain: secret + "\x00"}), "22021"},
		"a domain that is no UTF-8":          {submit(newOrder(store.Whois, "s"), store.NewJob{ID: newID(), Domain: secret + "\xff"}), "22021"},
		"an adopted domain with a zero byte": {adopt(store.NewJob{ID: newID(), Domain: secret + "\x00", HolderID: secret}), "22P05"},
		"an adopted period":                  {adopt(store.NewJob{ID: newID(), Domain: secret + ".nl", PeriodMonths: -1}), "23514"},
		"a call twice":                       {b.store.StartCall(ctx, intend), "23505"},
		"an operation that does not exist":   {b.store.StartCall(ctx, newCall(h.claim, store.Op(secret))), "23514"},
		"an intent twice": {func() error {
			_, err := b.store.Intend(ctx, store.Intent{Call: intend, Jobs: []uuid.UUID{job}})
			return err
		}(), "23505"},
		"an outcome that does not fit": {settle(store.Succeed(job, store.Outcome(secret))), "23514"},
		"an attempt's end":             {paid(store.PaidTransition{Transition: store.Stay(other), Attempt: secret, Message: secret}), "23514"},
		"text with a zero byte":        {settle(store.Fail(job, store.Rejected, secret+"\x00")), "22021"},
		"a reading":                    {read(store.Reading{Job: job, Availability: secret, Status: secret}), "23514"},
		"a reading of nothing":         {read(store.Reading{Job: newID(), Availability: store.Taken, Status: secret}), "23503"},
	} {
		var refused *store.Error
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
