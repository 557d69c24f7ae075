package store_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/store/audit"
	"github.com/bulkreg/bulkreg/store/operator"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// emptied are the columns in which details or the upstream's words are kept. A purge empties them.
func emptied() []string {
	return []string{
		"attempts.message", "calls.error", "holders.details", "holders.digest", "holders.words", "holds.words", "jobs.last_error", "jobs.whois_status",
		"lifted_refusals.words", "operator_acts.error_before", "orders.digest", "orders.labels", "readings.status", "stray_registrations.message", "webhook_attempts.answer",
	}
}

// sealed are the columns with people and their tokens, which a purge empties, too: see TestPurgeReachesPeople.
func sealed() []string { return []string{"jobs.person", "tokens.sealed"} }

// staying are the columns that a purge leaves as they are, and why nobody can be found in them. A new column that could hold
// text belongs here, or above and into the purge.
func staying() map[string]string {
	const (
		ours     = "a word of ours"
		domain   = "a domain, which the order is about; what the upstream gives in its place is cleaned before, and what a producer does goes: TestPurgeRemovesWhatIsNoDomain"
		producer = "a name that the producer chose for itself"
		operator = "what an operator wrote for the record"
		upstream = "an id of the upstream's, which tells nobody anything without its database; one that may be made of a name is replaced"
		order    = "what the order asked for, and no detail of a holder"
	)
	all := map[string]string{
		"accounts.name": ours, "delivery_marks.mark": ours, "lineage.home": ours, "lineage.system_id": ours, "workers.lots": ours, "workers.name": ours,
		"workers.trouble": "what keeps a worker from its work, in our words", "claims.job_ids": ours, "claims.order_ids": ours, "calls.job_ids": ours,
		"claims.worker": ours, "attempts.state": ours, "calls.op": ours, "readings.availability": ours, "holds.reason": ours, "holds.scope": ours,
		"operator_acts.act": ours, "operator_acts.state_before": ours, "operator_acts.outcome_before": ours, "jobs.state": ours, "jobs.outcome": ours,
		"holders.state": ours, "orders.source": producer, "orders.reference": producer, "orders.trace": "ids of a trace, in hexadecimal",
		"attempts.domain": domain, "jobs.domain": "a domain, or a subject, which goes with its person and the id", "jobs.domain_unicode": domain, "jobs.live_domain": domain, "stray_registrations.domain": domain,
		"attempts.resolved_by": operator, "holds.placed_by": operator, "operator_acts.operator": operator, "operator_acts.reason": operator,
		"job_event_sources.source": producer, "api_keys.source": producer, "api_keys.id": ours, "api_keys.role": ours, "api_keys.digest": "of a random secret",
		"api_keys.created_by": operator, "api_keys.revoked_by": operator, "api_key_days.key_id": ours, "events.source": producer, "new_events.source": producer,
		"events.type": ours, "new_events.type": ours, "events.data": "states, outcomes, numbers and reasons", "new_events.data": "the same",
		"webhook_endpoints.id": ours, "webhook_endpoints.source": producer, "webhook_endpoints.url": producer, "webhook_endpoints.types": ours,
		"webhook_endpoints.created_by": operator, "webhook_endpoints.disabled_for": ours, "webhook_secrets.endpoint_id": ours,
		"webhook_secrets.sealed": "random bytes, sealed", "webhook_secrets.public_key": "made of random bytes", "webhook_deliveries.endpoint_id": ours,
		"webhook_deliveries.line": ours, "webhook_deliveries.state": ours, "webhook_attempts.error": "why a delivery failed, in our words",
		"order_changes.state": ours, "order_changes.outcome": ours, "order_counts.state": ours, "order_counts.outcome": ours,
		"job_totals.state": ours, "job_totals.outcome": ours,
		"order_holds.placed_by": operator, "order_holds.words": operator,
		"holders.upstream_id": upstream, "jobs.holder_id": upstream, "jobs.nameservers": order, "jobs.allow_status": order, "jobs.held_account": ours,
	}
	for _, table := range []string{"chunks", "claims", "jobs", "orders", "job_totals"} {
		all[table+".kind"], all[table+".account"] = ours, ours
	}
	for _, table := range []string{"chunks", "jobs", "orders"} {
		all[table+".lane"] = ours
	}
	for _, table := range []string{"events", "new_events", "holders", "holds", "lifted_refusals", "registration_days"} {
		all[table+".account"] = ours
	}
	return all
}

