package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// past is one attempt of an earlier call on a job's domain.
type past struct {
	state record.AttemptState
	other bool // it was another job's
	code  int
	size  int // of its call; 0: 1
}

// historyCase is what earlier calls left behind, oldest first, and what must be made of it. readings are given by
// what WHOIS said; those marked "early" came before the newest attempt.
type historyCase struct {
	name     string
	past     []past
	readings []string
	want     ledger.History
}

// singleAttempts is each state of one attempt, of this job's and of another one's.
func singleAttempts() []historyCase {
	wants := map[record.AttemptState]ledger.History{
		record.AttemptOpen:       {Unknown: true, Unsettled: true},
		record.AttemptUnknown:    {Unknown: true, Unsettled: true},
		record.AttemptRefused:    {Doubtful: true, Unsettled: true},
		record.AttemptCleared:    {Doubtful: true},
		record.AttemptRegistered: {Registered: true},
		record.AttemptFailed:     {},
		record.AttemptNotSent:    {},
	}
	var cases []historyCase
	for state, want := range wants {
		other := want
		if other.Registered { // the domain is ours, and this job was not the one that bought it
			other.Registered, other.Ours = false, true
		}
		want.Refusal = "said 0"
		cases = append(cases,
			historyCase{name: "one that is " + string(state), past: []past{{state: state}}, want: want},
			historyCase{name: "another job's that is " + string(state), past: []past{{state: state, other: true}}, want: other})
	}
	return cases
}

// refusals is each way in which an upstream can refuse, alone and in company.
func refusals() []historyCase {
	var cases []historyCase
	for _, code := range []int{0, 400, 401, 402, 404, 405, 422, 429, 500} {
		for _, state := range []record.AttemptState{record.AttemptFailed, record.AttemptRefused, record.AttemptNotSent} {
			for _, size := range []int{1, 2} {
				bad := slices.Contains([]int{400, 404, 422}, code)
				alone := state == record.AttemptFailed || state == record.AttemptRefused && size == 1
				cases = append(cases, historyCase{
					name: fmt.Sprintf("%s with %d in a call of %d", state, code, size),
					past: []past{{state: state, code: code, size: size}},
					want: ledger.History{
						Doubtful: state == record.AttemptRefused, Unsettled: state == record.AttemptRefused && !(bad && alone),
						Refused: bad && alone, Refusal: "said 0",
					},
				})
			}
		}
	}
	return cases
}

var sequences = []historyCase{
	{name: "never sent"},
	{name: "never sent, but read", readings: []string{"available"}},
	{name: "refused together, then alone",
		past: []past{{state: record.AttemptRefused, code: 422, size: 4}, {state: record.AttemptRefused, code: 422}},
		want: ledger.History{Doubtful: true, Unsettled: true, Refused: true, Refusal: "said 1"}},
	{name: "refused together, then as an item", readings: []string{"available"},
		past: []past{{state: record.AttemptRefused, code: 422, size: 4}, {state: record.AttemptFailed, code: 422}},
		want: ledger.History{Doubtful: true, Unsettled: true, Readings: 1, Refused: true, Refusal: "said 1"}},
	{name: "refused alone, then not sent",
		past: []past{{state: record.AttemptRefused, code: 422}, {state: record.AttemptNotSent}},
		want: ledger.History{Doubtful: true, Unsettled: true, Refusal: "said 1"}},
	{name: "refused alone, then unknown",
		past: []past{{state: record.AttemptFailed, code: 422}, {state: record.AttemptUnknown}},
		want: ledger.History{Unknown: true, Unsettled: true, Refusal: "said 1"}},
	{name: "cleared, then refused alone",
		past: []past{{state: record.AttemptCleared}, {state: record.AttemptFailed, code: 404}},
		want: ledger.History{Doubtful: true, Refused: true, Refusal: "said 1"}},
	{name: "cleared, then registered by its late reply, then taken",
		past: []past{{state: record.AttemptRegistered}, {state: record.AttemptFailed, code: 422}},
		want: ledger.History{Registered: true, Refused: true, Refusal: "said 1"}},
	{name: "another job's refusal is not this one's",
		past: []past{{state: record.AttemptFailed, code: 422, other: true}}},
	{name: "another job's refusal after this one's trouble",
		past: []past{{state: record.AttemptRefused, code: 402, size: 9}, {state: record.AttemptFailed, code: 422, other: true}},
		want: ledger.History{Doubtful: true, Unsettled: true, Refusal: "said 0"}},
	{name: "readings of an unknown one",
		past: []past{{state: record.AttemptUnknown}}, readings: []string{"available", "available"},
		want: ledger.History{Unknown: true, Unsettled: true, Readings: 2, Refusal: "said 0"}},
	{name: "readings of another job's unknown one",
		past: []past{{state: record.AttemptUnknown, other: true}}, readings: []string{"available"},
		want: ledger.History{Unknown: true, Unsettled: true, Readings: 1}},
	{name: "readings that say taken do not count, and are not forgotten",
		past: []past{{state: record.AttemptUnknown}}, readings: []string{"available", "taken"},
		want: ledger.History{Unknown: true, Unsettled: true, Readings: 1, Taken: true, Refusal: "said 0"}},
	{name: "taken after a refusal of the whole call",
		past: []past{{state: record.AttemptRefused, code: 402, size: 2}}, readings: []string{"taken"},
		want: ledger.History{Doubtful: true, Unsettled: true, Taken: true, Refusal: "said 0"}},
	{name: "taken before the newest call that left doubt",
		past: []past{{state: record.AttemptUnknown}}, readings: []string{"early taken", "available"},
		want: ledger.History{Unknown: true, Unsettled: true, Readings: 1, Refusal: "said 0"}},
	{name: "taken after a call that certainly had no effect",
		past: []past{{state: record.AttemptFailed, code: 422}}, readings: []string{"taken"},
		want: ledger.History{Refused: true, Refusal: "said 0"}},
	{name: "readings from before do not count",
		past: []past{{state: record.AttemptUnknown}}, readings: []string{"early available", "early available", "available"},
		want: ledger.History{Unknown: true, Unsettled: true, Readings: 1, Refusal: "said 0"}},
	{name: "readings without an unknown one do not count",
		past: []past{{state: record.AttemptCleared}}, readings: []string{"available", "available"},
		want: ledger.History{Doubtful: true, Refusal: "said 0"}},
}

