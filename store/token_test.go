package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bulkreg/bulkreg/store/audit"
	"github.com/bulkreg/bulkreg/store/ledger"
	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/bulkreg/bulkreg/store/orders"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
)

// newTokens makes jobs for n people.
func newTokens(n int) []orders.NewJob {
	jobs := make([]orders.NewJob, n)
	for i := range jobs {
		digits := strings.NewReplacer("0", "a", "1", "b", "2", "c", "3", "d", "4", "e", "5", "f", "6", "g", "7", "h", "8", "i", "9", "j").Replace(fmt.Sprintf("%06d", i))
		agreed := i%2 == 0
		jobs[i] = orders.NewJob{ID: newID(), Domain: "person-aaaaaaaaaa" + digits, Person: bytes.Repeat([]byte{byte(i)}, 40), PrivacyConsent: &agreed}
	}
	return jobs
}

// claimedTokens submits tokens for n people and claims them.
func (b *bench) claimedTokens(reference string, n int) (orders.Submitted, batch) {
	b.t.Helper()
	res, err := b.store.Orders.Submit(b.t.Context(), newOrder(record.Token, reference), yielded(newTokens(n)))
	if err != nil {
		b.t.Fatal(err)
	}
	return res, b.claim(newClaim(record.Token), b.fresh(record.Token))
}

// issued is a call for a job that was answered with a token.
func (b *bench) issued(h batch, i int, age time.Duration, sealed byte) ledger.TokenResult {
	b.t.Helper()
	call := ledger.NewCall{ID: newID(), ClaimID: h.claim, Op: record.OpToken, Size: 1, Jobs: []uuid.UUID{h.jobs[i].ID}, Timeout: time.Minute, Lease: 2 * time.Minute}
	if err := b.store.Ledger.StartCall(b.t.Context(), call); err != nil {
		b.t.Fatal(err)
	}
	return ledger.TokenResult{
		Call:       ledger.CallResult{ID: call.ID, Status: 200, Duration: time.Second},
		Transition: ledger.Succeed(h.jobs[i].ID, record.Issued), Sealed: bytes.Repeat([]byte{sealed}, 60), Age: age, Life: 10 * time.Minute,
	}
}

func TestPeopleAreGivenToTheirClaimAlone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, h := b.claimedTokens("r", 3)
	people, err := b.store.Tokens.People(t.Context(), h.claim)
	if err != nil || len(people) != 3 {
		t.Fatalf("%d people, %v", len(people), err)
	}
	for i, j := range h.jobs {
		p := people[j.ID]
		if p.Source != "test" || p.Reference != "r" || !bytes.Equal(p.Person, bytes.Repeat([]byte{byte(i)}, 40)) || p.PrivacyConsent != (i%2 == 0) {
			t.Errorf("job %d: %+v", i, p)
		}
	}
	if others, err := b.store.Tokens.People(t.Context(), newID()); err != nil || len(others) != 0 {
		t.Errorf("%d people under no claim, %v", len(others), err)
	}
	if _, err := b.store.Ledger.SettleTokens(t.Context(), h.claim, []ledger.TokenResult{b.issued(h, 0, 0, 1)}); err != nil {
		t.Fatal(err)
	}
	if people, err = b.store.Tokens.People(t.Context(), h.claim); err != nil || len(people) != 2 {
		t.Errorf("%d people are left, %v", len(people), err)
	}
}