// A new column that can hold text is decided on, or this fails.
func TestPurgeKnowsEveryColumn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got := list[string](b, `
		SELECT c.table_name || '.' || c.column_name FROM information_schema.columns c JOIN information_schema.tables t USING (table_schema, table_name)
		WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE' AND c.table_name NOT LIKE 'goose%'
			AND c.data_type NOT IN ('boolean', 'smallint', 'integer', 'bigint', 'numeric', 'real', 'double precision', 'uuid', 'interval', 'date',
				'timestamp with time zone', 'timestamp without time zone')
		ORDER BY 1`)
	want := slices.Sorted(slices.Values(slices.Concat(emptied(), sealed(), slices.Collect(maps.Keys(staying())))))
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("columns that can hold text (-decided on +there): decide whether they may hold people, and put them into the purge if so\n%s", diff)
	}
}

// spokenRows are an order that ended long ago, and another one whose job was in the same call and ended yesterday. Everywhere the
// upstream has said something.
const spokenRows = `
	INSERT INTO orders (source, reference, kind, lane, account, digest, total, created_at) VALUES
		('s', 'old', 'register', 'plain', 'a', sha256('old'), 1, now() - interval '101 days'), ('s', 'young', 'register', 'plain', 'a', sha256('young'), 1, now() - interval '101 days'),
		('s', 'ids', 'register', 'plain', 'a', sha256('ids'), 1, now() - interval '101 days'), ('s', 'whois', 'whois', 'plain', 'a', sha256('whois'), 1, now() - interval '101 days');
	INSERT INTO holders (account, digest, details, words) VALUES ('a', sha256('ann'), '{"lastname":"MARKED"}', 'MARKED');
	INSERT INTO order_holders (order_id, holder_key) SELECT id, 1 FROM orders WHERE reference = 'old';
	UPDATE orders SET labels = '{"customer":"MARKED"}';
	INSERT INTO jobs (id, order_id, seq, kind, lane, account, domain, state, outcome, finished_at, last_error, whois_status, claim_id, holder_key)
		SELECT sha.id, o.id, 1, o.kind, 'plain', 'a', o.reference || '.nl', 'failed', 'rejected', CASE reference WHEN 'young' THEN now() - interval '1 day' ELSE now() - interval '100 days' END,
			'MARKED', 'MARKED', '00000000-0000-0000-0000-000000000011', CASE reference WHEN 'old' THEN 1 END
		FROM orders o CROSS JOIN LATERAL (SELECT md5(o.reference)::uuid AS id) AS sha;
	INSERT INTO claims (id, kind, account, worker, job_ids, order_ids, taken_at, lease_until, closed_at) SELECT
		'00000000-0000-0000-0000-000000000011', 'register', 'a', 'w', array_agg(md5(reference)::uuid), array_agg(id), now() - interval '100 days', now(), now() FROM orders WHERE kind = 'register';
	INSERT INTO calls (id, claim_id, op, size, deadline, error, holder_key) VALUES
		('00000000-0000-0000-0000-000000000021', '00000000-0000-0000-0000-000000000011', 'register', 1, now(), 'MARKED', NULL),
		('00000000-0000-0000-0000-000000000022', '00000000-0000-0000-0000-000000000011', 'holder', 1, now(), 'MARKED', 1);
	INSERT INTO attempts (call_id, job_id, domain, state, resolved_at, resolved_by, message) SELECT
		'00000000-0000-0000-0000-000000000021', id, domain, 'failed', now(), 'reply', 'MARKED' FROM jobs WHERE kind = 'register';
	INSERT INTO readings (job_id, call_id, availability, status) SELECT id, '00000000-0000-0000-0000-000000000021', 'taken', 'MARKED' FROM jobs WHERE kind = 'register';
	INSERT INTO operator_acts (job_id, act, operator, state_before, outcome_before, error_before) SELECT id, 'retry', 'ann', 'failed', 'rejected', 'MARKED' FROM jobs WHERE kind = 'register';
	INSERT INTO stray_registrations (call_id, domain, message) VALUES ('00000000-0000-0000-0000-000000000021', 'stray.nl', 'MARKED');
	INSERT INTO holds (account, reason, scope, since, words, probe_every, next_probe_at) VALUES
		('a', 'payment', 'register', now() - interval '100 days', 'MARKED', interval '1 minute', now()), ('a', 'auth', 'all', now(), 'newer', interval '1 minute', now());
	INSERT INTO lifted_refusals (account, status, words, lifted_at) VALUES ('a', 422, 'MARKED', now() - interval '100 days'), ('a', 422, 'newer', now());
	INSERT INTO webhook_endpoints (id, source, url, created_by, seen) VALUES ('aaaaaaaaaa', 's', 'https://s.example/', 'ann', 0);
	INSERT INTO webhook_deliveries (endpoint_id, event_id, order_id, line, due_at) SELECT 'aaaaaaaaaa', id, id, id::text, now() FROM orders WHERE kind = 'register';
	INSERT INTO webhook_attempts (delivery_id, n, duration_ms, status, answer) SELECT id, 1, 1, 500, 'MARKED' FROM webhook_deliveries`