func TestHistories(t *testing.T) {
	t.Parallel()
	b := setup(t)
	cases := slices.Concat(singleAttempts(), refusals(), sequences)
	domains := names("a", len(cases))
	h := b.running(record.Register, domains...)
	want := map[uuid.UUID]ledger.History{}
	for i, c := range cases {
		b.leave(h.jobs[i], c)
		if len(c.past) > 0 {
			want[h.jobs[i].ID] = c.want
		}
	}
	// Those that do not run under the claim any more are left out.
	gone := b.running(record.Register, "gone.nl")
	b.leave(gone.jobs[0], historyCase{past: []past{{state: record.AttemptRefused}}})
	b.exec(`UPDATE claims SET job_ids = job_ids || $2::uuid WHERE id = $1`, h.claim, gone.jobs[0].ID)

	got, err := b.store.Ledger.Histories(t.Context(), h.claim, ledger.Proof{})
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		id := h.jobs[i].ID
		if diff := cmp.Diff(want[id], got[id]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if _, there := got[id]; there != (len(c.past) > 0) {
			t.Errorf("%s: listed is %v", c.name, there)
		}
		if clean := !c.want.Registered && !c.want.Ours && !c.want.Unknown && !c.want.Doubtful; got[id].Clean() != clean {
			t.Errorf("%s: clean is %v", c.name, !clean)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d histories, want %d", len(got), len(want))
	}
	if none, err := b.store.Ledger.Histories(t.Context(), newID(), ledger.Proof{}); err != nil || len(none) != 0 {
		t.Errorf("histories of no claim: %v, %v", none, err)
	}
}

// leave writes a past behind a job.
func (b *bench) leave(j ledger.ClaimedJob, c historyCase) {
	b.t.Helper()
	for i, p := range c.past {
		job := j.ID
		if p.other {
			job = newID()
			b.exec(`INSERT INTO jobs (id, order_id, seq, kind, lane, account, domain, state, outcome, finished_at)
				SELECT $1, order_id, -seq - 1000 * $3, kind, lane, account, domain, 'failed', 'exhausted', now() FROM jobs WHERE id = $2`, job, j.ID, i)
		}
		b.exec(`
			WITH call AS (
				INSERT INTO calls (id, claim_id, op, size, deadline) SELECT $1, claim_id, 'register', $2, now() FROM jobs WHERE id = $3
			)
			INSERT INTO attempts (call_id, job_id, domain, state, status_code, message, opened_at, resolved_at, resolved_by)
			SELECT $1, $4, $5, $6, nullif($7, 0), $8, now() - make_interval(mins => 100 - $9),
				CASE WHEN $6 NOT IN ('open', 'unknown') THEN now() END, CASE WHEN $6 NOT IN ('open', 'unknown') THEN 'test' END`,
			newID(), max(p.size, 1), j.ID, job, j.Domain, p.state, p.code, fmt.Sprint("said ", i), i)
	}
	for _, r := range c.readings {
		said, early := strings.CutPrefix(r, "early ")
		call := newCall(uuid.Nil, record.OpCheck)
		b.exec(`INSERT INTO calls (id, claim_id, op, size, deadline) SELECT $1, claim_id, 'check', 1, now() FROM jobs WHERE id = $2`, call.ID, j.ID)
		b.read(uuid.Nil, call.ID, ledger.Reading{Job: j.ID, Availability: record.Outcome(said), Status: r})
		if early {
			b.exec(`UPDATE readings SET read_at = now() - interval '1 day' WHERE call_id = $1`, call.ID)
		}
	}
}

// What WHOIS said counts from when it was asked, from when the call was over and it had time to notice, and with time in
// between.
func TestReadingsThatCount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h, call := b.lost("a.nl")
	id := h.jobs[0].ID
	b.exec(`UPDATE calls SET started_at = now() - interval '30 minutes', deadline = now() - interval '20 minutes' WHERE id = $1`, call)
	b.exec(`UPDATE attempts SET opened_at = now() - interval '30 minutes'`)
	again := b.again(record.Register, 1)
	proof := ledger.Proof{After: 10 * time.Minute, Every: time.Minute}
	read := func(minutesAgo float64) {
		check := newCall(again.claim, record.OpCheck)
		if err := b.store.Ledger.StartCall(t.Context(), check); err != nil {
			t.Fatal(err)
		}
		b.exec(`UPDATE calls SET started_at = now() - make_interval(secs => 60 * $2::float8) WHERE id = $1`, check.ID, minutesAgo)
		b.read(again.claim, check.ID, ledger.Reading{Job: id, Availability: record.Available})
	}
	for _, c := range []struct {
		ago  float64 // minutes since WHOIS was asked
		want int
	}{
		{31, 0},  // before the call, written down after it
		{25, 0},  // while it might have gone on
		{11, 0},  // before WHOIS had to know
		{9, 1},   // the first that counts
		{8.5, 1}, // too soon after it
		{7, 2},
	} {
		read(c.ago)
		histories, err := b.store.Ledger.Histories(t.Context(), again.claim, proof)
		if got := histories[id]; err != nil || got.Readings != c.want || got.Wait != 0 || !got.Unsettled {
			t.Errorf("after a reading %v minutes ago: %+v, %v, want %d that count", c.ago, got, err, c.want)
		}
	}
	read(0.5) // the next one counts a minute after it
	histories, err := b.store.Ledger.Histories(t.Context(), again.claim, proof)
	if got := histories[id]; err != nil || got.Wait < 20*time.Second || got.Wait > 30*time.Second {
		t.Errorf("half a minute after a reading: %+v, %v, want no other that counts for half a minute", got, err)
	}
	histories, err = b.store.Ledger.Histories(t.Context(), again.claim, ledger.Proof{After: 25 * time.Minute})
	if got := histories[id]; err != nil || got.Readings != 0 || got.Wait < 4*time.Minute || got.Wait > 5*time.Minute {
		t.Errorf("%+v, %v, want no reading that counts for nearly 5 minutes", got, err)
	}
}

