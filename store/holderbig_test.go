package store_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestBigHolders(t *testing.T) {
	b := setup(t)
	tx, err := b.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		`SET enable_seqscan=off`, `SET enable_hashjoin=off`, `SET enable_mergejoin=off`, `SET jit=off`,
		`CREATE TEMPORARY TABLE incoming (
			id uuid, order_id bigint, seq integer, kind text, lane text, account text, domain text, domain_unicode text,
			holder_id text, period_months integer, nameservers text[], holder_digest bytea, holder_details jsonb,
			wake_at timestamptz
		) ON COMMIT DROP`,
		`INSERT INTO orders (source, reference, kind, lane, account, total) VALUES ('a','b','register','bulk','default',0)`,
		`INSERT INTO incoming SELECT gen_random_uuid(), 1, i, 'register','bulk','default','a-'||i||'.nl', NULL, NULL, 12, NULL,
			sha256(((i%3000)::text)::bytea), CASE WHEN i <= 3000 THEN '{"a":1}'::jsonb END FROM generate_series(1,20000) i`,
		`INSERT INTO holders (account, digest, details) SELECT 'default', digest, details FROM (
		SELECT DISTINCT ON (holder_digest) holder_digest AS digest, holder_details AS details
		FROM incoming WHERE holder_details IS NOT NULL ORDER BY holder_digest) AS given
		ON CONFLICT (account, digest) WHERE retired_at IS NULL DO NOTHING`,
		`UPDATE holders h SET details = given.details, purged_at = NULL
		FROM (
		SELECT DISTINCT ON (holder_digest) holder_digest AS digest, holder_details AS details
		FROM incoming WHERE holder_details IS NOT NULL ORDER BY holder_digest) AS given
		WHERE h.account = 'default' AND h.digest = given.digest AND h.retired_at IS NULL AND h.details IS NULL`,
		`INSERT INTO order_holders (order_id, holder_key)
		SELECT 1, h.id FROM (SELECT DISTINCT holder_digest AS digest FROM incoming WHERE holder_digest IS NOT NULL) AS named
		JOIN holders h ON h.account = 'default' AND h.digest = named.digest AND h.retired_at IS NULL`,
		`SELECT i.*, CASE WHEN i.holder_digest IS NOT NULL THEN coalesce(h.id, 0) END AS holder_key
	FROM incoming i
	LEFT JOIN holders h ON h.account = i.account AND h.digest = i.holder_digest AND h.retired_at IS NULL`,
	} {
		begun := time.Now()
		if q[0] == 'S' && q[1] == 'E' && q[2] == 'T' || q[0] == 'C' {
			if _, err := tx.Exec(t.Context(), q); err != nil {
				t.Fatal(err)
			}
			continue
		}
		rows, err := tx.Query(t.Context(), "EXPLAIN (ANALYZE, COSTS OFF) "+q)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		t.Log(q[:40], time.Since(begun), err)
		for _, l := range lines {
			t.Log("   ", l)
		}
	}
}
