package store_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// Rows that the cases below stand on. Ids are told by their last digits.
const constraintRows = `
	INSERT INTO orders (source, reference, kind, lane, account, total) VALUES ('s', 'r', 'whois', 'plain', 'a', 1);
	INSERT INTO jobs (id, order_id, seq, kind, lane, account, domain) VALUES
		('00000000-0000-0000-0000-000000000001', 1, 1, 'register', 'plain', 'a', 'live.nl'),
		('00000000-0000-0000-0000-000000000002', 1, 2, 'register', 'plain', 'a', 'two.nl');
	INSERT INTO jobs (id, order_id, seq, kind, lane, account, domain, state, outcome, finished_at) VALUES
		('00000000-0000-0000-0000-000000000003', 1, 3, 'register', 'plain', 'a', 'registered.nl', 'succeeded', 'registered', now()),
		('00000000-0000-0000-0000-000000000004', 1, 4, 'register', 'plain', 'a', 'failed.nl', 'failed', 'taken', now());
	INSERT INTO chunks (order_id, first_seq, last_seq, kind, lane, account) VALUES (1, 1, 2, 'register', 'plain', 'a');
	INSERT INTO claims (id, kind, account, worker, job_ids, order_ids, lease_until) VALUES
		('00000000-0000-0000-0000-000000000011', 'register', 'a', 'w', '{}', '{1}', now());
	INSERT INTO calls (id, claim_id, op, size, deadline) VALUES
		('00000000-0000-0000-0000-000000000021', '00000000-0000-0000-0000-000000000011', 'register', 1, now()),
		('00000000-0000-0000-0000-000000000022', '00000000-0000-0000-0000-000000000011', 'check', 1, now());
	INSERT INTO attempts (call_id, job_id, domain) VALUES
		('00000000-0000-0000-0000-000000000021', '00000000-0000-0000-0000-000000000001', 'live.nl');
	INSERT INTO readings (job_id, call_id, availability) VALUES
		('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000022', 'taken');
	INSERT INTO holds (account, reason, scope, words, probe_every, next_probe_at) VALUES ('a', 'auth', 'all', 'no', interval '1 minute', now());
	INSERT INTO registration_days (account, day, reserved) VALUES ('a', '2026-01-01', 1);
	INSERT INTO api_keys (id, source, role, digest, created_by) VALUES ('aaaaaaaaaa', 's', 'submit', sha256('secret'), 'ann');
	INSERT INTO api_key_days (key_id, day, jobs, registrations) VALUES ('aaaaaaaaaa', '2026-01-01', 1, 1);
	INSERT INTO webhook_endpoints (id, source, url, created_by, seen) VALUES ('aaaaaaaaaa', 's', 'https://s.nl/', 'ann', 0);
	INSERT INTO webhook_secrets (endpoint_id, n, sealed, public_key) VALUES ('aaaaaaaaaa', 1, 'x', sha256('x'));
	INSERT INTO webhook_deliveries (endpoint_id, event_id, order_id, line, due_at) VALUES ('aaaaaaaaaa', 1, 1, '1', now());
	INSERT INTO webhook_attempts (delivery_id, n, duration_ms) VALUES (1, 1, 1)`

