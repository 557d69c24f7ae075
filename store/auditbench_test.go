package store_test

import (
	"crypto/md5" //nolint:gosec // Postgres makes the ids with it
	"strconv"
	"strings"
	"testing"

	"github.com/bulkreg/bulkreg/store/audit"
	"github.com/bulkreg/bulkreg/store/record"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/bulkreg/bulkreg/store"
	"github.com/bulkreg/bulkreg/store/pgtest"
)

// BenchmarkAudit measures an audit of a database with a long past: most jobs have ended, every tenth registration was lost
// or refused before, and the newest tenth of the jobs waits.
func BenchmarkAudit(b *testing.B) {
	for _, jobs := range []int{200_000, 1_000_000} {
		b.Run(strconv.Itoa(jobs), func(b *testing.B) {
			st := openPast(b, jobs)
			for b.Loop() {
				report, err := st.Audit.Run(b.Context(), audit.Options{JobID: pastID})
				if err != nil || report.Total() != 0 || report.Jobs != jobs {
					b.Fatalf("%d breaches in %d jobs, %v", report.Total(), report.Jobs, err)
				}
			}
		})
	}
}

// pastID makes the ids of auditPast, in about the time that real ones take.
func pastID(_, _ string, _ record.Kind, domain string) uuid.UUID {
	n := strings.TrimSuffix(strings.TrimPrefix(domain, "example-"), ".nl")
	id := uuid.UUID(md5.Sum([]byte("job" + n))) //nolint:gosec // it is no secret
	id[6] = id[6]&0x0f | 0x50
	return id
}

func openPast(b *testing.B, jobs int) *store.Store {
	b.Helper()
	url := pgtest.New(b, migrate)
	conn, err := pgx.Connect(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	if _, err = conn.Exec(b.Context(), auditPast, jobs); err == nil {
		_, err = conn.Exec(b.Context(), `VACUUM ANALYZE`)
	}
	if err != nil {
		b.Fatal(err)
	}
	if err := conn.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	st, err := store.Open(b.Context(), url, store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(st.Close)
	return st
}

// auditPast makes $1 jobs in orders of 10,000, every second order one of registrations, and what they have left behind.
const auditPast = `
	WITH job AS (
		SELECT n, (n - 1) / 10000 + 1 AS o, (n - 1) % 10000 + 1 AS seq, (n - 1) / 10000 % 2 = 0 AS paid, n > $1::integer * 9 / 10 AS waits,
			n % 10 = 0 AS twice, overlay(md5('job' || n) PLACING '5' FROM 13 FOR 1)::uuid AS id, 'example-' || n || '.nl' AS domain,
			now() - interval '2 hours' + make_interval(secs => n / 1000.0) AS at
		FROM generate_series(1, $1) AS n
	), ordered AS (
		INSERT INTO orders (id, source, reference, kind, lane, account, total) OVERRIDING SYSTEM VALUE
		SELECT o, 'bench', 'order-' || o, CASE WHEN bool_and(paid) THEN 'register' ELSE 'whois' END, 'bulk', 'default', count(*)
		FROM job GROUP BY o
	), chunked AS (
		INSERT INTO chunks (order_id, first_seq, last_seq, kind, lane, account)
		SELECT o, min(seq), max(seq), CASE WHEN bool_and(paid) THEN 'register' ELSE 'whois' END, 'bulk', 'default'
		FROM job WHERE waits GROUP BY o, (seq - 1) / 100
	), claimed AS (
		INSERT INTO claims (id, kind, account, worker, job_ids, order_ids, taken_at, lease_until, closed_at)
		SELECT md5('claim' || o || '/' || (seq - 1) / 100 || '/' || turn)::uuid, CASE WHEN bool_and(paid) THEN 'register' ELSE 'whois' END,
			'default', 'host/1', array_agg(id), ARRAY[o], min(at) + make_interval(mins => turn), min(at) + make_interval(mins => turn + 1), min(at) + make_interval(mins => turn + 1)
		FROM job, generate_series(1, 2) AS turn WHERE NOT waits AND (turn = 2 OR paid AND twice) GROUP BY o, (seq - 1) / 100, turn
	), called AS (
		INSERT INTO calls (id, claim_id, op, size, started_at, deadline, finished_at, status, duration_ms)
		SELECT md5('call' || o || '/' || (seq - 1) / 100 || '/' || turn)::uuid, md5('claim' || o || '/' || (seq - 1) / 100 || '/' || turn)::uuid,
			CASE WHEN bool_and(paid) THEN 'register' ELSE 'whois' END, count(*), min(at), min(at) + interval '1 minute', min(at) + interval '90 seconds', 200, 200
		FROM job, generate_series(1, 2) AS turn WHERE NOT waits AND (turn = 2 OR paid AND twice) GROUP BY o, (seq - 1) / 100, turn
	), done AS (
		INSERT INTO jobs (id, order_id, seq, kind, lane, account, domain, state, outcome, attempts, claim_id, created_at, finished_at)
		SELECT id, o, seq, CASE WHEN paid THEN 'register' ELSE 'whois' END, 'bulk', 'default', domain,
			CASE WHEN waits THEN 'queued' ELSE 'succeeded' END, CASE WHEN waits THEN NULL WHEN paid THEN 'registered' ELSE 'available' END,
			1, CASE WHEN NOT waits THEN md5('claim' || o || '/' || (seq - 1) / 100 || '/2')::uuid END, at,
			CASE WHEN NOT waits THEN at + interval '4 minutes' END
		FROM job
	), read AS (
		INSERT INTO readings (job_id, call_id, availability, read_at)
		SELECT id, md5('call' || o || '/' || (seq - 1) / 100 || '/1')::uuid, 'available', at + interval '100 seconds'
		FROM job WHERE NOT waits AND paid AND twice AND n % 20 = 0
	)
	INSERT INTO attempts (call_id, job_id, domain, state, opened_at, resolved_at, resolved_by)
	SELECT md5('call' || o || '/' || (seq - 1) / 100 || '/' || turn)::uuid, id, domain,
		CASE WHEN turn = 2 THEN 'registered' WHEN n % 20 = 0 THEN 'cleared' ELSE 'refused' END,
		at + make_interval(mins => turn), at + make_interval(mins => CASE WHEN turn = 2 THEN 4 ELSE 2 END),
		CASE WHEN turn = 1 AND n % 20 = 0 THEN 'readings' ELSE 'reply' END
	FROM job, generate_series(1, 2) AS turn WHERE NOT waits AND paid AND (turn = 2 OR twice)`