// marked lists the columns in which something is left of what spokenRows say of an order.
func (b *bench) marked() []string {
	b.t.Helper()
	var found []string
	for _, column := range emptied() {
		table, name, _ := strings.Cut(column, ".")
		if get[int](b, fmt.Sprintf(`SELECT count(*) FROM %s WHERE %s::text LIKE '%%MARKED%%' OR %[2]s::text IN (sha256('old')::text, sha256('ann')::text)`, table, name)) > 0 {
			found = append(found, column)
		}
	}
	return found
}

func TestPurgeRemovesTheUpstreamsWords(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(spokenRows)
	if diff := cmp.Diff(emptied(), b.marked()); diff != "" {
		t.Fatalf("the rows do not say something everywhere (-want +got):\n%s", diff)
	}
	want := operator.Purge{Orders: 1, Holders: 1, Words: 3, Answers: 1}
	if got, err := b.store.Operator.PlanPurge(t.Context(), 90*day); err != nil || got != want {
		t.Errorf("the plan is %+v, %v; want %+v", got, err, want)
	}
	if got, err := b.store.Operator.PurgeHolders(t.Context(), 90*day); err != nil || got != want {
		t.Errorf("purged %+v, %v; want %+v", got, err, want)
	}
	// What is said of an order that ended yesterday stays until it is its turn.
	if diff := cmp.Diff([]string{"attempts.message", "jobs.last_error", "jobs.whois_status", "operator_acts.error_before", "orders.labels", "readings.status", "webhook_attempts.answer"}, b.marked()); diff != "" {
		t.Errorf("marked after the first purge (-want +got):\n%s", diff)
	}
	if got := list[string](b, `SELECT words FROM holds UNION ALL SELECT words FROM lifted_refusals ORDER BY 1`); !slices.Equal(got, []string{"", "newer", "newer"}) {
		t.Errorf("words of holds %q", got)
	}
	if got, err := b.store.Operator.PurgeHolders(t.Context(), 12*60*60*1e9); err != nil || got != (operator.Purge{Words: 1}) {
		t.Errorf("then purged %+v, %v", got, err)
	}
	if got := b.marked(); len(got) > 0 {
		t.Errorf("at last marked: %v", got)
	}
	if n := get[int](b, `SELECT count(*) FROM jobs WHERE outcome = 'rejected' AND finished_at IS NOT NULL`); n != 4 {
		t.Errorf("%d jobs have their outcome, want 4", n)
	}
	if n := get[int](b, `SELECT count(*) FROM orders WHERE digest = sha256('ids') OR digest = sha256('whois') OR digest = sha256('young')`); n != 3 {
		t.Errorf("%d orders without details have their digest, want 3", n)
	}
}

