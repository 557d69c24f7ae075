package worker_test

import (
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/queue"
	"github.com/bulkreg/bulkreg/worker/sandbox"
)

// Events are kept for ever, or for as long as the settings say.
func TestOldEventsAreForgotten(t *testing.T) {
	t.Parallel()
	for name, keep := range map[string]time.Duration{"for ever": 0, "for a day": 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, sandbox.Options{})
			b.sql(`WITH old AS (INSERT INTO events (type, at, account) SELECT 'hold.placed', now() - make_interval(days => age), 'default' FROM unnest(ARRAY[30, 2, 0]) AS age RETURNING 1)
				SELECT count(*) FROM old`)
			b.sql(`WITH k AS (INSERT INTO api_keys (id, source, role, digest, created_by) VALUES ('aaaaaaaaaa', 's', 'submit', sha256('secret'), 'ann') RETURNING id),
				d AS (INSERT INTO api_key_days (key_id, day, jobs, registrations) SELECT id, current_date - 30, 1, 1 FROM k RETURNING 1) SELECT count(*) FROM d`)
			o := b.options()
			o.KeepEvents = keep
			b.work(o)
			b.eventually(func() bool { return b.sql(`SELECT count(*) FROM api_key_days`) == 0 })
			want := 3
			if keep > 0 {
				want = 1
			}
			b.eventually(func() bool { return b.sql(`SELECT count(*) FROM events`) == want })
		})
	}
}

// Jobs of checks are kept for ever, or for as long as the settings say; those of registrations always are.
func TestOldChecksAreRemoved(t *testing.T) {
	t.Parallel()
	b := setup(t, sandbox.Options{})
	o := b.options()
	stop := b.work(o)
	b.settled(b.submit(queue.Whois, "old", names("old", 30)), b.submit(queue.Whois, "young", names("young", 30)), b.submit(queue.Register, "bought", names("bought", 3)))
	b.eventually(func() bool {
		return b.sql(`SELECT count(*) FROM order_standings WHERE completed_jobs IS NOT NULL`) == 3
	})
	stop()
	b.sql(`WITH o AS (UPDATE orders SET created_at = now() - interval '3 days' WHERE reference <> 'young' RETURNING id),
		c AS (UPDATE order_counts SET last_at = now() - interval '2 days' FROM o WHERE order_id = o.id RETURNING 1) SELECT count(*) FROM c`)
	o.KeepWhois, o.KeepTokens = 24*time.Hour, 24*time.Hour
	b.work(o)
	b.eventually(func() bool { return b.sql(`SELECT count(*) FROM jobs`) == 33 })
	b.eventually(func() bool { return b.sql(`SELECT count(*) FROM prunings`) == 0 })
	if n := b.sql(`SELECT count(*) FROM jobs j JOIN orders o ON o.id = j.order_id WHERE o.reference = 'old'`); n != 0 {
		t.Errorf("%d of the old jobs are there", n)
	}
	b.invariants()
}