// Shorthands of the cases: what stands before "..." is the table and its columns.
var shorthands = strings.NewReplacer(
	"order...", "INSERT INTO orders (source, reference, kind, lane, account, digest, total) VALUES",
	"job...", "INSERT INTO jobs (id, order_id, seq, domain, lane, account, kind, state, outcome, finished_at, wake_at, claim_id) SELECT gen_random_uuid(), 1, 90, 'new.nl', 'plain', 'a',",
	"person...", "INSERT INTO jobs (id, order_id, seq, lane, account, kind, domain, person, privacy_consent, state, outcome, finished_at) SELECT gen_random_uuid(), 1, 92, 'plain', 'a',",
	"token...", "INSERT INTO tokens (job_id, order_id, sealed, sent_at, expires_at) SELECT '00000000-0000-0000-0000-000000000001'::uuid, 1,",
	"live...", "INSERT INTO jobs (id, order_id, seq, lane, account, domain, kind, state, outcome, finished_at) SELECT gen_random_uuid(), 1, 91, 'plain', 'a',",
	"field...", "UPDATE jobs SET",
	"chunk...", "INSERT INTO chunks (order_id, first_seq, last_seq, kind, lane, account) VALUES",
	"call...", "INSERT INTO calls (id, claim_id, op, size, deadline) SELECT gen_random_uuid(),",
	"attempt...", "INSERT INTO attempts (call_id, job_id, domain, state, resolved_at, resolved_by) SELECT",
	"hold...", "INSERT INTO holds (account, reason, scope, words, probe_every, next_probe_at) SELECT",
	"key...", "INSERT INTO api_keys (id, source, role, digest, created_by) VALUES",
	"theKey...", "UPDATE api_keys SET",
	"day...", "INSERT INTO api_key_days (key_id, day, jobs, registrations) VALUES",
	"hook...", "INSERT INTO webhook_endpoints (id, source, url, created_by, seen) VALUES",
	"theHook...", "UPDATE webhook_endpoints SET",
	"secret...", "INSERT INTO webhook_secrets (endpoint_id, n, sealed, public_key, ends_at) VALUES",
	"delivery...", "INSERT INTO webhook_deliveries (endpoint_id, event_id, line, state, due_at, finished_at) VALUES",
	"tried...", "INSERT INTO webhook_attempts (delivery_id, n, duration_ms, status, answer) VALUES",
	"used...", "INSERT INTO registration_days (account, day, reserved, resumed) VALUES",
	"reading...", "INSERT INTO readings (job_id, call_id, availability) SELECT",
	"J1", "'00000000-0000-0000-0000-000000000001'::uuid",
	"J2", "'00000000-0000-0000-0000-000000000002'::uuid",
	"C1", "'00000000-0000-0000-0000-000000000011'::uuid",
	"K1", "'00000000-0000-0000-0000-000000000021'::uuid",
	"K2", "'00000000-0000-0000-0000-000000000022'::uuid",
	"SUBJECT", "'person-evbhpobvk3xqp64m'",
	"NOBODY", "'00000000-0000-0000-0000-000000000099'::uuid",
)

