package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/bulkreg/bulkreg/store"
)

// An order whose row somebody holds, such as one of many jobs on its way in, keeps nobody else's chunks waiting for it.
func TestAdoptAllPastALockedOrder(t *testing.T) {
	t.Parallel()
	for name, hold := range map[string]func(b *bench) string{
		"a domain of it on its way in": func(b *bench) string {
			b.submit(newOrder(record.Register, "other"), "other.nl")
			return `UPDATE jobs SET domain = 'm2.nl' WHERE domain = 'other.nl'`
		},
		"on its way in": func(*bench) string {
			return `INSERT INTO orders (source, reference, kind, lane, account, total) VALUES ('test', 'm', 'register', 'plain', 'default', 0)`
		},
		"locked": func(b *bench) string {
			b.adopt(newOrder(record.Register, "m"), newJobs("m1.nl"))
			return `UPDATE orders SET total = total WHERE reference = 'm'`
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			s := b.open(store.Options{LockTimeout: 300 * time.Millisecond})
			tx, err := b.db.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec(t.Context(), hold(b)); err != nil {
				t.Fatal(err)
			}
			errs := s.Orders.AdoptAll(t.Context(), []orders.Adoption{
				{Order: newOrder(record.Register, "a"), Jobs: newJobs("a.nl")},
				{Order: newOrder(record.Register, "m"), Jobs: newJobs("m2.nl")},
				{Order: newOrder(record.Register, "z"), Jobs: newJobs("z.nl")},
			})
			if errs[0] != nil || errs[2] != nil || !errors.Is(errs[1], pg.ErrUnavailable) {
				t.Errorf("adopted with %v", errs)
			}
			if err := tx.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
			b.sound("past the lock")
		})
	}
}
