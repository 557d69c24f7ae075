package store_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/delivery"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/pg"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
)

// strangers are orders that have nothing to do with the order "own" of source "test", of kind and of account "default".
func strangers(kind record.Kind) map[string]orders.NewOrder {
	other := map[record.Kind]record.Kind{record.Whois: record.Register, record.Register: record.Whois}
	sold, partner := newOrder(kind, "own"), newOrder(kind, "partner's")
	sold.Source, partner.Account = "stranger", "partner"
	return map[string]orders.NewOrder{
		"another order": newOrder(kind, "theirs"), "another source": sold, "another account": partner,
		"another kind": newOrder(other[kind], "of another kind"),
	}
}

// What comes in with the id of somebody else's job is refused as a whole, and says so: it neither ends the other's job nor is
// taken for a repeat of it.
func TestIncomingJobsWithForeignIDs(t *testing.T) {
	t.Parallel()
	ways := map[string]func(b *bench, n orders.NewOrder, jobs []orders.NewJob) error{
		"submit": func(b *bench, n orders.NewOrder, jobs []orders.NewJob) error {
			_, err := b.store.Orders.Submit(b.t.Context(), n, yielded(jobs))
			return err
		},
		"adopt": func(b *bench, n orders.NewOrder, jobs []orders.NewJob) error {
			_, err := b.store.Orders.AdoptJobs(b.t.Context(), n, jobs)
			return err
		},
		"adopt, rejected": func(b *bench, n orders.NewOrder, jobs []orders.NewJob) error {
			jobs[1].Rejected = "there is no such account"
			_, err := b.store.Orders.AdoptJobs(b.t.Context(), n, jobs)
			return err
		},
		"grow": func(b *bench, n orders.NewOrder, jobs []orders.NewJob) error {
			b.adopt(n, newJobs("first.nl"))
			_, err := b.store.Orders.AdoptJobs(b.t.Context(), n, jobs)
			return err
		},
	}
	for way, enter := range ways {
		for _, kind := range []record.Kind{record.Whois, record.Register} {
			t.Run(way+" "+string(kind), func(t *testing.T) {
				t.Parallel()
				b := setup(t)
				for whose, theirs := range strangers(kind) {
					domain := strings.ReplaceAll(whose, " ", "-") + ".nl"
					b.submit(theirs, domain)
					id := b.idOf(domain)
					for _, wanted := range []string{domain, "own.nl"} {
						before := b.rowsOf(theirs)
						err := enter(b, newOrder(kind, "own"), append(newJobs("good.nl"), orders.NewJob{ID: id, Domain: wanted, HolderID: "H"}))
						var taken *pg.JobTakenError
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
func (b *bench) rowsOf(n orders.NewOrder) string {
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
	for _, kind := range []record.Kind{record.Whois, record.Register} {
		b := setup(t)
		b.submit(newOrder(kind, "another"), "c.nl")
		n, twice := newOrder(kind, "own"), newJobs("a.nl", "b.nl")
		twice[1].ID = twice[0].ID
		before := b.fingerprint()
		for name, err := range map[string]error{
			"adopted at once": func() error { _, err := b.store.Orders.AdoptJobs(t.Context(), n, twice); return err }(),
			"submitted":       func() error { _, err := b.store.Orders.Submit(t.Context(), n, yielded(twice)); return err }(),
		} {
			if !errors.As(err, new(*pg.JobTakenError)) {
				t.Errorf("%s %s: %v", kind, name, err)
			}
		}
		if b.fingerprint() != before {
			t.Errorf("%s: something was written", kind)
		}
		b.adopt(n, twice[:1])
		if _, err := b.store.Orders.AdoptJobs(t.Context(), n, twice[1:]); !errors.As(err, new(*pg.JobTakenError)) {
			t.Errorf("%s, one after the other: %v", kind, err)
		}
		b.sound("after the refusals")
	}
}

// givenFromOutside are the statements that take ids from a delivery, which anybody may have written who can write to Redis.
func givenFromOutside() map[string]func(b *bench, n orders.NewOrder, job record.DeliveredJob) error {
	return map[string]func(b *bench, n orders.NewOrder, job record.DeliveredJob) error{
		"claim": func(b *bench, n orders.NewOrder, job record.DeliveredJob) error {
			c := newClaim(n.Kind)
			c.Account = n.Account
			_, err := b.store.Ledger.Claim(b.t.Context(), c, []record.DeliveredJob{job})
			return err
		},
		"give back": func(b *bench, _ orders.NewOrder, job record.DeliveredJob) error {
			return b.store.Delivery.Undeliver(b.t.Context(), []record.DeliveredJob{job}, 5*time.Hour)
		},
		"keep jobs": func(b *bench, _ orders.NewOrder, job record.DeliveredJob) error {
			return b.store.Ledger.KeepDeliveries(b.t.Context(), ledger.Waiting{Jobs: []record.DeliveredJob{job}, Redeliver: 5 * time.Hour})
		},
		"keep chunks": func(b *bench, _ orders.NewOrder, job record.DeliveredJob) error {
			return b.store.Ledger.KeepDeliveries(b.t.Context(), ledger.Waiting{
				Chunks: []uuid.UUID{job.ID}, ChunksOf: []record.Origin{job.Of}, Redeliver: 5 * time.Hour,
			})
		},
	}
}

func originOf(n orders.NewOrder) record.Origin {
	return record.Origin{Source: n.Source, Reference: n.Reference, Kind: n.Kind, Account: n.Account}
}

// A delivery reaches the jobs of the order, source, kind and account that it names, and no row of any other, whatever ids are in
// it. Every job is tried with every origin.
func TestDeliveriesWithForeignIDs(t *testing.T) {
	t.Parallel()
	for name, run := range givenFromOutside() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			orders := strangers(record.Whois)
			orders["own"] = newOrder(record.Whois, "own")
			wrong := map[string]record.Origin{"nothing that is there": {Source: "test", Reference: "nothing", Kind: record.Whois, Account: "default"}}
			for whose, n := range orders {
				wrong[whose] = originOf(n)
			}
			own := wrong["own"]
			own.Kind = record.Register
			wrong["its order, for another kind"] = own
			own.Kind, own.Account = record.Whois, "partner"
			wrong["its order, for another account"] = own

			for whose, n := range orders {
				job := b.deliveredAlone(n, strings.ReplaceAll(whose, " ", "-")+".nl", name == "keep chunks")
				for origin, of := range wrong {
					if origin == whose {
						continue
					}
					job.Of = of
					before := b.fingerprint()
					if err := run(b, n, job); err != nil {
						t.Error(err)
					}
					if b.fingerprint() != before {
						t.Errorf("a delivery of %s changed a job of %s", origin, whose)
					}
					if n, err := b.store.Orders.Strangers(t.Context(), []record.DeliveredJob{job}); err != nil || n != 1 {
						t.Errorf("%d strangers, %v", n, err)
					}
				}
				job.Of = wrong[whose]
				before := b.fingerprint()
				if err := run(b, n, job); err != nil || b.fingerprint() == before {
					t.Errorf("a delivery of its own did not change a job of %s: %v", whose, err)
				}
				if n, err := b.store.Orders.Strangers(t.Context(), []record.DeliveredJob{job}); err != nil || n != 0 {
					t.Errorf("%d strangers of its own, %v", n, err)
				}
			}
		})
	}
}

// deliveredAlone submits an order of one job and takes it for delivery, in its chunk or by itself.
func (b *bench) deliveredAlone(n orders.NewOrder, domain string, inChunk bool) record.DeliveredJob {
	b.t.Helper()
	o := b.submit(n, domain).Order
	lot := delivery.Lot{Kind: n.Kind, Lane: n.Lane, Account: n.Account}
	deliveries, err := b.store.Delivery.TakeUndelivered(b.t.Context(), lot, 10, time.Minute)
	if err == nil && !inChunk {
		b.exec(`UPDATE jobs SET wake_at = now() WHERE order_id = $1`, o.ID)
		deliveries, err = b.store.Delivery.TakeDue(b.t.Context(), lot, 10, 10, time.Minute)
	}
	if err != nil || len(deliveries) != 1 || len(deliveries[0].Jobs) != 1 {
		b.t.Fatalf("took %v, %v", deliveries, err)
	}
	return deliveries[0].Jobs[0]
}

// One delivery with jobs of its own and others gets its own, all of them.
func TestForeignIDsAmongOwnOnes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	own, theirs := newOrder(record.Whois, "own"), newOrder(record.Whois, "theirs")
	second := newOrder(record.Whois, "second")
	b.submit(own, names("own", 5)...)
	b.submit(theirs, names("theirs", 5)...)
	b.submit(second, names("second", 5)...)
	jobs := b.fresh(record.Whois)
	for i := range jobs {
		jobs[i].Of = originOf(own)
		if strings.HasPrefix(jobs[i].Domain, "second") {
			jobs[i].Of = originOf(second)
		}
	}
	before := b.rowsOf(theirs)
	if n, err := b.store.Orders.Strangers(t.Context(), append(jobs, record.DeliveredJob{ID: newID()})); err != nil || n != 6 {
		t.Errorf("%d strangers, %v", n, err)
	}
	if h := b.claim(newClaim(record.Whois), jobs); len(h.jobs) != 10 || h.jobs[0].Domain != "own-0000.nl" || h.jobs[9].Domain != "second-0004.nl" {
		t.Errorf("claimed %+v", h.jobs)
	}
	if b.rowsOf(theirs) != before {
		t.Error("their rows changed")
	}
}

// A job that is delivered twice at once is claimed if one of the deliveries is right. The other one may be older, or forged: whoever
// knows an id could keep its job from ever being claimed.
func TestWrongDeliveriesHideNoRightOne(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*record.DeliveredJob){
		"of a stranger's order": func(j *record.DeliveredJob) { j.Of.Source = "stranger" },
		"of another order":      func(j *record.DeliveredJob) { j.Of.Reference = "theirs" },
		"of an older epoch":     func(j *record.DeliveredJob) { j.Epoch-- },
		"of an epoch to come":   func(j *record.DeliveredJob) { j.Epoch++ },
	} {
		for _, order := range [][]int{{0, 1}, {1, 0}} {
			b := setup(t)
			n := newOrder(record.Whois, "own")
			b.submit(newOrder(record.Whois, "theirs"), "theirs.nl")
			b.exec(`UPDATE chunks SET wake_at = now() + interval '1 hour'`)
			right := b.deliveredAlone(n, "own.nl", false)
			right.Of = originOf(n)
			wrong := right
			spoil(&wrong)
			given := []record.DeliveredJob{right, wrong}
			h := b.claim(newClaim(record.Whois), []record.DeliveredJob{given[order[0]], given[order[1]]})
			if len(h.jobs) != 1 || h.jobs[0].ID != right.ID {
				t.Errorf("beside a delivery %s, in the order %v, the job is not claimed: %+v", name, order, h.jobs)
			}
			if h := b.claim(newClaim(record.Whois), []record.DeliveredJob{wrong, right}); len(h.jobs) != 0 {
				t.Errorf("beside a delivery %s, the job is claimed twice", name)
			}
		}
	}
}

// What an operator does to an order, or to some of its jobs, changes no row of another one.
func TestActsLeaveOtherOrdersAlone(t *testing.T) {
	t.Parallel()
	for _, kind := range []record.Kind{record.Whois, record.Register} {
		b := setup(t)
		all := strangers(kind)
		before := map[string]string{}
		own := b.submit(newOrder(kind, "own"), "own.nl", "own-too.nl").Order
		for whose, n := range all {
			b.submit(n, strings.ReplaceAll(whose, " ", "-")+".nl")
		}
		for whose, n := range all {
			before[whose] = b.rowsOf(n)
		}
		b.carryOut(operator.Request{Act: operator.Cancel, Operator: "op", Jobs: []uuid.UUID{b.idOf("own.nl")}})
		b.carryOut(operator.Request{Act: operator.Cancel, Operator: "op", Orders: []record.Order{own}})
		b.carryOut(operator.Request{Act: operator.Retry, Operator: "op", Orders: []record.Order{own}})
		for whose, n := range all {
			if b.rowsOf(n) != before[whose] {
				t.Errorf("%s: an act on an order changed the rows of %s", kind, whose)
			}
		}
	}
}
