package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/keys"
	"github.com/bulkreg/bulkreg/store/pg"
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

// However many orders come at once, exactly what a key may order in a day is booked.
func TestReserveIsExact(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.makeKey(aKey, "shop", keys.Limits{JobsPerDay: 100, RegistrationsPerDay: 50})
	var booked, refused atomic.Int32
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			var limit *keys.LimitError
			switch _, err := b.store.Keys.Reserve(t.Context(), aKey, 3, 3); {
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
func TestReserveSaysWhichLimit(t *testing.T) {
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
		_, err := b.store.Keys.Reserve(t.Context(), aKey, c.jobs, c.registrations)
		var limit *keys.LimitError
		if errors.As(err, &limit) != (c.want != "") || limit != nil && (limit.Never() != c.never || !strings.Contains(err.Error(), c.want)) || b.booked() != c.on {
			t.Errorf("%d: %v, on record are %q", i, err, b.booked())
		}
	}
	var none *keys.LimitError
	if _, err := b.store.Keys.Reserve(t.Context(), "bbbbbbbbbb", 1, 0); !errors.Is(err, pg.ErrNotFound) || errors.As(err, &none) {
		t.Errorf("for no key: %v", err)
	}
}

// A counter without a limit stands in nobody's way, whatever it has come to.
func TestReserveWithoutALimitOfJobs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.makeKey(aKey, "shop", keys.Limits{RegistrationsPerDay: 5})
	b.exec(`INSERT INTO api_key_days (key_id, day, jobs, registrations) VALUES ($1, (now() AT TIME ZONE 'UTC')::date, 2147483647, 0)`, aKey)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := b.store.Keys.Reserve(ctx, aKey, 2, 2); err != nil || b.booked() != "2147483647/2" {
		t.Errorf("%v, on record are %s", err, b.booked())
	}
}

// What is given back goes to the day on which it was booked, although the next one has begun.
func TestGiveBackOfYesterday(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.makeKey(aKey, "shop", keys.Limits{JobsPerDay: 10})
	reserve := func(jobs int) keys.Booking {
		t.Helper()
		booking, err := b.store.Keys.Reserve(t.Context(), aKey, jobs, 0)
		if err != nil {
			t.Fatal(err)
		}
		return booking
	}
	giveBack := func(booking keys.Booking) {
		t.Helper()
		if err := b.store.Keys.GiveBack(t.Context(), booking); err != nil {
			t.Error(err)
		}
	}
	before := reserve(4)
	giveBack(reserve(3))
	giveBack(keys.Booking{})
	if got := b.booked(); got != "4/0" {
		t.Errorf("after the first: %s", got)
	}
	// Midnight: the day of the booking is over, and another order came on the next one.
	b.exec(`UPDATE api_key_days SET day = day + 1`)
	b.exec(`INSERT INTO api_key_days SELECT key_id, day - 1, 4, 0 FROM api_key_days`)
	giveBack(before)
	if got := b.booked(); got != "0/0 4/0" {
		t.Errorf("after midnight: %s", got)
	}
}
