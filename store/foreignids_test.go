package store_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/store"
)

// strangers are orders that have nothing to do with the order "own" of source "test", of kind and of account "default".
func strangers(kind store.Kind) map[string]store.NewOrder {
	other := map[store.Kind]store.Kind{store.Whois: store.Register, store.Register: store.Whois}
	sold, partner := newOrder(kind, "own"), newOrder(kind, "partner's")
	sold.Source, partner.Account = "stranger", "partner"
	return map[string]store.NewOrder{
		"another order": newOrder(kind, "theirs"), "another source": sold, "another account": partner,
		"another kind": newOrder(other[kind], "of another kind"),
	}
}

// What comes in with the id of somebody else's job is refused as a whole, and says so: it neither ends the other's job nor is
// taken for a repeat of it.
func TestIncomingJobsWithForeignIDs(t *testing.T) {
	t.Parallel()
	ways := map[string]func(b *bench, n store.NewOrder, jobs []store.NewJob) error{
		"submit": func(b *bench, n store.NewOrder, jobs []store.NewJob) error {
			_, err := b.store.Submit(b.t.Context(), n, yielded(jobs))
			return err
		},
		"adopt": func(b *bench, n store.NewOrder, jobs []store.NewJob) error {
			_, err := b.store.AdoptJobs(b.t.Context(), n, jobs)
			return err
		},
		"adopt, rejected": func(b *bench, n store.NewOrder, jobs []store.NewJob) error {
			jobs[1].Rejected = "there is no such account"
			_, err := b.store.AdoptJobs(b.t.Context(), n, jobs)
			return err
		},
		"grow": func(b *bench, n store.NewOrder, jobs []store.NewJob) error {
			b.adopt(n, newJobs("first.nl"))
			_, err := b.store.AdoptJobs(b.t.Context(), n, jobs)
			return err
		},
	}
	for way, enter := range ways {
		for _, kind := range []store.Kind{store.Whois, store.Register} {
			t.Run(way+" "+string(kind), func(t *testing.T) {
				t.Parallel()
				b := setup(t)
				for whose, theirs := range strangers(kind) {
					domain := strings.ReplaceAll(whose, " ", "-") + ".nl"
					b.submit(theirs, domain)
					id := b.idOf(domain)
					for _, wanted := range []string{domain, "own.nl"} {
						before := b.rowsOf(theirs)
						err := enter(b, newOrder(kind, "own"), append(newJobs("good.nl"), store.NewJob{ID: id, Domain: wanted, HolderID: "H"}))
						var taken *store.JobTakenError
						if !errors.As(err, &taken) || taken.ID != id || strings.Contains(err.Error(), "duplicate key") {
							t.Errorf("%s, %s: %v", whose, wanted, err)
						}
						if after := b.rowsOf(theirs); after != before {
							t.Errorf("%s, %s: their rows changed from\n%s\nto\n%s", whose, wanted, before, after)
						}
					}
				}
				if n := get[int](b, `SELECT count(*) FROM jobs WHERE domain IN ('good.nl', 'own.nl')`); n != 0 {
					t.Errorf("%d jobs came in", n)
				}
				b.sound("after the refusals")
			})
		}
	}
}

// rowsOf tells the rows of an order.
func (b *bench) rowsOf(n store.NewOrder) string {
	b.t.Helper()
	return get[string](b, `
		SELECT string_agg(row, E'\n' ORDER BY row) FROM (
			SELECT o::text FROM orders o WHERE source = $1 AND reference = $2
			UNION ALL SELECT j::text FROM jobs j JOIN orders o ON o.id = j.order_id WHERE source = $1 AND reference = $2
			UNION ALL SELECT c::text FROM chunks c JOIN orders o ON o.id = c.order_id WHERE source = $1 AND reference = $2
		) AS everything (row)`, n.Source, n.Reference)
}

// An id that a producer uses twice is no repeat where the domain is another one.
func TestOneIDForTwoDomains(t *testing.T) {
	t.Parallel()
	for _, kind := range []store.Kind{store.Whois, store.Register} {
		b := setup(t)
		b.submit(newOrder(kind, "another"), "c.nl")
		n, twice := newOrder(kind, "own"), newJobs("a.nl", "b.nl")
		twice[1].ID = twice[0].ID
		before := b.fingerprint()
		for name, err := range map[string]error{
			"adopted at once": func() error { _, err := b.store.AdoptJobs(t.Context(), n, twice); return err }(),
			"submitted":       func() error { _, err := b.store.Submit(t.Context(), n, yielded(twice)); return err }(),
		} {
			if !errors.As(err, new(*store.JobTakenError)) {
				t.Errorf("%s %s: %v", kind, name, err)
			}
		}
		if b.fingerprint() != before {
			t.Errorf("%s: something was written", kind)
		}
		b.adopt(n, twice[:1])
		if _, err := b.store.AdoptJobs(t.Context(), n, twice[1:]); !errors.As(err, new(*store.JobTakenError)) {
			t.Errorf("%s, one after the other: %v", kind, err)
		}
		b.sound("after the refusals")
	}
}