// A domain that a call for another job brought is ours, although that job had ended. It is not sent again.
func TestSuccessForAnEndedJobBarsTheDomain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h, call := b.lost("a.nl")
	b.exec(`UPDATE jobs SET state = 'failed', outcome = 'exhausted', wake_at = NULL, finished_at = now()`)
	b.settlePaid(h, call, registered(h))
	b.submit(newOrder(record.Register, "again"), "a.nl")
	again := b.claim(newClaim(record.Register), b.fresh(record.Register))
	histories, err := b.store.Ledger.Histories(t.Context(), again.claim, ledger.Proof{})
	if got := histories[again.jobs[0].ID]; err != nil || !got.Ours || got.Clean() {
		t.Errorf("%+v, %v", got, err)
	}
	sent, _, err := b.store.Ledger.Intend(t.Context(), ledger.Intent{Call: newCall(again.claim, record.OpRegister), Jobs: again.ids()})
	if err != nil || len(sent) != 0 {
		t.Errorf("may send %v, %v", sent, err)
	}
}

func TestReadingsAreKeptOncePerCall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	h := b.running(record.Register, "a.nl", "b.nl")
	call := newCall(h.claim, record.OpCheck)
	if err := b.store.Ledger.StartCall(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 600)
	readings := []ledger.Reading{
		{Job: h.jobs[0].ID, Availability: record.Available},
		{Job: h.jobs[1].ID, Availability: record.Taken, Status: long},
	}
	for _, again := range [][]ledger.Reading{readings, readings, nil} { // a settling that is repeated
		b.read(h.claim, call.ID, again...)
	}
	got := list[string](b, `SELECT availability || coalesce(' ' || status, '') FROM readings ORDER BY availability`)
	if !slices.Equal(got, []string{"available", "taken " + long[:500]}) {
		t.Errorf("readings: %v", got)
	}
}