// What an order went through after it was purged, because somebody tried it again, goes with the next purge.
func TestPurgeComesBackToAnOrderTriedAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(spokenRows)
	if _, err := b.store.Operator.PurgeHolders(t.Context(), 90*day); err != nil {
		t.Fatal(err)
	}
	b.exec(`UPDATE orders SET purged_at = now() - interval '95 days' WHERE reference = 'ids'`)
	b.exec(`UPDATE claims SET taken_at = now() - interval '94 days'`)
	b.exec(`UPDATE jobs SET last_error = 'MARKED', finished_at = now() - interval '93 days' WHERE domain = 'ids.nl'`)
	if got, err := b.store.Operator.PurgeHolders(t.Context(), 90*day); err != nil || got != (operator.Purge{Words: 1}) {
		t.Errorf("purged %+v, %v", got, err)
	}
	if n := get[int](b, `SELECT count(*) FROM jobs WHERE domain = 'ids.nl' AND last_error IS NOT NULL`); n > 0 {
		t.Error("the newer words are left")
	}
}

// What a producer gave in the place of a domain may be anybody's, in orders of every kind. It goes, and so does the job's id, which is
// made of it; the job stays, and cannot be tried again.
func TestPurgeRemovesWhatIsNoDomain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(spokenRows)
	b.exec(`
		INSERT INTO jobs (id, order_id, seq, kind, lane, account, domain, domain_unicode, state, outcome, finished_at, last_error)
		SELECT overlay(md5(o.reference || n) PLACING '5' FROM 13 FOR 1)::uuid, o.id, 1 + n, o.kind, 'plain', 'a', CASE n WHEN 1 THEN '"+31206543210"' WHEN 2 THEN '"…@…"' ELSE '""' END, '"Ann"', 'failed', 'rejected',
			CASE reference WHEN 'young' THEN now() - interval '1 day' ELSE now() - interval '100 days' END, 'domain "+31206543210" is no domain'
		FROM orders o, generate_series(1, 3) AS n`)
	b.exec(`UPDATE orders SET total = 4`)
	want := operator.Purge{Orders: 1, Holders: 1, Words: 3, Names: 9, Answers: 1}
	if got, err := b.store.Operator.PurgeHolders(t.Context(), 90*day); err != nil || got != want {
		t.Errorf("purged %+v, %v; want %+v", got, err, want)
	}
	const left = `domain LIKE '"_%"' AND domain <> '""' OR domain_unicode LIKE '"%' OR last_error LIKE '%+31%' OR j.domain LIKE '"%' AND get_byte(uuid_send(j.id), 6) >> 4 = 5`
	if got := list[string](b, `SELECT DISTINCT reference FROM jobs j JOIN orders o ON o.id = j.order_id WHERE `+left); !slices.Equal(got, []string{"young"}) {
		t.Errorf("what is no domain is left in %q", got)
	}
	if n := get[int](b, `SELECT count(*) FROM jobs WHERE domain = '""' AND state = 'failed' AND outcome = 'rejected'`); n != 10 {
		t.Errorf("%d jobs are left of those without a domain, want 10", n)
	}
	if n := get[int](b, `SELECT count(*) FROM events e WHERE job_id IS NOT NULL AND NOT EXISTS (SELECT FROM jobs j WHERE j.id = e.job_id)`); n > 0 {
		t.Errorf("%d events are about jobs that are not there", n)
	}
	if got, err := b.store.Operator.PurgeHolders(t.Context(), 90*day); err != nil || !got.Nothing() {
		t.Errorf("then purged %+v, %v", got, err)
	}
	// The new ids are made of nothing, and an audit compares them with nothing, nor those whose domain stands in quotes.
	quoted := list[string](b, `SELECT id::text FROM jobs WHERE domain LIKE '"%'`)
	foreign := func(string, string, record.Kind, string) uuid.UUID { return uuid.Nil }
	for _, breach := range b.audit(audit.Options{JobID: foreign}).Breaches {
		if slices.Contains(quoted, breach.Job.String()) {
			t.Errorf("an audit says of a job without a domain: %+v", breach)
		}
	}
}