func TestTokensAreKeptWhileTheyLive(t *testing.T) {
	t.Parallel()
	b := setup(t)
	res, h := b.claimedTokens("r", 5)
	n, err := b.store.Ledger.SettleTokens(t.Context(), h.claim, []ledger.TokenResult{
		b.issued(h, 0, time.Second, 1),
		b.issued(h, 1, 10*time.Minute, 2), // too late to be of use
		{Transition: ledger.Fail(h.jobs[2].ID, record.Rejected, "invalid email"), Call: ledger.CallResult{ID: newID(), Status: 500, Error: "invalid email"}},
	})
	if err != nil || n != 3 {
		t.Fatalf("%d settled, %v", n, err)
	}
	if open := get[bool](b, `SELECT closed_at IS NULL FROM claims`); !open {
		t.Error("the claim is closed, and two of its jobs run")
	}
	if _, err := b.store.Ledger.SettleTokens(t.Context(), h.claim, []ledger.TokenResult{b.issued(h, 3, 0, 4), {
		Transition: ledger.Retry(h.jobs[4].ID, time.Minute, "try again"), Call: ledger.CallResult{ID: newID(), Status: 500},
	}}); err != nil {
		t.Fatal(err)
	}
	if open := get[bool](b, `SELECT closed_at IS NULL FROM claims`); open {
		t.Error("the claim is open, and none of its jobs runs")
	}
	want := []string{"succeeded issued", "succeeded expired", "failed rejected", "succeeded issued", "retrying "}
	for i, j := range h.jobs {
		if got := b.job(j.ID); string(got.State)+" "+string(got.Outcome) != want[i] {
			t.Errorf("job %d is %s %s, want %s", i, got.State, got.Outcome, want[i])
		}
	}
	live, err := b.store.Tokens.Live(t.Context(), res.Order.ID)
	if err != nil || len(live) != 2 || !bytes.Equal(live[h.jobs[0].ID].Sealed, bytes.Repeat([]byte{1}, 60)) {
		t.Fatalf("live %v, %v", live, err)
	}
	if left := live[h.jobs[0].ID].Left; left > 10*time.Minute-time.Second || left < 8*time.Minute {
		t.Errorf("%v are left of a token that was asked for a second before", left)
	}
	if n := get[int](b, `SELECT count(*) FROM calls WHERE op = 'token' AND size = 1 AND finished_at IS NOT NULL AND status = 200 AND duration_ms = 1000`); n != 3 {
		t.Errorf("%d calls are finished", n)
	}

	b.exec(`UPDATE tokens SET sent_at = sent_at - interval '10 minutes', expires_at = expires_at - interval '10 minutes' WHERE job_id = $1`, h.jobs[0].ID)
	if live, err = b.store.Tokens.Live(t.Context(), res.Order.ID); err != nil || len(live) != 1 {
		t.Errorf("%d tokens are given out, %v", len(live), err)
	}
	for _, want := range []int{1, 0} {
		if n, err := b.store.Tokens.Erase(t.Context(), 10); err != nil || n != want {
			t.Errorf("%d erased, %v; want %d", n, err, want)
		}
	}
	if got := b.job(h.jobs[0].ID); got.State != record.Succeeded || got.Outcome != record.TokenExpired {
		t.Errorf("it is %s %s", got.State, got.Outcome)
	}
	if got := list[string](b, `SELECT job_id::text FROM tokens`); !slices.Equal(got, []string{h.jobs[3].ID.String()}) {
		t.Errorf("tokens are kept of %v", got)
	}
}

// The reply of a claim that was lost counts no more where another one has the job.
func TestOnlyTheNewestClaimKeepsItsToken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	res, h := b.claimedTokens("r", 1)
	late := b.issued(h, 0, 0, 1)
	b.exec(`UPDATE claims SET lease_until = now() - interval '1 second'`)
	if _, err := b.store.Ledger.ExpireClaims(t.Context(), 10, 0); err != nil {
		t.Fatal(err)
	}
	again := b.claim(newClaim(record.Token), b.due(record.Token))
	if n, err := b.store.Ledger.SettleTokens(t.Context(), h.claim, []ledger.TokenResult{late}); err != nil || n != 0 {
		t.Errorf("the late reply settled %d, %v", n, err)
	}
	if n, err := b.store.Ledger.SettleTokens(t.Context(), again.claim, []ledger.TokenResult{b.issued(again, 0, 0, 2)}); err != nil || n != 1 {
		t.Errorf("the newer reply settled %d, %v", n, err)
	}
	live, err := b.store.Tokens.Live(t.Context(), res.Order.ID)
	if err != nil || len(live) != 1 || !bytes.Equal(live[h.jobs[0].ID].Sealed, bytes.Repeat([]byte{2}, 60)) {
		t.Errorf("%v, %v", live, err)
	}
}

// What has expired may be asked for again; what is still good is not.
func TestExpiredTokensAreTriedAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	res, h := b.claimedTokens("r", 3)
	if _, err := b.store.Ledger.SettleTokens(t.Context(), h.claim, []ledger.TokenResult{b.issued(h, 0, 0, 1), b.issued(h, 1, time.Hour, 2), {
		Transition: ledger.Fail(h.jobs[2].ID, record.Rejected, "no"), Call: ledger.CallResult{ID: newID()},
	}}); err != nil {
		t.Fatal(err)
	}
	b.exec(`UPDATE jobs SET person = NULL WHERE id = $1`, h.jobs[2].ID)
	report, err := b.store.Operator.CarryOut(t.Context(), operator.Request{Act: operator.Retry, Operator: "ann", Orders: []record.Order{res.Order}})
	if err != nil || report.Changed() != 1 || report.Skipped()[operator.SkipSucceeded] != 1 || report.Skipped()[operator.SkipUnusable] != 1 {
		t.Errorf("%+v, %v", report, err)
	}
	if got := b.job(h.jobs[1].ID); got.State != record.Queued || got.Outcome != "" {
		t.Errorf("it is %s %s", got.State, got.Outcome)
	}
}

