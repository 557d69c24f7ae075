package store_test

import (
	"cmp"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bulkreg/bulkreg/store"
)

func (b *bench) report(r store.WorkerReport) []store.FleetLot {
	b.t.Helper()
	fleet, err := b.store.ReportWorker(b.t.Context(), r)
	if err != nil {
		b.t.Fatal(err)
	}
	slices.SortFunc(fleet, func(x, y store.FleetLot) int {
		return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Account, y.Account))
	})
	return fleet
}

func (b *bench) workers() []store.Worker {
	b.t.Helper()
	workers, err := b.store.Workers(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return workers
}

func whoisLot(slots int) store.LotReport {
	return store.LotReport{Kind: store.Whois, Account: "default", Slots: slots}
}

func TestFleetIsWhoReported(t *testing.T) {
	t.Parallel()
	b := setup(t)
	fleet := func(whois, register int) []store.FleetLot {
		lots := []store.FleetLot{{Kind: store.Whois, Account: "default", Slots: whois}}
		if register > 0 {
			lots = slices.Insert(lots, 0, store.FleetLot{Kind: store.Register, Account: "partner", Slots: register})
		}
		return lots
	}
	one := store.WorkerReport{Name: "one", Lots: []store.LotReport{whoisLot(4)}}
	two := store.WorkerReport{Name: "two", Lots: []store.LotReport{whoisLot(2), {Kind: store.Register, Account: "partner", Slots: 3}}}
	for i, step := range []struct {
		report store.WorkerReport
		want   []store.FleetLot
	}{
		{one, fleet(4, 0)},
		{two, fleet(6, 3)},
		{one, fleet(6, 3)},
		{store.WorkerReport{Name: "two", Stopping: true, Lots: two.Lots}, fleet(4, 0)},
		{two, fleet(6, 3)},
	} {
		if diff := gocmp.Diff(step.want, b.report(step.report)); diff != "" {
			t.Errorf("report %d: fleet (-want +got):\n%s", i, diff)
		}
	}
	b.exec(`UPDATE workers SET seen_at = now() - interval '16 seconds' WHERE name = 'two'`)
	if diff := gocmp.Diff(fleet(4, 0), b.report(one)); diff != "" {
		t.Errorf("fleet without a silent worker (-want +got):\n%s", diff)
	}
	if w := b.workers(); len(w) != 2 || !w[0].Alive || w[1].Alive || w[1].Name != "two" {
		t.Errorf("workers are %+v", w)
	}
}

func TestWorkerSaysHowItStands(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.report(store.WorkerReport{Name: "w", Trouble: "Redis takes no writes", Lots: []store.LotReport{
		{Kind: store.Whois, Account: "default", Slots: 4, Busy: 3, Waiting: 70, Waited: time.Minute, Paused: []string{"whois", "whois-bulk"}},
		{Kind: store.Register, Account: "default", Slots: 2},
	}})
	got := b.workers()
	if len(got) != 1 {
		t.Fatalf("workers are %+v", got)
	}
	want := store.Worker{Name: "w", Alive: true, Trouble: "Redis takes no writes", Lots: []store.WorkerLot{
		{Kind: store.Whois, Account: "default", Slots: 4, Busy: 3, Waiting: 70, Paused: []string{"whois", "whois-bulk"}},
		{Kind: store.Register, Account: "default", Slots: 2, Paused: []string{}},
	}}
	ignored := []gocmp.Option{cmpopts.IgnoreFields(store.Worker{}, "StartedAt", "SeenAt"), cmpopts.IgnoreFields(store.WorkerLot{}, "WaitingSince")}
	if diff := gocmp.Diff(want, got[0], ignored...); diff != "" {
		t.Errorf("worker (-want +got):\n%s", diff)
	}
	if since := got[0].SeenAt.Sub(got[0].Lots[0].WaitingSince); since != time.Minute {
		t.Errorf("the first job has waited for %v, want a minute", since)
	}
	if !got[0].Lots[1].WaitingSince.IsZero() {
		t.Error("nothing waits, and that since some time")
	}
}

func TestWorkersAreForgotten(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, name := range []string{"a", "b", "c"} {
		b.report(store.WorkerReport{Name: name})
	}
	b.exec(`UPDATE workers SET seen_at = now() - interval '8 days' WHERE name = 'a'`)
	b.report(store.WorkerReport{Name: "b", Stopping: true})
	for _, name := range []string{"b", "c"} { // c has begun anew under its name, and does not stop
		if err := b.store.ForgetWorker(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if left := list[string](b, `SELECT name FROM workers`); !slices.Equal(left, []string{"c"}) {
		t.Errorf("remembered are %v, want c alone", left)
	}
}