// Labels go although the upstream said nothing, and also those that an earlier release left when it purged.
func TestPurgeEmptiesLabels(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`INSERT INTO orders (source, reference, kind, lane, account, total, created_at, purged_at, labels) VALUES
		('s', 'silent', 'whois', 'plain', 'a', 1, now() - interval '101 days', NULL, '{"customer":"Ann"}'),
		('s', 'purged before', 'register', 'plain', 'a', 1, now() - interval '101 days', now(), '{"customer":"Ann"}'),
		('s', 'waiting', 'whois', 'plain', 'a', 1, now() - interval '101 days', NULL, '{"customer":"Bob"}')`)
	b.exec(`INSERT INTO jobs (id, order_id, seq, kind, lane, account, domain, state, outcome, finished_at)
		SELECT gen_random_uuid(), id, 1, kind, 'plain', 'a', 'a' || id || '.nl', 'failed', 'rejected', now() - interval '100 days' FROM orders WHERE reference <> 'waiting'`)
	b.exec(`INSERT INTO jobs (id, order_id, seq, kind, lane, account, domain, state, wake_at)
		SELECT gen_random_uuid(), id, 1, kind, 'plain', 'a', 'a' || id || '.nl', 'queued', now() FROM orders WHERE reference = 'waiting'`)
	want := operator.Purge{Words: 2}
	if plan, err := b.store.Operator.PlanPurge(t.Context(), 90*day); err != nil || plan != want {
		t.Errorf("the plan is %+v, %v; want %+v", plan, err, want)
	}
	if got, err := b.store.Operator.PurgeHolders(t.Context(), 90*day); err != nil || got != want {
		t.Errorf("purged %+v, %v; want %+v", got, err, want)
	}
	if got := list[string](b, `SELECT reference FROM orders WHERE labels IS NOT NULL`); !slices.Equal(got, []string{"waiting"}) {
		t.Errorf("labels are left of %q", got)
	}
	if got, err := b.store.Operator.PurgeHolders(t.Context(), 90*day); err != nil || !got.Nothing() {
		t.Errorf("then purged %+v, %v", got, err)
	}
}

// Receivers have said things about what is of no order, such as a hold or a test, and about orders after these were purged. That goes as well,
// where it is as old.
func TestPurgeRemovesReceiversWordsOfNoOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(spokenRows)
	if _, err := b.store.Operator.PurgeHolders(t.Context(), 90*day); err != nil {
		t.Fatal(err)
	}
	b.exec(`
		UPDATE webhook_attempts SET answer = NULL;
		INSERT INTO webhook_deliveries (endpoint_id, event_id, order_id, line, due_at) VALUES ('aaaaaaaaaa', NULL, NULL, '', now()), ('aaaaaaaaaa', 1001, NULL, 'a', now());
		INSERT INTO webhook_deliveries (endpoint_id, event_id, order_id, line, due_at)
			SELECT 'aaaaaaaaaa', 2000 + id, id, id::text, now() FROM orders WHERE reference IN ('old', 'young');
		INSERT INTO webhook_attempts (delivery_id, n, at, duration_ms, status, answer) SELECT d.id, n, now() - make_interval(days => CASE n WHEN 1 THEN 91 ELSE 1 END), 1, 500,
			CASE WHEN n = 2 THEN 'newer' WHEN o.reference = 'young' THEN 'in progress' ELSE 'MARKED' END
			FROM webhook_deliveries d CROSS JOIN generate_series(1, 2) AS n LEFT JOIN orders o ON o.id = d.order_id WHERE d.event_id > 1000 OR d.event_id IS NULL`)
	want := operator.Purge{Answers: 3}
	if got, err := b.store.Operator.PlanPurge(t.Context(), 90*day); err != nil || got != want {
		t.Errorf("the plan is %+v, %v; want %+v", got, err, want)
	}
	if _, err := b.store.Operator.PurgeHolders(t.Context(), 90*day); err != nil {
		t.Fatal(err)
	}
	if got := list[string](b, `SELECT answer FROM webhook_attempts WHERE answer IS NOT NULL ORDER BY 1`); !slices.Equal(got, []string{"in progress", "newer", "newer", "newer", "newer"}) {
		t.Errorf("answers are left: %q", got)
	}
}
