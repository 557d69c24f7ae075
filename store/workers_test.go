package store_test

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/fleet"
	"github.com/bulkreg/bulkreg/store/record"

	gocmp "github.com/google/go-cmp/cmp"
)

func (b *bench) reportWorker(r fleet.WorkerReport) []fleet.Capacity {
	b.t.Helper()
	lots, err := b.store.Fleet.ReportWorker(b.t.Context(), r)
	if err != nil {
		b.t.Fatal(err)
	}
	slices.SortFunc(lots, func(x, y fleet.Capacity) int {
		return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Account, y.Account))
	})
	return lots
}

func whoisLot(slots int) fleet.PipelineReport {
	return fleet.PipelineReport{Kind: record.Whois, Account: "default", Slots: slots}
}

func TestFleetIsWhoReported(t *testing.T) {
	t.Parallel()
	b := setup(t)
	all := func(whois, register int) []fleet.Capacity {
		lots := []fleet.Capacity{{Kind: record.Whois, Account: "default", Slots: whois}}
		if register > 0 {
			lots = slices.Insert(lots, 0, fleet.Capacity{Kind: record.Register, Account: "partner", Slots: register})
		}
		return lots
	}
	one := fleet.WorkerReport{Name: "one", Pipelines: []fleet.PipelineReport{whoisLot(4)}}
	two := fleet.WorkerReport{Name: "two", Pipelines: []fleet.PipelineReport{whoisLot(2), {Kind: record.Register, Account: "partner", Slots: 3}}}
	for i, step := range []struct {
		report fleet.WorkerReport
		want   []fleet.Capacity
	}{
		{one, all(4, 0)},
		{two, all(6, 3)},
		{one, all(6, 3)},
		{fleet.WorkerReport{Name: "two", Stopping: true, Pipelines: two.Pipelines}, all(4, 0)},
		{two, all(6, 3)},
	} {
		if diff := gocmp.Diff(step.want, b.reportWorker(step.report)); diff != "" {
			t.Errorf("report %d: fleet (-want +got):\n%s", i, diff)
		}
	}
	b.exec(`UPDATE workers SET seen_at = now() - interval '31 seconds' WHERE name = 'two'`)
	if diff := gocmp.Diff(all(4, 0), b.reportWorker(one)); diff != "" {
		t.Errorf("fleet without a silent worker (-want +got):\n%s", diff)
	}
}

func TestWorkerSaysHowItStands(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.reportWorker(fleet.WorkerReport{Name: "w", Trouble: "Redis takes no writes", Pipelines: []fleet.PipelineReport{
		{Kind: record.Whois, Account: "default", Slots: 4, Busy: 3, Waiting: 70, Waited: time.Minute, Paused: []string{"whois", "whois-bulk"}},
		{Kind: record.Register, Account: "default", Slots: 2},
	}})
	const first = `lots->0->>`
	for what, query := range map[string]string{
		"what it says of itself":     `SELECT count(*) FROM workers WHERE name = 'w' AND NOT stopping AND trouble = 'Redis takes no writes'`,
		"how busy it is":             `SELECT count(*) FROM workers WHERE lots->0 @> '{"kind": "whois", "account": "default", "slots": 4, "busy": 3, "waiting": 70}'`,
		"what is paused":             `SELECT count(*) FROM workers WHERE lots->0->'paused' = '["whois", "whois-bulk"]' AND lots->1->'paused' = '[]'`,
		"since when the first waits": `SELECT count(*) FROM workers WHERE (` + first + `'waiting_since')::timestamptz = seen_at - interval '1 minute'`,
		"that nothing else waits":    `SELECT count(*) FROM workers WHERE lots->1->'waiting_since' = 'null'`,
	} {
		if get[int](b, query) != 1 {
			t.Errorf("it does not show %s: %s", what, get[string](b, `SELECT lots::text FROM workers`))
		}
	}
}

func TestWorkersAreForgotten(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, name := range []string{"a", "b", "c"} {
		b.reportWorker(fleet.WorkerReport{Name: name})
	}
	b.exec(`UPDATE workers SET seen_at = now() - interval '8 days' WHERE name = 'a'`)
	b.reportWorker(fleet.WorkerReport{Name: "b", Stopping: true})
	if left := list[string](b, `SELECT name || CASE WHEN stopping THEN ' stopping' ELSE '' END FROM workers ORDER BY name`); !slices.Equal(left, []string{"b stopping", "c"}) {
		t.Errorf("remembered are %v, want b, which stops, and c", left)
	}
}