// constraintCases are statements and the constraint that must refuse each; "" where it must be taken.
var constraintCases = []struct{ sql, constraint string }{
	{`order... ('s', 'r2', 'whois', 'plain', 'a', NULL, 0)`, ""},
	{`order... (repeat('s', 64), repeat('r', 128), 'token', 'bulk', repeat('a', 64), sha256('x'), 9)`, ""},
	{`order... ('s2', 'r', 'register', 'bulk', 'a', NULL, 0)`, ""},
	{`order... ('s', 'r', 'whois', 'plain', 'a', NULL, 0)`, "orders_source_reference_key"},
	{`order... ('', 'x', 'whois', 'plain', 'a', NULL, 0)`, "orders_source_check"},
	{`order... (repeat('s', 65), 'x', 'whois', 'plain', 'a', NULL, 0)`, "orders_source_check"},
	{`order... ('s', '', 'whois', 'plain', 'a', NULL, 0)`, "orders_reference_check"},
	{`order... ('s', repeat('x', 129), 'whois', 'plain', 'a', NULL, 0)`, "orders_reference_check"},
	{`INSERT INTO orders (source, reference, kind, lane, account, total, pruned_at) VALUES ('s', 'x', 'register', 'plain', 'a', 0, now())`, "orders_pruned"},
	{`order... ('s', 'x', 'transfer', 'plain', 'a', NULL, 0)`, "orders_kind_check"},
	{`order... ('s', 'x', 'whois', 'fast', 'a', NULL, 0)`, "orders_lane_check"},
	{`order... ('s', 'x', 'whois', 'plain', '', NULL, 0)`, "orders_account_check"},
	{`order... ('s', 'x', 'whois', 'plain', repeat('a', 65), NULL, 0)`, "orders_account_check"},
	{`order... ('s', 'x', 'whois', 'plain', 'a', 'short', 0)`, "orders_digest_check"},
	{`order... ('s', 'x', 'whois', 'plain', 'a', NULL, -1)`, "orders_total_check"},
	{`UPDATE orders SET labels = '{"campaign": "spring"}'`, ""},
	{`UPDATE orders SET labels = '["spring"]'`, "orders_labels_check"},
	{`UPDATE orders SET trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'`, ""},
	{`UPDATE orders SET trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x'`, "orders_trace"},

	{`field... kind = 'transfer' WHERE id = J1`, "jobs_kind_check"},
	{`field... lane = 'fast' WHERE id = J1`, "jobs_lane_check"},
	{`field... period_months = 0 WHERE id = J1`, "jobs_period_months_check"},
	{`field... attempts = -1 WHERE id = J1`, "jobs_attempts_check"},
	{`field... seq = 1 WHERE id = J2`, "jobs_order_seq"},
	{`field... id = J1 WHERE id = J2`, "jobs_pkey"},
	{`field... canceling = true WHERE id = J1`, ""},
	{`field... canceling = true, kind = 'whois' WHERE id = J1`, "jobs_canceling"},
	{`field... canceling = true, state = 'canceled', finished_at = now() WHERE id = J1`, "jobs_canceling"},
	{`field... whois_status = 'premium', allow_status = '{premium}' WHERE id = J1`, ""},
	{`field... whois_status = '' WHERE id = J1`, "jobs_whois_status_check"},
	{`INSERT INTO holds (account, reason, scope, words, placed_by) VALUES ('b', 'paused', 'all', '', 'ann'), ('b', 'restored', 'register', '', NULL)`, ""},
	{`INSERT INTO holds (account, reason, scope, words) VALUES ('b', 'outage', 'all', '')`, "holds_probed"},
	{`hold... 'b', 'paused', 'all', '', interval '1 minute', now()`, "holds_probed"},
	{`INSERT INTO holds (account, reason, scope, words, ends_at) VALUES ('b', 'daily_limit', 'register', '', now())`, ""},
	{`INSERT INTO holds (account, reason, scope, words) VALUES ('b', 'daily_limit', 'register', '')`, "holds_ends"},
	{`UPDATE holds SET ends_at = now()`, "holds_ends"},
	{`UPDATE holds SET placed_by = ''`, "holds_placed_by_check"},
	{`used... ('a', '2026-01-02', 0, 0), ('b', '2026-01-01', 3, 2), (repeat('a', 64), '2026-01-01', 1, 3)`, ""},
	{`used... ('a', '2026-01-01', 0, 0)`, "registration_days_pkey"},
	{`used... ('', '2026-01-01', 0, 0)`, "registration_days_account_check"},
	{`used... (repeat('a', 65), '2026-01-01', 0, 0)`, "registration_days_account_check"},
	{`used... ('a', '2026-01-02', -1, 0)`, "registration_days_reserved_check"},
	{`used... ('a', '2026-01-02', 0, -1)`, "registration_days_resumed_check"},
	{`INSERT INTO order_holds (order_id, placed_by) VALUES (1, 'ann')`, ""},
	{`INSERT INTO order_holds (order_id, placed_by) VALUES (1, '')`, "order_holds_placed_by_check"},
	{`INSERT INTO order_holds (order_id, placed_by, words) VALUES (1, 'ann', repeat('x', 501))`, "order_holds_words_check"},
	{`INSERT INTO accounts (name) VALUES ('a'), ('b')`, ""},
	{`INSERT INTO accounts (name) VALUES ('a'), ('a')`, "accounts_pkey"},
	{`INSERT INTO accounts (name) VALUES ('')`, "accounts_name_check"},

	// kind, state, outcome, finished, wakes, claim
	{`job... 'whois', 'queued', NULL, NULL, NULL, NULL`, ""},
	{`job... 'whois', 'queued', NULL, NULL, now(), NULL`, ""},
	{`job... 'whois', 'running', NULL, NULL, NULL, C1`, ""},
	{`job... 'whois', 'retrying', NULL, NULL, now(), NULL`, ""},
	{`job... 'whois', 'held', NULL, NULL, NULL, NULL`, ""},
	{`job... 'register', 'unconfirmed', NULL, NULL, NULL, NULL`, ""},
	{`job... 'whois', 'succeeded', 'available', now(), NULL, NULL`, ""},
	{`job... 'whois', 'succeeded', 'taken', now(), NULL, NULL`, ""},
	{`job... 'register', 'succeeded', 'registered', now(), NULL, NULL`, ""},
	{`job... 'register', 'failed', 'taken', now(), NULL, NULL`, ""},
	{`job... 'register', 'failed', 'rejected', now(), NULL, NULL`, ""},
	{`job... 'register', 'failed', 'duplicate', now(), NULL, NULL`, ""},
	{`job... 'whois', 'failed', 'exhausted', now(), NULL, NULL`, ""},
	{`job... 'whois', 'canceled', NULL, now(), NULL, NULL`, ""},

	{`job... 'whois', 'lost', NULL, NULL, NULL, NULL`, "jobs_state"},
	{`job... 'whois', 'queued', NULL, now(), NULL, NULL`, "jobs_finished"},
	{`job... 'whois', 'succeeded', 'taken', NULL, NULL, NULL`, "jobs_finished"},
	{`job... 'whois', 'failed', 'rejected', NULL, NULL, NULL`, "jobs_finished"},
	{`job... 'whois', 'canceled', NULL, NULL, NULL, NULL`, "jobs_finished"},
	{`job... 'whois', 'succeeded', NULL, now(), NULL, NULL`, "jobs_outcome"},
	{`job... 'whois', 'succeeded', 'registered', now(), NULL, NULL`, "jobs_outcome"},
	{`job... 'whois', 'succeeded', 'rejected', now(), NULL, NULL`, "jobs_outcome"},
	{`job... 'register', 'succeeded', 'available', now(), NULL, NULL`, "jobs_outcome"},
	{`job... 'register', 'succeeded', 'taken', now(), NULL, NULL`, "jobs_outcome"},
	{`person... 'token', SUBJECT, repeat('x', 38)::bytea, true, 'succeeded', 'issued', now()`, ""},
	{`person... 'token', SUBJECT, repeat('x', 38)::bytea, false, 'succeeded', 'expired', now()`, ""},
	{`person... 'token', SUBJECT, NULL, NULL, 'failed', 'rejected', now()`, ""},
	{`person... 'token', SUBJECT, NULL, true, 'failed', 'exhausted', now()`, ""},
	{`person... 'token', SUBJECT, NULL, true, 'succeeded', 'registered', now()`, "jobs_outcome"},
	{`person... 'token', SUBJECT, NULL, true, 'failed', 'taken', now()`, "jobs_outcome"},
	{`person... 'token', SUBJECT, NULL, true, 'failed', 'duplicate', now()`, "jobs_outcome"},
	{`person... 'token', SUBJECT, repeat('x', 38)::bytea, NULL, 'queued', NULL, NULL`, "jobs_consent"},
	{`person... 'token', SUBJECT, repeat('x', 37)::bytea, true, 'queued', NULL, NULL`, "jobs_person_check"},
	{`person... 'token', 'jan@example.nl', NULL, true, 'queued', NULL, NULL`, "jobs_subject"},
	{`person... 'token', 'example.nl', NULL, true, 'queued', NULL, NULL`, "jobs_subject"},
	{`person... 'whois', SUBJECT, NULL, NULL, 'queued', NULL, NULL`, "jobs_subject"},
	{`person... 'register', 'new.nl', repeat('x', 38)::bytea, true, 'queued', NULL, NULL`, "jobs_person"},
	{`person... 'whois', 'new.nl', NULL, true, 'queued', NULL, NULL`, "jobs_person"},
	{`token... repeat('x', 38)::bytea, now(), now() + interval '10 minutes'`, ""},
	{`token... repeat('x', 38)::bytea, now(), now() + interval '10 minutes 1 second'`, "tokens_check"},
	{`token... repeat('x', 38)::bytea, now(), now()`, "tokens_check"},
	{`token... repeat('x', 37)::bytea, now(), now() + interval '1 minute'`, "tokens_sealed_check"},
	{`job... 'whois', 'failed', NULL, now(), NULL, NULL`, "jobs_outcome"},
	{`job... 'register', 'failed', 'registered', now(), NULL, NULL`, "jobs_outcome"},
	{`job... 'whois', 'failed', 'available', now(), NULL, NULL`, "jobs_outcome"},
	{`job... 'whois', 'canceled', 'taken', now(), NULL, NULL`, "jobs_outcome"},
	{`job... 'whois', 'queued', 'taken', NULL, NULL, NULL`, "jobs_outcome"},
	{`job... 'whois', 'retrying', NULL, NULL, NULL, NULL`, "jobs_wake"},
	{`job... 'whois', 'running', NULL, NULL, now(), C1`, "jobs_wake"},
	{`job... 'whois', 'held', NULL, NULL, now(), NULL`, "jobs_wake"},
	{`job... 'register', 'unconfirmed', NULL, NULL, now(), NULL`, "jobs_wake"},
	{`job... 'whois', 'succeeded', 'taken', now(), now(), NULL`, "jobs_wake"},
	{`job... 'whois', 'running', NULL, NULL, NULL, NULL`, "jobs_running_claimed"},
	{`job... 'whois', 'unconfirmed', NULL, NULL, NULL, NULL`, "jobs_unconfirmed_kind"},

	// domain, kind, state, outcome, finished
	{`live... 'live.nl', 'register', 'queued', NULL, NULL`, "jobs_live_domain"},
	{`live... 'registered.nl', 'register', 'queued', NULL, NULL`, "jobs_live_domain"},
	{`live... 'registered.nl', 'register', 'succeeded', 'registered', now()`, "jobs_live_domain"},
	{`live... 'live.nl', 'whois', 'queued', NULL, NULL`, ""},
	{`live... 'live.nl', 'register', 'failed', 'duplicate', now()`, ""},
	{`live... 'failed.nl', 'register', 'queued', NULL, NULL`, ""},
	{`field... domain = 'two.nl' WHERE id = J1`, "jobs_live_domain"},

	{`chunk... (1, 3, 3, 'whois', 'plain', 'a')`, ""},
	{`chunk... (1, 3, 2, 'whois', 'plain', 'a')`, "chunks_check"},
	{`chunk... (1, 1, 2, 'whois', 'plain', 'a')`, "chunks_pkey"},
	{`chunk... (99, 1, 2, 'whois', 'plain', 'a')`, "chunks_order_id_fkey"},

	{`call... C1, 'token', 1, now()`, ""},
	{`call... C1, 'delete', 1, now()`, "calls_op_check"},
	{`call... C1, 'whois', 0, now()`, "calls_size_check"},
	{`call... NOBODY, 'whois', 1, now()`, "calls_claim_id_fkey"},

	// call, job, domain, state, resolved at and by
	{`attempt... K2, J1, 'x.nl', 'open', NULL, NULL`, ""},
	{`attempt... K2, J1, 'live.nl', 'registered', now(), 'reply'`, ""},
	{`attempt... K2, J1, 'live.nl', 'failed', now(), 'reply'`, ""},
	{`attempt... K2, J1, 'live.nl', 'refused', now(), 'reply'`, ""},
	{`attempt... K2, J1, 'live.nl', 'not_sent', now(), 'reply'`, ""},
	{`attempt... K2, J1, 'live.nl', 'cleared', now(), 'readings'`, ""},
	{`attempt... K2, J2, 'live.nl', 'open', NULL, NULL`, "attempts_unresolved"},
	{`attempt... K2, J2, 'live.nl', 'unknown', NULL, NULL`, "attempts_unresolved"},
	{`WITH u AS (UPDATE attempts SET state = 'unknown') attempt... K2, J2, 'live.nl', 'open', NULL, NULL`, "attempts_unresolved"},
	{`attempt... K1, J1, 'x.nl', 'open', NULL, NULL`, "attempts_pkey"},
	{`attempt... K2, J1, 'x.nl', 'paid', now(), 'reply'`, "attempts_state_check"},
	{`attempt... K2, J1, 'x.nl', 'open', now(), 'reply'`, "attempts_resolved"},
	{`attempt... K2, J1, 'x.nl', 'unknown', now(), 'reply'`, "attempts_resolved"},
	{`attempt... K2, J1, 'x.nl', 'registered', NULL, NULL`, "attempts_resolved"},
	{`attempt... K2, J1, 'x.nl', 'cleared', NULL, NULL`, "attempts_resolved"},
	{`attempt... K2, J1, 'x.nl', 'failed', now(), NULL`, "attempts_resolver"},
	{`attempt... K2, J1, 'x.nl', 'open', NULL, 'reply'`, "attempts_resolver"},
	{`attempt... NOBODY, J1, 'x.nl', 'open', NULL, NULL`, "attempts_call_id_fkey"},
	{`attempt... K2, NOBODY, 'x.nl', 'open', NULL, NULL`, "attempts_job_id_fkey"},

	// account, reason, scope, words, interval, next probe
	{`hold... 'b', 'payment', 'register', 'no funds', interval '1 minute', now()`, ""},
	{`hold... 'a', 'contract', 'all', 'no such method', interval '1 minute', now()`, ""},
	{`hold... 'a', 'auth', 'all', '', interval '1 minute', now()`, "holds_pkey"},
	{`INSERT INTO events_forgotten VALUES (true, 1)`, "events_forgotten_pkey"},
	{`INSERT INTO events_forgotten VALUES (false, 1)`, "events_forgotten_one_check"},
	{`UPDATE events_forgotten SET id = -1`, "events_forgotten_id_check"},
	{`hold... 'b', 'weather', 'all', '', interval '1 minute', now()`, "holds_reason_check"},
	{`hold... 'b', 'auth', 'whois', '', interval '1 minute', now()`, "holds_scope_check"},
	{`hold... 'b', 'auth', 'all', '', interval '0', now()`, "holds_probe_every_check"},

	{`key... ('bbbbbbbbb2', repeat('é', 64), 'operate', sha256('x'), repeat('é', 64)), ('bbbbbbbbb3', 's', 'read', sha256('x'), 'ann')`, ""},
	{`key... ('aaaaaaaaaa', 's', 'read', sha256('x'), 'ann')`, "api_keys_pkey"},
	{`key... ('aaaaaaaaa1', 's', 'read', sha256('x'), 'ann')`, "api_keys_id_check"},
	{`key... ('bbbbbbbbbb', '', 'read', sha256('x'), 'ann')`, "api_keys_source_check"},
	{`key... ('bbbbbbbbbb', 's', 'root', sha256('x'), 'ann')`, "api_keys_role_check"},
	{`key... ('bbbbbbbbbb', 's', 'read', 'x', 'ann')`, "api_keys_digest_check"},
	{`key... ('bbbbbbbbbb', 's', 'read', sha256('x'), '')`, "api_keys_created_by_check"},
	{`theKey... expires_at = created_at`, "api_keys_check"},
	{`theKey... revoked_at = now()`, "api_keys_revoked"},
	{`theKey... revoked_at = now(), revoked_by = ''`, "api_keys_revoked_by_check"},
	{`theKey... revoked_at = now(), revoked_by = 'ann', expires_at = created_at + interval '1 second', last_used_at = now()`, ""},
	{`theKey... requests_per_minute = 0`, "api_keys_requests_per_minute_check"},
	{`theKey... jobs_per_day = 0`, "api_keys_jobs_per_day_check"},
	{`theKey... registrations_per_day = 0`, "api_keys_registrations_per_day_check"},
	{`theKey... jobs_per_order = 0`, "api_keys_jobs_per_order_check"},

	{`hook... ('aaaaaaaaaa', 's', 'https://s.nl/2', 'ann', 0)`, "webhook_endpoints_pkey"},
	{`hook... ('bbbbbbbbb1', 's', 'https://s.nl/2', 'ann', 0)`, "webhook_endpoints_id_check"},
	{`hook... ('bbbbbbbbbb', 's', 'https://s.nl/', 'ann', 0)`, "webhook_endpoints_url"},
	{`hook... ('bbbbbbbbbb', 't', 'https://s.nl/', 'ann', 0)`, ""},
	{`hook... ('cccccccccc', 's', 'ftp://s.nl/', 'ann', 0)`, "webhook_endpoints_url_check"},
	{`hook... ('cccccccccc', '', 'https://s.nl/3', 'ann', 0)`, "webhook_endpoints_source_check"},
	{`hook... ('cccccccccc', 's', 'https://s.nl/3', '', 0)`, "webhook_endpoints_created_by_check"},
	{`theHook... disabled_at = now()`, "webhook_endpoints_disabled"},
	{`theHook... disabled_at = now(), disabled_for = 'mood'`, "webhook_endpoints_disabled_for_check"},
	{`theHook... failures = -1`, "webhook_endpoints_failures_check"},
	{`secret... ('aaaaaaaaaa', 2, 'x', sha256('y'), NULL)`, "webhook_secrets_newest"},
	{`secret... ('aaaaaaaaaa', 2, 'x', sha256('y'), now())`, ""},
	{`secret... ('aaaaaaaaaa', 0, 'x', sha256('y'), now())`, "webhook_secrets_n_check"},
	{`secret... ('aaaaaaaaaa', 3, 'x', 'y', now())`, "webhook_secrets_public_key_check"},
	{`secret... ('zzzzzzzzzz', 1, 'x', sha256('y'), now())`, "webhook_secrets_endpoint_id_fkey"},
	{`secret... ('aaaaaaaaaa', 1, 'x', sha256('y'), now())`, "webhook_secrets_pkey"},
	{`UPDATE webhook_deliveries SET attempts = -1`, "webhook_deliveries_attempts_check"},
	{`delivery... ('aaaaaaaaaa', 1, '1', 'waiting', now(), NULL)`, "webhook_deliveries_event"},
	{`delivery... ('aaaaaaaaaa', NULL, '', 'waiting', now(), NULL)`, ""},
	{`delivery... ('zzzzzzzzzz', 2, '1', 'waiting', now(), NULL)`, "webhook_deliveries_endpoint_id_fkey"},
	{`delivery... ('aaaaaaaaaa', 2, '1', 'lost', NULL, now())`, "webhook_deliveries_state_check"},
	{`delivery... ('aaaaaaaaaa', 2, '1', 'delivered', NULL, NULL)`, "webhook_deliveries_final"},
	{`delivery... ('aaaaaaaaaa', 2, '1', 'failed', now(), now())`, "webhook_deliveries_final"},
	{`delivery... ('aaaaaaaaaa', 2, '1', 'waiting', now(), now())`, "webhook_deliveries_final"},
	{`tried... (1, 1, 1, 200, '')`, "webhook_attempts_pkey"},
	{`tried... (1, 0, 1, 200, '')`, "webhook_attempts_n_check"},
	{`tried... (1, 2, -1, 200, '')`, "webhook_attempts_duration_ms_check"},
	{`tried... (1, 2, 1, 99, '')`, "webhook_attempts_status_check"},
	{`tried... (1, 2, 1, 200, repeat('x', 513))`, "webhook_attempts_answer_check"},
	{`tried... (99, 1, 1, 200, '')`, "webhook_attempts_delivery_id_fkey"},
	{`day... ('aaaaaaaaaa', '2026-01-02', 0, 0)`, ""},
	{`day... ('aaaaaaaaaa', '2026-01-01', 0, 0)`, "api_key_days_pkey"},
	{`day... ('bbbbbbbbbb', '2026-01-01', 0, 0)`, "api_key_days_key_id_fkey"},
	{`day... ('aaaaaaaaaa', '2026-01-02', -1, 0)`, "api_key_days_jobs_check"},
	{`day... ('aaaaaaaaaa', '2026-01-02', 0, -1)`, "api_key_days_registrations_check"},

	{`reading... J1, K1, 'available'`, ""},
	{`reading... J1, K1, 'unknown'`, "readings_availability_check"},
	{`reading... J1, K2, 'available'`, "readings_pkey"},
	{`reading... J1, NOBODY, 'available'`, "readings_call_id_fkey"},
	{`reading... NOBODY, K1, 'available'`, "readings_job_id_fkey"},
}

