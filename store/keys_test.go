package store_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store/keys"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"
)

// makeKey makes a key of a source.
func (b *bench) makeKey(id, source string, limits keys.Limits) {
	b.t.Helper()
	k := keys.NewKey{ID: id, Source: source, Role: "submit", Digest: sha256.Sum256([]byte(id)), By: "ann", Limits: limits}
	if err := b.store.Keys.Create(b.t.Context(), k); err != nil {
		b.t.Fatal(err)
	}
}

const aKey = "aaaaaaaaaa"

// booked is what stands on record for the key, by day.
func (b *bench) booked() string {
	b.t.Helper()
	return get[string](b, `SELECT coalesce(string_agg(jobs || '/' || registrations, ' ' ORDER BY day), '') FROM api_key_days WHERE key_id = $1`, aKey)
}

// A key is found whether it is good or not, and says what it is. What it may do and when it ends stay as they were given.
func TestKeysAreFoundAndRevoked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	limits := keys.Limits{RequestsPerMinute: 1, JobsPerDay: 2, RegistrationsPerDay: 3, JobsPerOrder: 4}
	b.makeKey(aKey, "shop", limits)
	b.makeKey("cccccccccc", "erp", keys.Limits{})
	k := keys.NewKey{ID: "dddddddddd", Source: "shop", Role: "read", Digest: sha256.Sum256([]byte("d")), By: "bob", Life: time.Hour}
	if err := b.store.Keys.Create(ctx, k); err != nil {
		t.Fatal(err)
	}
	find := func(id string) keys.Key {
		t.Helper()
		found, err := b.store.Keys.Find(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	first := find(aKey)
	if want := sha256.Sum256([]byte(aKey)); !first.Good() || first.Source != "shop" || first.Role != "submit" || !bytes.Equal(first.Digest, want[:]) ||
		first.CreatedBy != "ann" || first.CreatedAt.IsZero() || first.Limits != limits || !first.ExpiresAt.IsZero() || !first.RevokedAt.IsZero() || !first.LastUsedAt.IsZero() {
		t.Errorf("found %+v", first)
	}
	if last := find(k.ID); !last.Good() || last.ExpiresAt.Sub(last.CreatedAt) != time.Hour {
		t.Errorf("found %+v", last)
	}
	b.exec(`UPDATE api_keys SET created_at = created_at - interval '2 hours', expires_at = expires_at - interval '2 hours' WHERE id = $1`, k.ID)
	if last := find(k.ID); last.Good() || !last.Expired {
		t.Errorf("after its time %+v", last)
	}
	past := keys.NewKey{ID: "ffffffffff", Source: "shop", Role: "read", By: "bob", Until: time.Now().Add(-time.Hour)}
	if err := b.store.Keys.Create(ctx, past); !errors.Is(err, keys.ErrPast) {
		t.Errorf("of the past: %v", err)
	}
	if good, err := b.store.Keys.GoodIDs(ctx); err != nil || len(good) != 2 || slices.Contains(good, k.ID) {
		t.Errorf("good are %v, %v", good, err)
	}
	for want, of := range map[string]string{"cccccccccc dddddddddd aaaaaaaaaa": "", "dddddddddd aaaaaaaaaa": "shop", "cccccccccc": "erp", "": "none"} {
		list, err := b.store.Keys.List(ctx, of)
		var ids []string
		for _, k := range list {
			ids = append(ids, k.ID)
		}
		if got := strings.Join(ids, " "); got != want || err != nil {
			t.Errorf("of %q: %q, want %q, %v", of, got, want, err)
		}
	}
	for _, want := range []int{1, 0} { // who revoked it first stays on record
		ended, err := b.store.Keys.Revoke(ctx, []string{aKey, "eeeeeeeeee"}, strings.Repeat("b", 1+want))
		if err != nil || len(ended) != want {
			t.Errorf("revoked %v, %v", ended, err)
		}
	}
	if good, err := b.store.Keys.GoodIDs(ctx); err != nil || !slices.Equal(good, []string{"cccccccccc"}) {
		t.Errorf("good are %v, %v", good, err)
	}
	if first = find(aKey); first.Good() || first.RevokedBy != "bb" || !find("cccccccccc").Good() {
		t.Errorf("after it was revoked %+v", first)
	}
	if _, err := b.store.Keys.Find(ctx, "eeeeeeeeee"); !errors.Is(err, pg.ErrNotFound) {
		t.Errorf("one that there is not: %v", err)
	}
}

// A key's use is written once a minute, and not for each request.
func TestUseOfKeysIsNotedOnceAMinute(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.makeKey(aKey, "shop", keys.Limits{})
	note := func() (version string) {
		t.Helper()
		if err := b.store.Keys.NoteUse(t.Context(), aKey); err != nil {
			t.Fatal(err)
		}
		return get[string](b, `SELECT xmin::text FROM api_keys WHERE last_used_at IS NOT NULL`)
	}
	first := note()
	if again := note(); again != first {
		t.Error("it is written again at once")
	}
	b.exec(`UPDATE api_keys SET last_used_at = now() - interval '61 seconds'`)
	note()
	if old := get[bool](b, `SELECT last_used_at < now() - interval '1 minute' FROM api_keys`); old {
		t.Error("it is not written after a minute")
	}
}

// book books a charge in a transaction of its own.
func (b *bench) book(c keys.Charge) error {
	return b.store.InTx(b.t.Context(), "book", func(tx pgx.Tx) error { return c.Book(b.t.Context(), tx) })
}

// However many orders come at once, exactly what a key may order in a day is booked.
func TestChargesAreExact(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.makeKey(aKey, "shop", keys.Limits{JobsPerDay: 100, RegistrationsPerDay: 50})
	var booked, refused atomic.Int32
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			var limit *keys.LimitError
			switch err := b.book(keys.Charge{Key: aKey, Jobs: 3, Registrations: 3}); {
			case err == nil:
				booked.Add(1)
			case errors.As(err, &limit) && limit.Registrations && limit.Limit == 50 && limit.Left == 2 && limit.Until > 0 && limit.Until <= 24*time.Hour && !limit.Never():
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if booked.Load() != 16 || refused.Load() != 24 || b.booked() != "48/48" {
		t.Errorf("%d were booked and %d refused; on record are %s", booked.Load(), refused.Load(), b.booked())
	}
}

// What is refused says which limit it is, and whether another day helps. Nothing of it is booked.
func TestChargesSayWhichLimit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.makeKey(aKey, "shop", keys.Limits{JobsPerDay: 10, RegistrationsPerDay: 4})
	for i, c := range []struct {
		jobs, registrations int
		want                string // "": it is booked
		never               bool
		on                  string // record afterwards
	}{
		{11, 0, "10 jobs a day, and the order has 11", true, ""},
		{5, 5, "4 registrations a day, and the order has 5", true, ""},
		{3, 3, "", false, "3/3"},
		{2, 2, "4 registrations a day, and 1 are left", false, "3/3"},
		{7, 0, "", false, "10/3"},
		{1, 1, "10 jobs a day, and 0 are left", false, "10/3"},
	} {
		charge := keys.Charge{Key: aKey, Jobs: c.jobs, Registrations: c.registrations}
		for _, err := range []error{b.store.Keys.Check(t.Context(), charge), b.book(charge)} {
			var limit *keys.LimitError
			if errors.As(err, &limit) != (c.want != "") || limit != nil && (limit.Never() != c.never || !strings.Contains(err.Error(), c.want)) || b.booked() != c.on {
				t.Errorf("%d: %v, on record are %q", i, err, b.booked())
			}
		}
	}
	var none *keys.LimitError
	nobody := keys.Charge{Key: "bbbbbbbbbb", Jobs: 1}
	for _, err := range []error{b.store.Keys.Check(t.Context(), nobody), b.book(nobody)} {
		if !errors.Is(err, pg.ErrNotFound) || errors.As(err, &none) {
			t.Errorf("for no key: %v", err)
		}
	}
}

// A counter without a limit stands in nobody's way, whatever it has come to.
func TestChargesWithoutALimitOfJobs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.makeKey(aKey, "shop", keys.Limits{RegistrationsPerDay: 5})
	b.exec(`INSERT INTO api_key_days (key_id, day, jobs, registrations) VALUES ($1, (now() AT TIME ZONE 'UTC')::date, 2147483647, 0)`, aKey)
	if err := b.book(keys.Charge{Key: aKey, Jobs: 2, Registrations: 2}); err != nil || b.booked() != "2147483647/2" {
		t.Errorf("%v, on record are %s", err, b.booked())
	}
}