func TestPurgeReachesPeople(t *testing.T) {
	t.Parallel()
	b := setup(t)
	res, h := b.claimedTokens("r", 2)
	if _, err := b.store.Ledger.SettleTokens(t.Context(), h.claim, []ledger.TokenResult{b.issued(h, 0, 0, 1), b.issued(h, 1, time.Hour, 2)}); err != nil {
		t.Fatal(err)
	}
	b.exec(`UPDATE orders SET created_at = now() - interval '100 days'; UPDATE jobs SET finished_at = now() - interval '99 days'`)
	want := operator.Purge{People: 2}
	if got, err := b.store.Operator.PlanPurge(t.Context(), 90*day); err != nil || got != want || got.Nothing() {
		t.Errorf("planned %+v, %v", got, err)
	}
	if got, err := b.store.Operator.PurgeHolders(t.Context(), 90*day); err != nil || got != want {
		t.Errorf("purged %+v, %v", got, err)
	}
	if n := get[int](b, `SELECT count(*) FROM jobs WHERE person IS NOT NULL OR domain LIKE 'person-aaaaaaaaaa%' OR outcome <> 'expired' OR privacy_consent IS NULL`); n != 0 {
		t.Errorf("of %d jobs something is left", n)
	}
	if n := get[int](b, `SELECT count(*) FROM tokens`); n != 0 {
		t.Errorf("%d tokens are left", n)
	}
	if live, err := b.store.Tokens.Live(t.Context(), res.Order.ID); err != nil || len(live) != 0 {
		t.Errorf("%d are given out, %v", len(live), err)
	}
	if got, err := b.store.Operator.PurgeHolders(t.Context(), 90*day); err != nil || !got.Nothing() {
		t.Errorf("again %+v, %v", got, err)
	}
}

// A job's id is made of its order and its person's address: whoever has a dump could try addresses on it. So no id stays either, in
// no table, and what an operator did stays with its job.
func TestPurgeLeavesNoIDThatAnAddressMakes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	order := newOrder(record.Token, "r")
	jobs := newTokens(3)
	if _, err := b.store.Orders.AdoptJobs(t.Context(), order, jobs[:2]); err != nil {
		t.Fatal(err)
	}
	h := b.claim(newClaim(record.Token), b.fresh(record.Token))
	if _, err := b.store.Ledger.SettleTokens(t.Context(), h.claim, []ledger.TokenResult{b.issued(h, 0, 0, 1), b.issued(h, 1, time.Hour, 2)}); err != nil {
		t.Fatal(err)
	}
	b.exec(`INSERT INTO operator_acts (job_id, act, operator, state_before, outcome_before) SELECT id, 'retry', 'ann', 'succeeded', 'expired' FROM jobs`)
	b.exec(`UPDATE orders SET created_at = now() - interval '100 days'; UPDATE jobs SET finished_at = now() - interval '99 days'`)
	if _, err := b.store.Operator.PurgeHolders(t.Context(), 90*day); err != nil {
		t.Fatal(err)
	}
	for _, table := range list[string](b, `SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'`) {
		for _, j := range jobs[:2] {
			if n := get[int](b, fmt.Sprintf(`SELECT count(*) FROM %s AS t WHERE t::text LIKE '%%%s%%'`, table, j.ID)); n > 0 {
				t.Errorf("%s: the id of a job is in %d rows still", table, n)
			}
		}
	}
	if n := get[int](b, `SELECT count(*) FROM jobs j JOIN operator_acts a ON a.job_id = j.id JOIN claims c ON c.id = j.claim_id AND j.id = ANY(c.job_ids)
		JOIN calls k ON k.claim_id = c.id AND j.id = ANY(k.job_ids)`); n != 2 {
		t.Errorf("%d jobs have their calls and acts, want 2", n)
	}
	// The same chunk once more is not carried out again, although its jobs cannot be recognized any more. Nor does the order grow.
	for _, again := range [][]orders.NewJob{jobs[:2], jobs[2:]} {
		if _, err := b.store.Orders.AdoptJobs(t.Context(), order, again); !errors.As(err, new(*record.ReferenceConflictError)) {
			t.Errorf("a chunk of a purged order: %v", err)
		}
	}
	if n := get[int](b, `SELECT count(*) FROM jobs`); n != 2 {
		t.Errorf("there are %d jobs, want 2", n)
	}
	b.sound("purged")
	// Nor are the new ids made of anything: an audit compares them with nothing.
	foreign := func(string, string, record.Kind, string) uuid.UUID { return uuid.Nil }
	if r := b.audit(audit.Options{Grace: 2 * time.Hour, JobID: foreign}); r.Total() != 0 {
		t.Errorf("of the new ids an audit says %+v", r.Breaches)
	}
}