// The database repeats the invariants, for the day on which a statement is wrong.
func TestConstraints(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(constraintRows)
	met := map[string]bool{}
	for _, c := range constraintCases {
		met[c.constraint] = true
		tx, err := b.db.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = tx.Exec(t.Context(), shorthands.Replace(c.sql))
		var refusal *pgconn.PgError
		switch {
		case c.constraint == "" && err != nil:
			t.Errorf("%s: %v, want it taken", c.sql, err)
		case c.constraint != "" && (!errors.As(err, &refusal) || refusal.ConstraintName != c.constraint):
			t.Errorf("%s: %v, want it refused by %s", c.sql, err, c.constraint)
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// Every rule that these tables have is met by a case, but for primary keys that are random ids.
	for _, name := range list[string](b, `
		SELECT conname FROM pg_constraint WHERE conrelid = ANY($1::regclass[])
		UNION SELECT indexrelid::regclass::text FROM pg_index WHERE indisunique AND indrelid = ANY($1::regclass[])`,
		[]string{"orders", "jobs", "chunks", "claims", "calls", "attempts", "readings", "holds", "accounts", "api_keys", "api_key_days",
			"webhook_endpoints", "webhook_secrets", "webhook_deliveries", "webhook_attempts", "registration_days", "events_forgotten"}) {
		if !met[name] && !slices.Contains(metElsewhere, name) {
			t.Errorf("no case meets %s", name)
		}
	}
}

// metElsewhere are rules that no case here need meet: random ids, and what the tests of holders look at.
var metElsewhere = []string{
	"orders_pkey", "claims_pkey", "calls_pkey", "jobs_holder", "jobs_holder_key_fkey", "calls_holder", "webhook_deliveries_pkey", "calls_holder_key_fkey",
}