// An order is charged with what stores it: not where it is not stored, and not again where it is there already.
func TestOrdersAreChargedOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.makeKey(aKey, "shop", keys.Limits{JobsPerDay: 5})
	submit := func(reference string) (orders.Submitted, error) {
		n := newOrder(record.Whois, reference)
		n.Charge, n.Jobs = keys.Charge{Key: aKey, Jobs: 3}, 3
		return b.store.Orders.Submit(t.Context(), n, yielded(newJobs(names(reference, 3)...)))
	}
	for _, created := range []bool{true, false} {
		if res, err := submit("one"); err != nil || res.Created != created || b.booked() != "3/0" {
			t.Errorf("created %v, %v, on record are %s", res.Created, err, b.booked())
		}
	}
	var limit *keys.LimitError
	if _, err := submit("two"); !errors.As(err, &limit) || b.booked() != "3/0" || get[int](b, `SELECT count(*)::int FROM orders`) != 1 {
		t.Errorf("%v, on record are %s", err, b.booked())
	}
	b.exec(`UPDATE api_key_days SET day = day - 1`) // the next day
	if res, err := submit("two"); err != nil || !res.Created || b.booked() != "3/0 3/0" {
		t.Errorf("on the next day: %v, on record are %s", err, b.booked())
	}
}
