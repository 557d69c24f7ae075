package store_test

import (
	"testing"

	"github.com/bulkreg/bulkreg/store/events"
)

// Old events go, the oldest first and never one behind a younger one, and it is known up to which.
func TestForgetEvents(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`INSERT INTO events (type, at, account, data)
		SELECT 'hold.placed', now() - make_interval(days => age), 'default', jsonb_build_object('age', age) FROM unnest(ARRAY[50, 40, 2, 30, 1]) WITH ORDINALITY AS a (age, n) ORDER BY n`)
	forget := func(limit, want int) {
		t.Helper()
		if n, err := b.store.Events.Forget(t.Context(), 10*day, limit); err != nil || n != want {
			t.Errorf("forgot %d, %v, want %d", n, err, want)
		}
	}
	upTo := func(want int64) {
		t.Helper()
		if id, _, err := b.store.Events.Reach(t.Context()); err != nil || id != want {
			t.Errorf("forgotten up to %d, %v, want %d", id, err, want)
		}
	}
	upTo(0)
	forget(1, 1)
	upTo(1)
	forget(100, 1)
	forget(100, 0) // the next one is young, and the old one comes behind it
	upTo(2)
	b.wantTold(events.Filter{}, `hold.placed {"age": 2}`, `hold.placed {"age": 30}`, `hold.placed {"age": 1}`)
	b.exec(`UPDATE events SET at = now() - interval '20 days'`)
	forget(100, 3)
	forget(100, 0)
	upTo(5)
}

func TestForgetDaysOfKeys(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`INSERT INTO api_keys (id, source, role, digest, created_by) VALUES ('aaaaaaaaaa', 's', 'submit', sha256('secret'), 'ann')`)
	b.exec(`INSERT INTO api_key_days (key_id, day, jobs, registrations) SELECT 'aaaaaaaaaa', (now() AT TIME ZONE 'UTC')::date - age, 1, 1 FROM unnest(ARRAY[0, 1, 7, 8, 400]) AS age`)
	if err := b.store.Keys.ForgetDays(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := get[int](b, `SELECT count(*) FROM api_key_days`); n != 3 {
		t.Errorf("%d days are left", n)
	}
}
