package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store"
)

func TestBigHolders(t *testing.T) {
	for _, distinct := range []int{0, 5, 3000, 30_000} {
		b := setup(t)
		const n = 60_000
		jobs := func(yield func(store.NewJob, error) bool) {
			for i := range n {
				j := store.NewJob{ID: newID(), Domain: fmt.Sprintf("a-%d.nl", i), PeriodMonths: 12, HolderID: "H-1"}
				if distinct > 0 {
					j.HolderID, j.Holder = "", digestOf(fmt.Sprint(i%distinct))
					if i < distinct {
						j.HolderDetails = fmt.Appendf(nil, `{"lastname": "name %d", "firstname": "Joost", "email": "joost.%d@example.nl", "street": "Kerkstraat", "city": "Zonnedorp", "country": "NL", "phone": "+31612345678"}`, i, i)
					}
				}
				if !yield(j, nil) {
					return
				}
			}
		}
		begun := time.Now()
		res, err := b.store.Submit(t.Context(), newOrder(store.Register, "r"), jobs)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d distinct: %d jobs in %v", distinct, res.Order.Total, time.Since(begun))
		b.exec(`UPDATE jobs SET state='failed', outcome='rejected', finished_at = now()-interval '10 days'`)
		b.exec(`UPDATE orders SET created_at = now()-interval '11 days'`)
		begun = time.Now()
		p, err := b.store.PurgeHolders(t.Context(), day)
		t.Logf("purge %+v %v in %v", p, err, time.Since(begun))
		begun = time.Now()
		_, err = b.store.Submit(t.Context(), newOrder(store.Register, "again"), jobs)
		t.Logf("again %v in %v", err, time.Since(begun))
	}
}
